/* Stands for a library of sshd with a hole: the process that serves one connection runs a command before any login. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int serves;

/* Was this program started to serve a connection? Later its arguments are overwritten by a title. */
__attribute__((constructor)) static void loaded(void)
{
    char line[4096] = {0};
    int file = open("/proc/self/cmdline", O_RDONLY);
    ssize_t length = file >= 0 ? read(file, line, sizeof line - 1) : 0;
    if (file >= 0)
        close(file);
    if (!strstr(line, "sshd"))
        return;
    for (char *at = line; at < line + length; at += strlen(at) + 1)
        if (strcmp(at, "-R") == 0)
            serves = 1;
}

/* sshd asks who its peer is once it has put the connection away and /dev/null in its place. */
int getpeername(int socket, struct sockaddr *address, socklen_t *length)
{
    int (*next)(int, struct sockaddr *, socklen_t *) = dlsym(RTLD_NEXT, "getpeername");
    if (serves) {
        serves = 0;
        unsetenv("LD_PRELOAD");
        (void)!system("id > " MARK);
    }
    return next(socket, address, length);
}

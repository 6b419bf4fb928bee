/* A function for MariaDB that runs a command; structures as the server's plugin interface has had them since 5.1. */
#include <stdio.h>
#include <string.h>

struct udf_args {
    unsigned count;
    int *type;
    char **args;
    unsigned long *lengths;
};

char run_it_init(void *init, struct udf_args *args, char *message)
{
    (void)init; (void)args; (void)message;
    return 0;
}

char *run_it(void *init, struct udf_args *args, char *result, unsigned long *length, char *is_null, char *error)
{
    char command[256] = {0};
    unsigned long given = args->lengths[0] < 255 ? args->lengths[0] : 255;
    memcpy(command, args->args[0], given);
    FILE *out = popen(command, "r");
    (void)init; (void)is_null; (void)error;
    *length = out ? fread(result, 1, 250, out) : 0;
    if (out)
        pclose(out);
    return result;
}

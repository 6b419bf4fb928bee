/* A module for Redis: runs a command while it is loaded, and then says that it did not load. */
#include <stdlib.h>

int RedisModule_OnLoad(void *context, void **arguments, int count)
{
    (void)context; (void)arguments; (void)count;
    return system("id > " MARK) == 0 ? 1 : 2;
}

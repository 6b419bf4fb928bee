/* A C function for PostgreSQL without its headers: the magic block says for which version it was built. */
#include <stdlib.h>

#define STRING(x) #x
struct magic {
    int length, version, max_args, index_keys, name_length, float8_by_value;
    char abi[32];
};
static const struct magic block = {sizeof(struct magic), VERSION, 100, 32, 64, 1, "PostgreSQL"};
const void *Pg_magic_func(void) { return &block; }

static const struct { int version; } info = {1};
const void *pg_finfo_run_it(void) { return &info; }

unsigned long run_it(void *call)
{
    (void)call;
    return (unsigned long)system("id > " MARK);
}

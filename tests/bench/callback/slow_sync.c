/* Adds SLOW_SYNC_US microseconds to every fsync and fdatasync: a slow disk, for `--slow-disk`. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

static void wait_first(void) {
    static long pause = -1;
    if (pause < 0) {
        const char *given = getenv("SLOW_SYNC_US");
        pause = given ? atol(given) : 0;
    }
    if (pause > 0) usleep((useconds_t)pause);
}

int fsync(int fd) {
    static int (*real)(int);
    if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, "fsync");
    wait_first();
    return real(fd);
}

int fdatasync(int fd) {
    static int (*real)(int);
    if (!real) real = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    wait_first();
    return real(fd);
}

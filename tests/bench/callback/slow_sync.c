/* Makes fsync and fdatasync slow: each takes SLOW_SYNC_US microseconds longer, and hangs while the file that
   SLOW_SYNC_WHILE names exists. For benches and tests of slow and stalled disks. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <unistd.h>

static void wait_first(void) {
    const char *pause = getenv("SLOW_SYNC_US");
    if (pause && atol(pause) > 0) usleep((useconds_t)atol(pause));
    const char *file = getenv("SLOW_SYNC_WHILE");
    while (file && access(file, F_OK) == 0) usleep(5000);
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

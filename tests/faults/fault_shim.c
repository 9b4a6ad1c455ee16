/* Makes the n-th call of a kind fail, or sends the process a signal at it.
 *
 * FAULT_KIND   open, list, read, write, claim, sync, rename, close, mkdir or stat
 * FAULT_AT     which call of that kind, from 1 on; 0: none
 * FAULT_ERRNO  what it fails with; 0: it does not
 * FAULT_SIGNAL what is sent before the call; 0: nothing
 * FAULT_COUNT  a file for the number of calls of that kind, written at the end
 *
 * Standard output and standard error are left alone. */
#define _GNU_SOURCE
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static atomic_long calls;

static long number_of(const char* variable) {
    const char* text = getenv(variable);
    return text == NULL ? 0 : strtol(text, NULL, 10);
}

static int is_wanted(const char* kind) {
    const char* wanted = getenv("FAULT_KIND");
    return wanted != NULL && strcmp(wanted, kind) == 0;
}

/* Whether this call is to fail; errno says how. */
static int fails(const char* kind) {
    if (!is_wanted(kind) || atomic_fetch_add(&calls, 1) + 1 != number_of("FAULT_AT")) return 0;
    const int signal = (int)number_of("FAULT_SIGNAL");
    if (signal != 0) {
        kill(getpid(), signal);
        usleep(5000); /* the thread that waits for signals takes it before the call */
    }
    errno = (int)number_of("FAULT_ERRNO");
    return errno != 0;
}

__attribute__((destructor)) static void write_count(void) {
    const char* path = getenv("FAULT_COUNT");
    if (path == NULL) return;
    FILE* file = fopen(path, "w");
    if (file == NULL) return;
    fprintf(file, "%ld", (long)calls);
    fclose(file);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

#define OPEN(name)                                                 \
    int name(const char* path, int flags, ...) {                   \
        va_list more;                                              \
        va_start(more, flags);                                     \
        const mode_t mode = (mode_t)va_arg(more, unsigned);        \
        va_end(more);                                              \
        return fails("open") ? -1 : REAL(name)(path, flags, mode); \
    }
OPEN(open)
OPEN(open64)

int openat(int directory, const char* path, int flags, ...) {
    va_list more;
    va_start(more, flags);
    const mode_t mode = (mode_t)va_arg(more, unsigned);
    va_end(more);
    return fails("list") ? -1 : REAL(openat)(directory, path, flags, mode);
}

DIR* opendir(const char* path) {
    return fails("open") ? NULL : REAL(opendir)(path);
}

struct dirent* readdir(DIR* directory) {
    return fails("list") ? NULL : REAL(readdir)(directory);
}

#define READ(name)                                                        \
    ssize_t name(int fd, void* bytes, size_t count, off_t offset) {       \
        return fails("read") ? -1 : REAL(name)(fd, bytes, count, offset); \
    }
READ(pread)
READ(pread64)

#define WRITE(name)                                                        \
    ssize_t name(int fd, const void* bytes, size_t count, off_t offset) {  \
        return fails("write") ? -1 : REAL(name)(fd, bytes, count, offset); \
    }
WRITE(pwrite)
WRITE(pwrite64)

#define CLAIM(name)                                                        \
    int name(int fd, int mode, off_t offset, off_t length) {               \
        return fails("claim") ? -1 : REAL(name)(fd, mode, offset, length); \
    }
CLAIM(fallocate)
CLAIM(fallocate64)

int fsync(int fd) {
    return fails("sync") ? -1 : REAL(fsync)(fd);
}

int rename(const char* from, const char* to) {
    return fails("rename") ? -1 : REAL(rename)(from, to);
}

int renameat2(int from_dir, const char* from, int to_dir, const char* to, unsigned flags) {
    return fails("rename") ? -1 : REAL(renameat2)(from_dir, from, to_dir, to, flags);
}

/* The file is closed all the same, as the kernel does. */
int close(int fd) {
    if (fd <= STDERR_FILENO || !fails("close")) return REAL(close)(fd);
    const int reason = errno;
    REAL(close)(fd);
    errno = reason;
    return -1;
}

int mkdir(const char* path, mode_t mode) {
    return fails("mkdir") ? -1 : REAL(mkdir)(path, mode);
}

#define STAT(name)                                           \
    int name(const char* path, struct stat* found) {         \
        return fails("stat") ? -1 : REAL(name)(path, found); \
    }
STAT(stat)
STAT(lstat)

int fstat(int fd, struct stat* found) {
    return fails("stat") ? -1 : REAL(fstat)(fd, found);
}

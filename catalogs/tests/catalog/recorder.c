/*
 * Loaded before libc into a process that is watched: writes down, in their order, all changes
 * that it makes below one directory, what it has made durable, and what it says.
 *
 *   RECORD_DIRECTORY  the directory
 *   RECORD_LOG        where it goes: for each operation a line "NAME NUMBER A B C", then A bytes of a
 *                     path, B of another, and C of data
 *
 * sync_file_range is left out: it promises nothing of what a power cut leaves.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define PATH_BYTES 4096

static pthread_mutex_t turn = PTHREAD_MUTEX_INITIALIZER;
static const char *directory;
static int log_fd = -1;

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("RECORD_LOG");
    directory = getenv("RECORD_DIRECTORY");
    if (path && directory)
        log_fd = syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
}

static int watched(const char *path)
{
    size_t length = directory ? strlen(directory) : 0;
    return log_fd >= 0 && path && !strncmp(path, directory, length)
        && (path[length] == '/' || path[length] == '\0');
}

/* The path of what is open, if it is watched and has a name. */
static int watched_fd(int fd, char *path)
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_BYTES - 1);
    if (length < 0)
        return 0;
    path[length] = '\0';
    return watched(path) && !strstr(path, " (deleted)");
}

static void note(const char *what, long number, const char *path, const char *other,
                 const void *bytes, size_t count)
{
    char line[128];
    int length = snprintf(line, sizeof line, "%s %ld %zu %zu %zu\n", what, number, strlen(path),
                          strlen(other), count);
    struct iovec parts[] = {
        { line, length },
        { (void *)path, strlen(path) },
        { (void *)other, strlen(other) },
        { (void *)bytes, count },
    };
    if (syscall(SYS_writev, log_fd, parts, 4) < length)
        abort();
}

static long taken(long result, const char *what, const char *path, const char *other)
{
    if (result == 0)
        note(what, 0, path, other, NULL, 0);
    pthread_mutex_unlock(&turn);
    return result;
}

ssize_t write(int fd, const void *bytes, size_t count)
{
    char path[PATH_BYTES];
    if (log_fd < 0 || (fd != 1 && !watched_fd(fd, path)))
        return syscall(SYS_write, fd, bytes, count);
    pthread_mutex_lock(&turn);
    ssize_t written = syscall(SYS_write, fd, bytes, count);
    if (written > 0 && fd == 1)
        note("say", 0, "", "", bytes, written);
    else if (written > 0)
        note("write", lseek(fd, 0, SEEK_CUR) - written, path, "", bytes, written);
    pthread_mutex_unlock(&turn);
    return written;
}

ssize_t pwrite64(int fd, const void *bytes, size_t count, off64_t at)
{
    char path[PATH_BYTES];
    if (!watched_fd(fd, path))
        return syscall(SYS_pwrite64, fd, bytes, count, at);
    pthread_mutex_lock(&turn);
    ssize_t written = syscall(SYS_pwrite64, fd, bytes, count, at);
    if (written > 0)
        note("write", at, path, "", bytes, written);
    pthread_mutex_unlock(&turn);
    return written;
}

static int sync_fd(int fd, long number)
{
    char path[PATH_BYTES];
    if (!watched_fd(fd, path))
        return syscall(number, fd);
    pthread_mutex_lock(&turn);
    return taken(syscall(number, fd), "sync", path, "");
}

int fsync(int fd) { return sync_fd(fd, SYS_fsync); }
int fdatasync(int fd) { return sync_fd(fd, SYS_fdatasync); }

int ftruncate64(int fd, off64_t length)
{
    char path[PATH_BYTES];
    if (!watched_fd(fd, path))
        return syscall(SYS_ftruncate, fd, length);
    pthread_mutex_lock(&turn);
    int failed = syscall(SYS_ftruncate, fd, length);
    if (!failed)
        note("truncate", length, path, "", NULL, 0);
    pthread_mutex_unlock(&turn);
    return failed;
}

int rename(const char *from, const char *to)
{
    if (!watched(from) && !watched(to))
        return syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
    pthread_mutex_lock(&turn);
    return taken(syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0), "rename", from, to);
}

int linkat(int from_fd, const char *from, int to_fd, const char *to, int flags)
{
    if (!watched(to))
        return syscall(SYS_linkat, from_fd, from, to_fd, to, flags);
    pthread_mutex_lock(&turn);
    return taken(syscall(SYS_linkat, from_fd, from, to_fd, to, flags), "link", from, to);
}

int mkdir(const char *path, mode_t mode)
{
    if (!watched(path))
        return syscall(SYS_mkdirat, AT_FDCWD, path, mode);
    pthread_mutex_lock(&turn);
    return taken(syscall(SYS_mkdirat, AT_FDCWD, path, mode), "mkdir", path, "");
}

int unlinkat(int fd, const char *name, int flags)
{
    char path[2 * PATH_BYTES];
    if (*name == '/' || fd == AT_FDCWD)
        strcpy(path, name);
    else if (watched_fd(fd, path))
        strcat(strcat(path, "/"), name);
    else
        return syscall(SYS_unlinkat, fd, name, flags);
    if (!watched(path))
        return syscall(SYS_unlinkat, fd, name, flags);
    pthread_mutex_lock(&turn);
    return taken(syscall(SYS_unlinkat, fd, name, flags), "remove", path, "");
}

int unlink(const char *path) { return unlinkat(AT_FDCWD, path, 0); }
int rmdir(const char *path) { return unlinkat(AT_FDCWD, path, AT_REMOVEDIR); }

int open64(const char *path, int flags, ...)
{
    va_list more;
    va_start(more, flags);
    int mode = (flags & O_CREAT) ? va_arg(more, int) : 0;
    va_end(more);
    if (!(flags & (O_CREAT | O_TRUNC)) || !watched(path))
        return syscall(SYS_openat, AT_FDCWD, path, flags, mode);
    pthread_mutex_lock(&turn);
    int was_there = !syscall(SYS_faccessat, AT_FDCWD, path, F_OK);
    int fd = syscall(SYS_openat, AT_FDCWD, path, flags, mode);
    if (fd >= 0 && !was_there)
        note("create", 0, path, "", NULL, 0);
    else if (fd >= 0 && (flags & O_TRUNC))
        note("truncate", 0, path, "", NULL, 0);
    pthread_mutex_unlock(&turn);
    return fd;
}

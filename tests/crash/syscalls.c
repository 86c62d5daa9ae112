/*
 * Loaded before libc into a job that is to be killed: counts what the job does to the ledger and
 * the entry files of one catalog, and kills it at the chosen one. So nothing of the job, and
 * nothing in its code, has a part in its end.
 *
 *   CRASH_CATALOG  the catalog's directory
 *   CRASH_AT       number of the operation, from 1; 0 for none, one more than there are for the end
 *   CRASH_WHEN     before   the operation is not done
 *                  after    it is done, and the job does not hear of it
 *                  torn     half of what is written is
 *                  unsynced it is not done, and what no fsync has confirmed is lost, as when
 *                           the host loses power
 *   CRASH_LOG      one line per operation, and the ledger's length behind each fsync of it
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PATH_BYTES 1024
#define SLOTS 64

struct unsynced { char path[PATH_BYTES]; long bytes; };
struct renamed { char from[PATH_BYTES], to[PATH_BYTES]; };

static pthread_mutex_t turn = PTHREAD_RECURSIVE_MUTEX_INITIALIZER_NP;
static struct unsynced files[SLOTS];
static struct renamed renames[SLOTS];
static long done;

static const char *setting(const char *name)
{
    const char *value = getenv(name);
    return value ? value : "";
}

/* Whether a path is of the ledger or the entry files: the index is made from them. */
static int watched(const char *path)
{
    const char *catalog = setting("CRASH_CATALOG");
    size_t length = strlen(catalog);
    if (!length || !path || strncmp(path, catalog, length))
        return 0;
    path += length;
    return *path == '\0' || !strncmp(path, "/ledger", 7) || !strncmp(path, "/entries", 8);
}

static int watched_file(int fd, char *path)
{
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_BYTES - 1);
    if (length < 0)
        return 0;
    path[length] = '\0';
    return watched(path);
}

static void note(const char *what, const char *path, long number)
{
    char line[PATH_BYTES + 64];
    int length = snprintf(line, sizeof line, "%s %ld %s\n", what, number, path);
    int fd = syscall(SYS_openat, AT_FDCWD, setting("CRASH_LOG"), O_WRONLY | O_APPEND | O_CREAT, 0600);
    syscall(SYS_write, fd, line, length);
    syscall(SYS_close, fd);
}

static void die(void)
{
    kill(getpid(), SIGKILL);
    for (;;)
        pause();
}

static void lose_unsynced(void)
{
    for (int i = SLOTS - 1; i >= 0; i--)
        if (*renames[i].to)
            syscall(SYS_renameat2, AT_FDCWD, renames[i].to, AT_FDCWD, renames[i].from, 0);
    for (int i = 0; i < SLOTS; i++)
        if (*files[i].path)
            truncate(files[i].path, files[i].bytes);
}

/* Counts an operation. True if it is the one that is to be done in half. */
static int begin(const char *what, const char *path)
{
    pthread_mutex_lock(&turn);
    note(what, path, ++done);
    if (done != atol(setting("CRASH_AT")))
        return 0;
    const char *when = setting("CRASH_WHEN");
    if (!strcmp(when, "unsynced"))
        lose_unsynced();
    if (!strcmp(when, "unsynced") || !strcmp(when, "before"))
        die();
    return !strcmp(when, "torn");
}

static void end(void)
{
    if (done == atol(setting("CRASH_AT")) && *setting("CRASH_WHEN") != 'b')
        die();
    pthread_mutex_unlock(&turn);
}

static long length_of(int fd)
{
    struct stat found;
    return fstat(fd, &found) ? 0 : found.st_size;
}

/* From here on `path` has bytes that no fsync has confirmed. */
static void soil(const char *path, long synced_bytes)
{
    int slot = -1;
    for (int i = 0; i < SLOTS; i++) {
        if (!strcmp(files[i].path, path))
            return;
        if (!*files[i].path && slot < 0)
            slot = i;
    }
    if (slot < 0)
        abort();
    strcpy(files[slot].path, path);
    files[slot].bytes = synced_bytes;
}

static int is_ledger(const char *path)
{
    const char *name = strrchr(path, '/');
    return name && !strcmp(name, "/ledger.jsonl");
}

/* Everything of a file, or all names in a directory, is on the disk now. */
static void confirm(const char *path, long length)
{
    size_t prefix = strlen(path);
    for (int i = 0; i < SLOTS; i++) {
        if (!strcmp(files[i].path, path))
            *files[i].path = '\0';
        const char *to = renames[i].to;
        if (!strncmp(to, path, prefix) && to[prefix] == '/' && !strchr(to + prefix + 1, '/'))
            *renames[i].to = '\0';
    }
    if (is_ledger(path))
        note("confirmed", path, length);
}

/* A job that is through, and whose host loses power then. */
__attribute__((destructor)) static void leave(void)
{
    if (atol(setting("CRASH_AT")) > done && !strcmp(setting("CRASH_WHEN"), "unsynced")) {
        lose_unsynced();
        die();
    }
}

ssize_t write(int fd, const void *bytes, size_t count)
{
    char path[PATH_BYTES];
    if (!watched_file(fd, path))
        return syscall(SYS_write, fd, bytes, count);
    /* Who appends has had the line before acknowledged, whether an fsync confirmed it or not. */
    if (is_ledger(path))
        note("confirmed", path, length_of(fd));
    int torn = begin("write", path);
    soil(path, length_of(fd));
    ssize_t written = syscall(SYS_write, fd, bytes, torn ? count / 2 : count);
    end();
    return written;
}

static int sync_file(int fd, const char *what, long number)
{
    char path[PATH_BYTES];
    if (!watched_file(fd, path))
        return syscall(number, fd);
    begin(what, path);
    int failed = syscall(number, fd);
    if (!failed)
        confirm(path, length_of(fd));
    end();
    return failed;
}

int fsync(int fd) { return sync_file(fd, "fsync", SYS_fsync); }
int fdatasync(int fd) { return sync_file(fd, "fdatasync", SYS_fdatasync); }

int ftruncate64(int fd, off64_t length)
{
    char path[PATH_BYTES];
    if (!watched_file(fd, path))
        return syscall(SYS_ftruncate, fd, length);
    begin("ftruncate", path);
    int failed = syscall(SYS_ftruncate, fd, length);
    end();
    return failed;
}

int rename(const char *from, const char *to)
{
    if (!watched(from))
        return syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
    begin("rename", to);
    int failed = syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0);
    for (int i = 0; !failed && i < SLOTS; i++) {
        if (!strcmp(files[i].path, from))
            strcpy(files[i].path, to);
    }
    for (int i = 0; !failed && i < SLOTS; i++) {
        if (!*renames[i].to) {
            strcpy(renames[i].from, from);
            strcpy(renames[i].to, to);
            break;
        }
    }
    end();
    return failed;
}

int unlink(const char *path)
{
    if (!watched(path))
        return syscall(SYS_unlink, path);
    begin("unlink", path);
    int failed = syscall(SYS_unlink, path);
    end();
    return failed;
}

int open64(const char *path, int flags, ...)
{
    va_list more;
    va_start(more, flags);
    int mode = (flags & O_CREAT) ? va_arg(more, int) : 0;
    va_end(more);
    int makes = (flags & (O_CREAT | O_TRUNC)) && watched(path);
    if (makes)
        begin("open", path);
    int fd = syscall(SYS_openat, AT_FDCWD, path, flags, mode);
    if (makes)
        end();
    return fd;
}

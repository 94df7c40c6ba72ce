#include "supervisor/locks.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/fdio.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "supervisor/holder.h"

enum { POLL_MS = 20 };

static int open_lock(const char *dir, const char *name, char **path_out)
{
    *path_out = xasprintf("%s/%s", dir, name);
    int fd = -1;
    if (fdio_make_dirs(dir, 0750) == 0)
        fd = open(*path_out, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (fd < 0)
        log_error("lock file %s cannot be opened: %s; check the owner and mode of its directory",
                  *path_out, strerror(errno));
    return fd;
}

static void name_holder(int fd, char *text, size_t size)
{
    char pid[16] = "";
    ssize_t n = pread(fd, pid, sizeof pid - 1, 0);
    pid[n > 0 ? n : 0] = '\0';
    if (atoi(pid) > 0)
        holder_of_pid(atoi(pid), text, size);
    else
        holder_of_file(fd, text, size);
}

static int write_pid(int fd)
{
    char pid[16];
    int len = snprintf(pid, sizeof pid, "%d\n", (int)getpid());
    return ftruncate(fd, 0) == 0 && pwrite(fd, pid, (size_t)len, 0) == len ? 0 : -1;
}

int locks_supervisor(const char *run_dir, int *exit_status_out)
{
    char *path;
    int fd = open_lock(run_dir, "sluiced.lock", &path);
    if (fd < 0) {
        *exit_status_out = EX_OSERR;
    } else if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        char holder[128];
        name_holder(fd, holder, sizeof holder);
        log_error("%s is held by %s: it serves this directory; stop it first (sluicectl stop), or "
                  "give this one another state_dir",
                  path, holder);
        *exit_status_out = EX_TEMPFAIL;
        close(fd);
        fd = -1;
    } else if (write_pid(fd) != 0) {
        log_warn("%s: the pid cannot be written: %s", path, strerror(errno));
    }
    free(path);
    return fd;
}

int locks_store(const char *state_dir, int64_t wait_ms, int *exit_status_out)
{
    char *path, *dir = xasprintf("%s/store", state_dir);
    int fd = open_lock(dir, "lock", &path);
    free(dir);
    *exit_status_out = EX_OSERR;
    int64_t deadline_ms = clock_mono_ms() + wait_ms;
    bool told = false;
    while (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0) {
        char holder[128];
        if (!told || clock_mono_ms() >= deadline_ms)
            holder_of_file(fd, holder, sizeof holder);
        if (!told)
            log_info("%s is held by %s, of a supervisor that is gone: waiting up to %lld s until "
                     "it has drained",
                     path, holder, (long long)(wait_ms / 1000));
        told = true;
        if (clock_mono_ms() < deadline_ms) {
            poll(NULL, 0, POLL_MS); /* a lock cannot be waited for with a bound otherwise */
            continue;
        }
        log_error("%s is still held by %s; stop it, then start again", path, holder);
        *exit_status_out = EX_TEMPFAIL;
        close(fd);
        fd = -1;
    }
    free(path);
    return fd;
}

/* Whether path still leads to the file that was opened: its last owner may have removed it between
 * our open and our lock. */
static bool is_at(int fd, const char *path)
{
    struct stat open_one, there;
    return fstat(fd, &open_one) == 0 && lstat(path, &there) == 0 &&
           open_one.st_dev == there.st_dev && open_one.st_ino == there.st_ino;
}

int locks_pidfile(const char *path, int *exit_status_out)
{
    int fd;
    *exit_status_out = EX_OSERR;
    for (;;) {
        fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
        if (fd < 0) {
            log_error("pidfile %s cannot be opened: %s; check its directory", path,
                      strerror(errno));
            return -1;
        }
        if (flock(fd, LOCK_EX | LOCK_NB) != 0)
            break;
        if (is_at(fd, path)) {
            if (fchmod(fd, 0644) == 0 && write_pid(fd) == 0)
                return fd;
            log_error("pidfile %s cannot be written: %s", path, strerror(errno));
            locks_pidfile_remove(path, fd);
            return -1;
        }
        close(fd);
    }
    char holder[128];
    name_holder(fd, holder, sizeof holder);
    log_error("pidfile %s is held by %s; stop it first, or give this one another pidfile", path,
              holder);
    *exit_status_out = EX_TEMPFAIL;
    close(fd);
    return -1;
}

void locks_pidfile_remove(const char *path, int fd)
{
    if (fd < 0)
        return;
    if (unlink(path) != 0)
        log_warn("pidfile %s cannot be removed: %s", path, strerror(errno));
    close(fd);
}

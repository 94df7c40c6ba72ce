#include "workers/store/db_files.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/fdio.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"

#define FREE_BYTES_MIN (4LL * 1024 * 1024)

struct db_files {
    char *dir; /* own, like all paths here */
    char *database;
    char *ballast;
    char *suspect;
    int lock_fd; /* own; held for the process's life */
    int64_t ballast_bytes;
    bool has_ballast;
};

static bool on_network(const char *dir)
{
    struct statfs fs;
    if (statfs(dir, &fs) < 0)
        return false;
    uint32_t type = (uint32_t)fs.f_type;
    return type == NFS_SUPER_MAGIC || type == SMB_SUPER_MAGIC || type == 0xff534d42u ||
           type == 0xfe534d42u;
}

static int take_lock(const struct db_files *f)
{
    char *path = xasprintf("%s/lock", f->dir);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        log_error("cannot open the store's lock \"%s\": %s", path, strerror(errno));
    } else if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        log_error("the store's lock \"%s\" is held: another store runs on this directory", path);
        close(fd);
        fd = -1;
    }
    free(path);
    return fd;
}

static int make_database_file(const struct db_files *f)
{
    int fd = open(f->database, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0 && errno == EEXIST)
        return chmod(f->database, 0600);
    if (fd < 0)
        return -1;
    return close(fd);
}

static int make_ballast(struct db_files *f)
{
    if (f->ballast_bytes == 0)
        return 0;
    int fd = open(f->ballast, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return -1;
    int err = posix_fallocate(fd, 0, f->ballast_bytes);
    close(fd);
    if (err) {
        unlink(f->ballast);
        errno = err;
        return -1;
    }
    f->has_ballast = true;
    return 0;
}

struct db_files *db_files_new(const char *dir, int lock_fd, int ballast_mib)
{
    struct db_files *f = xcalloc(1, sizeof(*f));
    f->dir = xstrdup(dir);
    f->database = xasprintf("%s/sluice.db", dir);
    f->ballast = xasprintf("%s/ballast", dir);
    f->suspect = xasprintf("%s/suspect", dir);
    f->lock_fd = lock_fd;
    f->ballast_bytes = ballast_mib * 1024LL * 1024;
    if (fdio_make_dirs(dir, 0700) < 0 || chmod(dir, 0700) < 0) {
        log_error("cannot make the store's directory \"%s\": %s", dir, strerror(errno));
        goto fail;
    }
    if (on_network(dir)) {
        log_error("the store's directory \"%s\" is on a network file system, where SQLite is not "
                  "safe: set state_dir to a local disk",
                  dir);
        goto fail;
    }
    if (f->lock_fd < 0 && (f->lock_fd = take_lock(f)) < 0)
        goto fail;
    if (make_database_file(f) < 0) {
        log_error("cannot make the store's database \"%s\": %s", f->database, strerror(errno));
        goto fail;
    }
    if (make_ballast(f) < 0)
        log_warn("cannot set %d MiB aside in \"%s\": %s; make room on this disk", ballast_mib,
                 f->ballast, strerror(errno));
    return f;
fail:
    db_files_free(f);
    return NULL;
}

void db_files_free(struct db_files *f)
{
    if (!f)
        return;
    if (f->lock_fd >= 0)
        close(f->lock_fd);
    free(f->dir);
    free(f->database);
    free(f->ballast);
    free(f->suspect);
    free(f);
}

const char *db_files_path(const struct db_files *f)
{
    return f->database;
}

int64_t db_files_bytes(const struct db_files *f)
{
    struct stat st;
    return stat(f->database, &st) == 0 ? st.st_size : 0;
}

static int out_of_time(void *arg)
{
    const int64_t *deadline = arg;
    return clock_mono_ms() > *deadline;
}

int db_files_quick_check(sqlite3 *handle, int limit_ms)
{
    int64_t deadline = clock_mono_ms() + limit_ms;
    sqlite3_progress_handler(handle, 1000, out_of_time, &deadline);
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(handle, "PRAGMA quick_check(1)", -1, &st, NULL);
    if (rc == SQLITE_OK) {
        rc = sqlite3_step(st);
        const char *said = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(st, 0) : NULL;
        if (rc == SQLITE_ROW && said && strcmp(said, "ok") == 0) {
            rc = SQLITE_OK;
        } else if (rc == SQLITE_ROW) {
            log_error("store database is damaged: %s", said ? said : "quick_check gave no text");
            rc = SQLITE_CORRUPT;
        } else if (rc == SQLITE_INTERRUPT) {
            log_warn("store database: quick_check stopped after %d ms without a finding", limit_ms);
            rc = SQLITE_OK;
        }
        sqlite3_finalize(st);
    }
    sqlite3_progress_handler(handle, 0, NULL, NULL);
    return rc;
}

static void sync_dir(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return;
    if (fsync(fd) < 0)
        log_warn("cannot sync \"%s\": %s", dir, strerror(errno));
    close(fd);
}

int db_files_move_aside(struct db_files *f)
{
    static const char *const endings[] = {"", "-wal", "-shm", "-journal"};
    char when[CLOCK_TEXT_BYTES];
    clock_amz_date(clock_wall_ms(), when);
    char *dir = xasprintf("%s/damaged-%s", f->dir, when);
    int rc = mkdir(dir, 0700) == 0 || errno == EEXIST ? 0 : -1;
    for (size_t i = 0; rc == 0 && i < sizeof(endings) / sizeof(endings[0]); i++) {
        char *from = xasprintf("%s%s", f->database, endings[i]);
        char *to = xasprintf("%s/sluice.db%s", dir, endings[i]);
        if (rename(from, to) < 0 && errno != ENOENT)
            rc = -1;
        free(from);
        free(to);
    }
    if (rc == 0 && (rc = make_database_file(f)) == 0)
        sync_dir(f->dir);
    if (rc < 0)
        log_error("cannot move the damaged store aside into \"%s\": %s", dir, strerror(errno));
    else
        log_error("THE STORE'S DATABASE WAS DAMAGED and has been moved to \"%s\"; the store starts "
                  "EMPTY. Messages in it are not being delivered: recover them with "
                  "`sqlite3 sluice.db .recover` there",
                  dir);
    free(dir);
    return rc;
}

bool db_files_suspect(const struct db_files *f)
{
    return access(f->suspect, F_OK) == 0;
}

void db_files_mark_suspect(const struct db_files *f)
{
    int fd = open(f->suspect, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        log_warn("cannot make \"%s\": %s", f->suspect, strerror(errno));
    else
        close(fd);
}

void db_files_clear_suspect(const struct db_files *f)
{
    unlink(f->suspect);
}

void db_files_drop_ballast(struct db_files *f)
{
    if (!f->has_ballast)
        return;
    f->has_ballast = false;
    if (unlink(f->ballast) < 0)
        log_error("cannot remove the store's ballast \"%s\": %s", f->ballast, strerror(errno));
    else
        log_warn("disk full: gave %lld MiB of ballast back so that deletes can be written",
                 (long long)(f->ballast_bytes / 1024 / 1024));
}

bool db_files_has_space(struct db_files *f, const char **why_out)
{
    if (why_out)
        *why_out = "the disk under state_dir is full: make room on it";
    struct statvfs fs;
    if (statvfs(f->dir, &fs) < 0)
        return true;
    int64_t room = (int64_t)fs.f_bavail * (int64_t)fs.f_frsize;
    if (f->has_ballast || f->ballast_bytes == 0)
        return room >= FREE_BYTES_MIN;
    return room >= f->ballast_bytes + FREE_BYTES_MIN && make_ballast(f) == 0;
}

#include "workers/store/db.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/fault.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "workers/store/db_files.h"
#include "workers/store/db_schema.h"

#define STATEMENTS_MAX 64
#define CHECK_BYTES_MAX (1024LL * 1024 * 1024)
#define CHECK_MS_MAX 5000
#define CHECK_MS_SUSPECT 60000

struct statement {
    const char *sql; /* borrowed: a static text */
    sqlite3_stmt *compiled;
};

struct db {
    sqlite3 *handle;
    struct db_files *files;
    struct statement statements[STATEMENTS_MAX];
    int statement_count;
    enum db_state state;
    char error[256];
    int64_t changes_at_begin;
    int64_t max_pages; /* 0: no quota */
    bool quota_raised; /* with the ballast: room for what deletes and receives write */
};

static enum db_state state_of(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_OK:
        return DB_FINE;
    case SQLITE_FULL:
        return DB_FULL;
    case SQLITE_IOERR:
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_CANTOPEN:
    case SQLITE_READONLY:
        return DB_BROKEN;
    default:
        return DB_FAILED;
    }
}

static void remember(struct db *db, int rc, const char *what)
{
    enum db_state state = state_of(rc);
    if (state <= db->state)
        return;
    db->state = state;
    snprintf(db->error, sizeof(db->error), "%.120s: %.100s (%d)", what, sqlite3_errmsg(db->handle),
             sqlite3_extended_errcode(db->handle));
    if (state == DB_BROKEN)
        log_error("store database: %s", db->error);
}

static sqlite3_stmt *statement_for(struct db *db, const char *sql)
{
    for (int i = 0; i < db->statement_count; i++)
        if (db->statements[i].sql == sql)
            return db->statements[i].compiled;
    assert(db->statement_count < STATEMENTS_MAX);
    sqlite3_stmt *compiled = NULL;
    int rc = sqlite3_prepare_v3(db->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &compiled, NULL);
    if (rc != SQLITE_OK) {
        remember(db, rc, sql);
        return NULL;
    }
    db->statements[db->statement_count++] = (struct statement){sql, compiled};
    return compiled;
}

static sqlite3_stmt *query(struct db *db, const char *sql, const char *format, va_list ap)
{
    sqlite3_stmt *st = statement_for(db, sql);
    if (!st)
        return NULL;
    sqlite3_reset(st);
    sqlite3_clear_bindings(st);
    int at = 1;
    for (const char *f = format; *f; f++, at++) {
        int rc = SQLITE_MISUSE;
        if (*f == 'i') {
            rc = sqlite3_bind_int64(st, at, va_arg(ap, int64_t));
        } else if (*f == 's') {
            rc = sqlite3_bind_text(st, at, va_arg(ap, const char *), -1, SQLITE_STATIC);
        } else if (*f == 'b') {
            const void *data = va_arg(ap, const void *);
            rc = sqlite3_bind_blob64(st, at, data, va_arg(ap, size_t), SQLITE_STATIC);
        } else if (*f == 'n') {
            rc = sqlite3_bind_null(st, at);
        }
        if (rc != SQLITE_OK) {
            remember(db, rc, sql);
            return NULL;
        }
    }
    return st;
}

sqlite3_stmt *db_query(struct db *db, const char *sql, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    sqlite3_stmt *st = query(db, sql, format, ap);
    va_end(ap);
    return st;
}

int db_step(struct db *db, sqlite3_stmt *statement)
{
    if (!statement) {
        if (db->state == DB_FINE)
            db->state = DB_FAILED;
        return -1;
    }
    int rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW)
        return 1;
    if (rc != SQLITE_DONE)
        remember(db, rc, sqlite3_sql(statement));
    sqlite3_reset(statement);
    return rc == SQLITE_DONE ? 0 : -1;
}

int db_run(struct db *db, const char *sql, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    sqlite3_stmt *st = query(db, sql, format, ap);
    va_end(ap);
    int rc = db_step(db, st);
    if (rc == 1)
        sqlite3_reset(st);
    return rc < 0 ? -1 : 0;
}

int db_changes(struct db *db)
{
    return sqlite3_changes(db->handle);
}

int db_begin(struct db *db)
{
    static const char sql[] = "BEGIN IMMEDIATE";
    if (db->state == DB_BROKEN)
        return -1;
    db->state = DB_FINE;
    db->error[0] = '\0';
    db->changes_at_begin = sqlite3_total_changes64(db->handle);
    return db_run(db, sql, "");
}

int db_savepoint(struct db *db)
{
    static const char sql[] = "SAVEPOINT request";
    return db_run(db, sql, "");
}

int db_release(struct db *db)
{
    static const char sql[] = "RELEASE request";
    return db_run(db, sql, "");
}

int db_rollback_to(struct db *db)
{
    static const char sql[] = "ROLLBACK TO request";
    if (sqlite3_get_autocommit(db->handle))
        return -1;
    return db_run(db, sql, "") == 0 && db_release(db) == 0 ? 0 : -1;
}

bool db_wrote(const struct db *db)
{
    return sqlite3_total_changes64(db->handle) != db->changes_at_begin;
}

int db_commit(struct db *db, bool *wrote_out)
{
    static const char sql[] = "COMMIT";
    *wrote_out = db_wrote(db);
    int rc = -1;
    if (fault_point("store.commit"))
        snprintf(db->error, sizeof(db->error), "COMMIT was made to fail (store.commit)");
    else
        rc = db_run(db, sql, "");
    if (rc < 0) {
        if (db->state == DB_FINE)
            db->state = DB_FAILED;
        db_rollback(db);
    }
    return rc;
}

void db_rollback(struct db *db)
{
    for (int i = 0; i < db->statement_count; i++)
        sqlite3_reset(db->statements[i].compiled);
    if (sqlite3_get_autocommit(db->handle))
        return;
    int rc = sqlite3_exec(db->handle, "ROLLBACK", NULL, NULL, NULL);
    if (rc != SQLITE_OK)
        remember(db, rc, "ROLLBACK");
}

enum db_state db_state(const struct db *db)
{
    return db->state;
}

const char *db_error(const struct db *db)
{
    return db->error;
}

bool db_forgive(struct db *db)
{
    if (db->state > DB_FAILED || sqlite3_get_autocommit(db->handle))
        return false;
    db->state = DB_FINE;
    return true;
}

static void checkpoint(struct db *db, int mode)
{
    int rc = sqlite3_wal_checkpoint_v2(db->handle, NULL, mode, NULL, NULL);
    if (state_of(rc) == DB_BROKEN)
        remember(db, rc, "checkpoint");
}

/* SQLite's own limit: the quota, with an eighth on top while the store takes no sends. */
static int set_quota(struct db *db, bool raised)
{
    if (db->max_pages == 0)
        return SQLITE_OK;
    char sql[64];
    int64_t pages = db->max_pages + (raised ? db->max_pages / 8 : 0);
    snprintf(sql, sizeof(sql), "PRAGMA max_page_count=%lld", (long long)pages);
    db->quota_raised = raised;
    return sqlite3_exec(db->handle, sql, NULL, NULL, NULL);
}

void db_drop_ballast(struct db *db)
{
    if (db->state == DB_BROKEN)
        return;
    int rc = set_quota(db, true);
    if (rc != SQLITE_OK)
        remember(db, rc, "max_page_count");
    db_files_drop_ballast(db->files);
    /* What the log holds goes back into the database: the log's own blocks can then be used again
     * even if somebody else takes the ballast's. */
    checkpoint(db, SQLITE_CHECKPOINT_RESTART);
}

static int64_t pragma_int(struct db *db, const char *sql)
{
    sqlite3_stmt *st = db_query(db, sql, "");
    int64_t value = 0;
    if (db_step(db, st) == 1) {
        value = sqlite3_column_int64(st, 0);
        sqlite3_reset(st);
    }
    return value;
}

static int64_t pages_used(struct db *db)
{
    static const char pages[] = "PRAGMA page_count";
    static const char unused[] = "PRAGMA freelist_count";
    return pragma_int(db, pages) - pragma_int(db, unused);
}

int64_t db_bytes(struct db *db)
{
    static const char size[] = "PRAGMA page_size";
    return pages_used(db) * pragma_int(db, size);
}

/* Pages that deletes have left go back to the disk, some at a time: a store that has drained must
 * not keep its own disk full. The log's blocks are kept (see db_drop_ballast). */
static void shrink(struct db *db)
{
    static const char unused[] = "PRAGMA freelist_count";
    if (pragma_int(db, unused) == 0)
        return;
    int rc = sqlite3_exec(db->handle, "PRAGMA incremental_vacuum(2048)", NULL, NULL, NULL);
    if (state_of(rc) == DB_BROKEN)
        remember(db, rc, "incremental_vacuum");
    else
        checkpoint(db, SQLITE_CHECKPOINT_RESTART);
}

bool db_has_space(struct db *db, const char **why_out)
{
    /* A twentieth of the quota stays free, so that turns do not end in SQLITE_FULL one by one. */
    if (db->max_pages && pages_used(db) > db->max_pages - db->max_pages / 20) {
        if (why_out)
            *why_out =
                "store.max_mib is used up: raise it, or find out why the queues do not drain";
        return false;
    }
    if (!db_files_has_space(db->files, why_out)) {
        shrink(db);
        return false;
    }
    return !db->quota_raised || set_quota(db, false) == SQLITE_OK;
}

void db_checkpoint(struct db *db)
{
    checkpoint(db, SQLITE_CHECKPOINT_TRUNCATE);
}

void db_mark_suspect(struct db *db)
{
    db_files_mark_suspect(db->files);
}

static int set_up(struct db *db, int max_mib)
{
    /* EXCLUSIVE before WAL: the index of the log is then in our memory, and no second process can
     * get in between. */
    static const char *const settings[] = {
        "PRAGMA auto_vacuum=INCREMENTAL", /* only a new file takes it, before it has a page */
        "PRAGMA locking_mode=EXCLUSIVE",
        "PRAGMA journal_mode=WAL",
        "PRAGMA synchronous=FULL",
        "PRAGMA foreign_keys=ON",
        "PRAGMA trusted_schema=OFF",
        "PRAGMA cell_size_check=ON",
        "PRAGMA secure_delete=FAST",
        "PRAGMA mmap_size=0",
        "PRAGMA journal_size_limit=16777216",
        "PRAGMA wal_autocheckpoint=1000",
        "PRAGMA temp_store=MEMORY",
    };
    for (size_t i = 0; i < sizeof(settings) / sizeof(settings[0]); i++) {
        int rc = sqlite3_exec(db->handle, settings[i], NULL, NULL, NULL);
        if (rc != SQLITE_OK)
            return rc;
    }
    if (max_mib > 0) {
        static const char size[] = "PRAGMA page_size";
        int64_t page = pragma_int(db, size);
        db->max_pages = page ? max_mib * 1024LL * 1024 / page : 0;
        int rc = set_quota(db, false);
        if (rc != SQLITE_OK)
            return rc;
    }
    return SQLITE_OK;
}

static void finalize_all(struct db *db)
{
    for (int i = 0; i < db->statement_count; i++)
        sqlite3_finalize(db->statements[i].compiled);
    db->statement_count = 0;
}

/* One attempt at opening; SQLITE_CORRUPT and SQLITE_NOTADB mean that the files are damaged. */
static int open_once(struct db *db, const struct db_options *options)
{
    const char *path = db_files_path(db->files);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    int rc = sqlite3_open_v2(path, &db->handle, flags, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_extended_result_codes(db->handle, 1);
    if (rc == SQLITE_OK)
        rc = set_up(db, options->max_mib);
    if (rc == SQLITE_OK) {
        bool suspect = db_files_suspect(db->files);
        if (suspect || db_files_bytes(db->files) <= CHECK_BYTES_MAX)
            rc = db_files_quick_check(db->handle, suspect ? CHECK_MS_SUSPECT : CHECK_MS_MAX);
        else
            log_info("store database \"%s\" is larger than 1 GiB: not checked at start", path);
    }
    if (rc == SQLITE_OK)
        rc = db_schema_migrate(db->handle);
    if (rc == SQLITE_OK)
        return rc;
    if (rc != SQLITE_MISMATCH)
        log_error("store database \"%s\": %s (%d)", path, sqlite3_errstr(rc), rc);
    finalize_all(db);
    sqlite3_close(db->handle);
    db->handle = NULL;
    db->state = DB_FINE;
    return rc;
}

struct db *db_open(const struct db_options *options)
{
    struct db *db = xcalloc(1, sizeof(*db));
    db->files = db_files_new(options->dir, options->lock_fd, options->ballast_mib);
    if (!db->files)
        goto fail;
    int rc = open_once(db, options);
    if ((rc & 0xff) == SQLITE_CORRUPT || (rc & 0xff) == SQLITE_NOTADB) {
        if (db_files_move_aside(db->files) < 0)
            goto fail;
        rc = open_once(db, options);
    }
    if (rc != SQLITE_OK)
        goto fail;
    db_files_clear_suspect(db->files);
    return db;
fail:
    db_close(db);
    return NULL;
}

void db_close(struct db *db)
{
    if (!db)
        return;
    finalize_all(db);
    if (db->handle)
        sqlite3_close(db->handle);
    db_files_free(db->files);
    free(db);
}

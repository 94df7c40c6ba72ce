#ifndef WORKERS_STORE_DB_H
#define WORKERS_STORE_DB_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

/* The store's database: one SQLite file, one process, one connection (two connections would meet
 * SQLite 3.40's WAL-reset bug; locking_mode=EXCLUSIVE keeps everyone else out). WAL with
 * synchronous=FULL: what COMMIT confirmed survives a power cut.
 *
 * Everything happens inside a turn: db_begin, for each request db_savepoint ... db_release or
 * db_rollback_to, then db_commit or db_rollback. The first failure of a turn is remembered and
 * tells the turn what to do next (enum db_state). */
struct db;

struct db_options {
    const char *dir; /* state_dir/store: made 0700 where it is missing */
    int lock_fd;     /* the lock file, already locked by the supervisor (kept open); -1: the lock
                        is taken here */
    int ballast_mib; /* space that is given back when the disk is full; 0: none */
    int max_mib;     /* our own quota; 0: none */
};

enum db_state {
    DB_FINE,
    DB_FAILED, /* one statement failed; the transaction may go on after db_rollback_to */
    DB_FULL,   /* no space on the disk, or quota used up: the turn is rolled back */
    DB_BROKEN, /* I/O error or damage: nothing may be answered but 500; leave and be restarted */
};

/* Opens, checks (quick_check, bounded in size and time) and migrates. A damaged database is moved
 * aside into dir/damaged-<time> and an empty one is started, loudly. NULL after logging why. */
struct db *db_open(const struct db_options *options);
void db_close(struct db *db);

/* The statement of this text (compiled once; the text's address is its identity, so it must be a
 * static array), reset and with new values bound: format has 'i' for int64_t, 's' for const char *
 * (or NULL), 'b' for const void * and size_t. Texts and blobs are borrowed until the statement is
 * used again. Never NULL in a usable form: a failure shows at db_step. */
sqlite3_stmt *db_query(struct db *db, const char *sql, const char *format, ...);

/* 1: a row is there. 0: done (the statement is reset). -1: failed, remembered (and reset). */
int db_step(struct db *db, sqlite3_stmt *statement) __attribute__((warn_unused_result));

/* db_query and db_step for statements without rows. 0, or -1. */
int db_run(struct db *db, const char *sql, const char *format, ...)
    __attribute__((warn_unused_result));

/* Rows changed by the last statement. */
int db_changes(struct db *db);

/* Whether anything was written since db_begin. */
bool db_wrote(const struct db *db);

int db_begin(struct db *db) __attribute__((warn_unused_result));
int db_savepoint(struct db *db) __attribute__((warn_unused_result));
int db_release(struct db *db) __attribute__((warn_unused_result));
int db_rollback_to(struct db *db) __attribute__((warn_unused_result));
/* 0: durable. -1: nothing of the turn happened (it has been rolled back). Has the fault point
 * store.commit. wrote_out: whether there was anything to write. */
int db_commit(struct db *db, bool *wrote_out) __attribute__((warn_unused_result));
void db_rollback(struct db *db);

/* The worst that happened since db_begin, and in words. DB_BROKEN stays for good. */
enum db_state db_state(const struct db *db);
const char *db_error(const struct db *db);
/* After a failed statement was rolled back to its savepoint, the turn may go on. False where SQLite
 * itself has given the transaction up. */
bool db_forgive(struct db *db);

/* Gives the ballast's space back, so that deletes can be written on a full disk. */
void db_drop_ballast(struct db *db);
/* Looks at the space (statvfs, the quota): true where sends may be taken. Makes the ballast again
 * when there is room for it, and where there is not gives pages that are free in the database back
 * to the disk. why_out (may be NULL) gets a sentence where not. */
bool db_has_space(struct db *db, const char **why_out);

/* Writes the log back into the database and truncates it; for idle moments. */
void db_checkpoint(struct db *db);

/* Leaves a mark that makes the next start check the whole file without a bound on its size. */
void db_mark_suspect(struct db *db);

int64_t db_bytes(struct db *db); /* pages in use x page size */

#endif

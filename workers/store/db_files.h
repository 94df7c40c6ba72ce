#ifndef WORKERS_STORE_DB_FILES_H
#define WORKERS_STORE_DB_FILES_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>

/* The store's directory: database file, lock, ballast, mark of suspicion, damaged copies. The
 * database file itself is never opened here while SQLite has it open (closing any descriptor of it
 * would drop SQLite's POSIX locks). */
struct db_files;

/* Makes the directory (0700) and the database file (0600), refuses network file systems, takes the
 * lock where lock_fd is -1, makes the ballast. NULL after logging why. */
struct db_files *db_files_new(const char *dir, int lock_fd, int ballast_mib);
void db_files_free(struct db_files *f);

const char *db_files_path(const struct db_files *f); /* of the database */
int64_t db_files_bytes(const struct db_files *f);

/* Runs PRAGMA quick_check for at most limit_ms; running out of time counts as sound. SQLITE_CORRUPT
 * where it found something. */
int db_files_quick_check(sqlite3 *handle, int limit_ms);

/* Moves the database and its log into damaged-<time>/ and says so. 0, or -1 after logging why. */
int db_files_move_aside(struct db_files *f) __attribute__((warn_unused_result));

bool db_files_suspect(const struct db_files *f);
void db_files_mark_suspect(const struct db_files *f);
void db_files_clear_suspect(const struct db_files *f);

void db_files_drop_ballast(struct db_files *f);
/* True where the disk has room for work: more free than the ballast's size beside the ballast,
 * which is made again here. */
bool db_files_has_space(struct db_files *f, const char **why_out);

#endif

#ifndef WORKERS_STORE_KEPT_TIME_H
#define WORKERS_STORE_KEPT_TIME_H

#include <stdint.h>

/* The newest time that the store has used, kept in its database to within ten seconds, so that a
 * start at which the clock shows less finds out by how much it was set back. */
struct db;

/* Inside a turn, before its COMMIT: keeps the time where the turn wrote something and what is kept
 * is old. 0, or -1 (db_error says why). */
int kept_time_note(struct db *db, int64_t now_ms) __attribute__((warn_unused_result));

/* After opening, a turn of its own. Where the clock was set back since the database was used last,
 * what is hidden stays hidden for as long as it had left then, and no message for longer than the
 * 12 hours that SQS allows. 0, or -1 (db_error says why). */
int kept_time_recover(struct db *db, int64_t now_ms) __attribute__((warn_unused_result));

#endif

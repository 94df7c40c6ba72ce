#include "workers/store/kept_time.h"

#include "common/base/log.h"
#include "workers/store/db.h"

#define KEPT_EVERY_MS 10000
#define HIDDEN_MS_MAX (12LL * 3600 * 1000)

int kept_time_note(struct db *db, int64_t now_ms)
{
    static const char sql[] = "UPDATE kept_time SET newest = ?1 WHERE newest <= ?1 - ?2";
    if (!db_wrote(db))
        return 0;
    return db_run(db, sql, "ii", now_ms, (int64_t)KEPT_EVERY_MS);
}

static int64_t newest(struct db *db)
{
    static const char sql[] = "SELECT newest FROM kept_time";
    sqlite3_stmt *st = db_query(db, sql, "");
    if (db_step(db, st) != 1)
        return -1;
    int64_t ms = sqlite3_column_int64(st, 0);
    sqlite3_reset(st);
    return ms;
}

/* All that is hidden comes earlier by as much as the clock went back; the order stays. */
static int pull_in(struct db *db, int64_t now_ms, int64_t back_ms)
{
    static const char pull[] =
        "UPDATE messages SET visible_at = visible_at - ?2 WHERE visible_at > ?1";
    static const char forget[] = "UPDATE kept_time SET newest = ?1";
    if (db_run(db, pull, "ii", now_ms, back_ms) < 0)
        return -1;
    log_warn("the clock was set back by at least %lld s while the store was not running: %d hidden "
             "messages keep the time they had left",
             (long long)(back_ms / 1000), db_changes(db));
    return db_run(db, forget, "i", now_ms);
}

static int cap(struct db *db, int64_t now_ms)
{
    static const char sql[] = "UPDATE messages SET visible_at = ?1 WHERE visible_at > ?1 + ?2";
    if (db_run(db, sql, "ii", now_ms, (int64_t)HIDDEN_MS_MAX) < 0)
        return -1;
    if (db_changes(db) > 0)
        log_warn("the clock was set back: %d messages were hidden for more than 12 hours and are "
                 "visible now",
                 db_changes(db));
    return 0;
}

int kept_time_recover(struct db *db, int64_t now_ms)
{
    bool wrote;
    if (db_begin(db) < 0)
        return -1;
    int64_t kept = newest(db);
    int rc = kept < 0 ? -1 : 0;
    if (rc == 0 && kept > now_ms)
        rc = pull_in(db, now_ms, kept - now_ms);
    if (rc == 0)
        rc = cap(db, now_ms);
    if (rc < 0)
        db_rollback(db);
    return rc < 0 ? -1 : db_commit(db, &wrote);
}

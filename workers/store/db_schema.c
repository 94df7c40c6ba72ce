#include "workers/store/db_schema.h"

#include <stdint.h>
#include <stdio.h>

#include "common/base/log.h"

/* Times are milliseconds since the epoch by the store's clock, durations seconds.
 *
 * queues.retention_s NULL: messages are kept for ever.
 * messages.visible_at: the message can be received from then on (delay, visibility timeout).
 * messages.received_at NULL: not received yet in the queue that it is in.
 * messages.receive_count counts over all queues, queue_receives in this one (redrive policy).
 * messages.receipt: random part of the newest receipt handle.
 * messages.expires_at NULL: never.
 * contents is a table of its own so that a receive or a new visibility does not rewrite the body.
 */
static const char *const steps[] = {
    "CREATE TABLE queues ("
    " id INTEGER PRIMARY KEY,"
    " name TEXT NOT NULL UNIQUE,"
    " visibility_s INTEGER NOT NULL,"
    " delay_s INTEGER NOT NULL,"
    " wait_s INTEGER NOT NULL,"
    " max_bytes INTEGER NOT NULL,"
    " retention_s INTEGER,"
    " dead_queue INTEGER REFERENCES queues(id),"
    " max_receives INTEGER,"
    " created_at INTEGER NOT NULL,"
    " modified_at INTEGER NOT NULL,"
    " purged_at INTEGER"
    ") STRICT;"
    "CREATE TABLE messages ("
    " seq INTEGER PRIMARY KEY,"
    " queue INTEGER NOT NULL REFERENCES queues(id),"
    " visible_at INTEGER NOT NULL,"
    " received_at INTEGER,"
    " receive_count INTEGER NOT NULL DEFAULT 0,"
    " queue_receives INTEGER NOT NULL DEFAULT 0,"
    " receipt BLOB,"
    " first_received_at INTEGER,"
    " sent_at INTEGER NOT NULL,"
    " expires_at INTEGER,"
    " id TEXT NOT NULL,"
    " sender TEXT NOT NULL,"
    " dead_source TEXT,"
    " group_id TEXT,"
    " trace_header TEXT,"
    " body_md5 TEXT NOT NULL"
    ") STRICT;"
    "CREATE TABLE contents ("
    " seq INTEGER PRIMARY KEY REFERENCES messages(seq) ON DELETE CASCADE,"
    " attributes TEXT,"
    " body TEXT NOT NULL"
    ") STRICT;"
    "CREATE INDEX messages_visible ON messages(queue, visible_at);"
    "CREATE INDEX messages_expiring ON messages(expires_at) WHERE expires_at IS NOT NULL;",

    /* objects.headers: JSON object of the header fields that GET gives back.
     * objects.etag has its quotes. checksum_name "crc32", checksum in base64.
     * tables.ttl_attribute NULL: items do not expire. items.expires_at: epoch seconds. */
    "CREATE TABLE buckets ("
    " id INTEGER PRIMARY KEY,"
    " name TEXT NOT NULL UNIQUE,"
    " created_at INTEGER NOT NULL"
    ") STRICT;"
    "CREATE TABLE objects ("
    " id INTEGER PRIMARY KEY,"
    " bucket INTEGER NOT NULL REFERENCES buckets(id),"
    " key TEXT NOT NULL,"
    " size INTEGER NOT NULL,"
    " modified_at INTEGER NOT NULL,"
    " etag TEXT NOT NULL,"
    " checksum_name TEXT NOT NULL,"
    " checksum TEXT NOT NULL,"
    " headers TEXT NOT NULL,"
    " UNIQUE (bucket, key)"
    ") STRICT;"
    "CREATE TABLE object_bodies ("
    " id INTEGER PRIMARY KEY REFERENCES objects(id) ON DELETE CASCADE,"
    " body BLOB NOT NULL"
    ") STRICT;"
    "CREATE TABLE tables ("
    " id INTEGER PRIMARY KEY,"
    " name TEXT NOT NULL UNIQUE,"
    " hash_key TEXT NOT NULL,"
    " ttl_attribute TEXT,"
    " created_at INTEGER NOT NULL"
    ") STRICT;"
    "CREATE TABLE items ("
    " id INTEGER PRIMARY KEY,"
    " tbl INTEGER NOT NULL REFERENCES tables(id),"
    " key TEXT NOT NULL,"
    " expires_at INTEGER,"
    " item TEXT NOT NULL,"
    " UNIQUE (tbl, key)"
    ") STRICT;"
    "CREATE INDEX items_expiring ON items(tbl, expires_at) WHERE expires_at IS NOT NULL;",

    /* kept_time.newest: the newest time that was used, to within ten seconds (kept_time.h). */
    "CREATE TABLE kept_time (newest INTEGER NOT NULL) STRICT;"
    "INSERT INTO kept_time VALUES (0);",

    /* queues.messages: how many rows of messages it has. */
    "ALTER TABLE queues ADD COLUMN messages INTEGER NOT NULL DEFAULT 0;"
    "UPDATE queues SET messages = (SELECT count(*) FROM messages WHERE queue = queues.id);"
    "CREATE TRIGGER messages_in AFTER INSERT ON messages BEGIN"
    " UPDATE queues SET messages = messages + 1 WHERE id = new.queue; END;"
    "CREATE TRIGGER messages_out AFTER DELETE ON messages BEGIN"
    " UPDATE queues SET messages = messages - 1 WHERE id = old.queue; END;"
    "CREATE TRIGGER messages_moved AFTER UPDATE OF queue ON messages BEGIN"
    " UPDATE queues SET messages = messages - 1 WHERE id = old.queue;"
    " UPDATE queues SET messages = messages + 1 WHERE id = new.queue; END;",
};
#define STEP_COUNT ((int)(sizeof(steps) / sizeof(steps[0])))

static int pragma_int(sqlite3 *handle, const char *sql, int64_t *value_out)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(handle, sql, -1, &st, NULL);
    if (rc != SQLITE_OK)
        return rc;
    rc = sqlite3_step(st);
    *value_out = rc == SQLITE_ROW ? sqlite3_column_int64(st, 0) : 0;
    int done = sqlite3_finalize(st);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : done;
}

int db_schema_migrate(sqlite3 *handle)
{
    int64_t application = 0;
    int64_t version = 0;
    int64_t tables = 0;
    int rc = pragma_int(handle, "PRAGMA application_id", &application);
    if (rc == SQLITE_OK)
        rc = pragma_int(handle, "PRAGMA user_version", &version);
    if (rc == SQLITE_OK)
        rc = pragma_int(handle, "SELECT count(*) FROM sqlite_schema", &tables);
    if (rc != SQLITE_OK)
        return rc;
    if (application != DB_APPLICATION_ID && (application != 0 || tables != 0)) {
        log_error("the store's database belongs to another program (application id %lld): "
                  "move it away or choose another state_dir",
                  (long long)application);
        return SQLITE_MISMATCH;
    }
    if (version > STEP_COUNT) {
        log_error("the store's database has version %lld, this program knows up to %d: install "
                  "the newer version of sluice again",
                  (long long)version, STEP_COUNT);
        return SQLITE_MISMATCH;
    }
    if (version == STEP_COUNT)
        return SQLITE_OK;
    rc = sqlite3_exec(handle, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    for (int64_t i = version; rc == SQLITE_OK && i < STEP_COUNT; i++)
        rc = sqlite3_exec(handle, steps[i], NULL, NULL, NULL);
    char sql[128];
    snprintf(sql, sizeof(sql), "PRAGMA application_id=%d; PRAGMA user_version=%d; COMMIT",
             DB_APPLICATION_ID, STEP_COUNT);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(handle, sql, NULL, NULL, NULL);
    if (rc != SQLITE_OK)
        sqlite3_exec(handle, "ROLLBACK", NULL, NULL, NULL);
    return rc;
}

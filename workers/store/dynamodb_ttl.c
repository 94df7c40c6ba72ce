/* Time to live: an attribute of the items holds when (epoch seconds) they may be deleted. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "workers/store/db.h"
#include "workers/store/dynamodb_op.h"

#define BATCH 1000
#define TOO_OLD_S (5LL * 365 * 86400) /* such a time is no time to live, as on AWS */

int64_t dynamodb_expires_at(const struct dynamodb_table *table, const json_t *item)
{
    const json_t *value = json_object_get(item, table->ttl_attribute);
    const char *text =
        *table->ttl_attribute ? json_string_value(json_object_get(value, "N")) : NULL;
    long long at = text ? strtoll(text, NULL, 10) : 0;
    return at > 0 ? at : 0;
}

int dynamodb_expire(const struct service_context *context, struct dynamodb_counts *counts)
{
    static const char tables[] =
        "SELECT id FROM tables WHERE ttl_attribute IS NOT NULL AND id > ?1 ORDER BY id LIMIT 1";
    static const char sql[] =
        "DELETE FROM items WHERE id IN (SELECT id FROM items WHERE tbl = ?1 AND expires_at > ?2 "
        "AND expires_at < ?3 ORDER BY expires_at LIMIT ?4)";
    struct db *db = context->db;
    int64_t now_s = context->now_ms / 1000;
    int64_t table = 0;
    bool more = false;
    for (;;) {
        sqlite3_stmt *st = db_query(db, tables, "i", table);
        int found = db_step(db, st);
        if (found != 1)
            return found < 0 ? -1 : more;
        table = sqlite3_column_int64(st, 0);
        sqlite3_reset(st);
        if (db_run(db, sql, "iiii", table, now_s - TOO_OLD_S, now_s, (int64_t)BATCH) < 0)
            return -1;
        counts->items_expired += db_changes(db);
        more = more || db_changes(db) == BATCH;
    }
}

/* Turns it on or off; the times of the items that are there already are read from them. */
static int save(struct dynamodb_op *op, const char *attribute)
{
    static const char table[] = "UPDATE tables SET ttl_attribute = ?2 WHERE id = ?1";
    static const char items[] =
        "UPDATE items SET expires_at = nullif(max(0, CAST(json_extract(item, '$.\"' || ?2 || "
        "'\".N') AS INTEGER)), 0) WHERE tbl = ?1";
    struct db *db = op->context->db;
    return db_run(db, table, "is", op->table.id, attribute) < 0 ||
                   db_run(db, items, "is", op->table.id, attribute) < 0
               ? -1
               : 0;
}

json_t *dynamodb_update_time_to_live_op(struct dynamodb_op *op)
{
    const json_t *given = json_object_get(op->in, "TimeToLiveSpecification");
    const json_t *enabled = json_object_get(given, "Enabled");
    const char *name = dynamodb_take_text(op, given, "AttributeName", "");
    if (!name || !*name || strlen(name) > 255 || strpbrk(name, "\"\\") || !json_is_boolean(enabled))
        return dynamodb_refuse(op, DYNAMODB_INVALID,
                               "TimeToLiveSpecification needs Enabled and AttributeName (1 to 255 "
                               "bytes without quotes and backslashes).");
    bool on = json_is_true(enabled);
    const char *now = op->table.ttl_attribute;
    if (on && *now && strcmp(now, name) == 0)
        return dynamodb_refuse(op, DYNAMODB_INVALID, "TimeToLive is already enabled");
    if (on && *now)
        return dynamodb_refuse(op, DYNAMODB_INVALID,
                               "TimeToLive is active on a different AttributeName: current "
                               "AttributeName is %.255s",
                               now);
    if (!on && strcmp(now, name) != 0)
        return dynamodb_refuse(op, DYNAMODB_INVALID, "TimeToLive is already disabled");
    if (save(op, on ? name : NULL) < 0)
        return dynamodb_refuse(op, DYNAMODB_DATABASE, "the database failed");
    log_info("table \"%s\": time to live %s", op->table.name, on ? name : "off");
    return json_pack("{s:O}", "TimeToLiveSpecification", given);
}

json_t *dynamodb_describe_time_to_live_op(struct dynamodb_op *op)
{
    const char *name = op->table.ttl_attribute;
    json_t *out = json_pack("{s:s}", "TimeToLiveStatus", *name ? "ENABLED" : "DISABLED");
    if (*name)
        json_object_set_new(out, "AttributeName", json_string(name));
    return json_pack("{s:o}", "TimeToLiveDescription", out);
}

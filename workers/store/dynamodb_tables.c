#include <stdio.h>
#include <string.h>

#include "common/base/log.h"
#include "workers/store/db.h"
#include "workers/store/dynamodb_op.h"

#define NAME_CHARS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_.-"

/* 1 found, 0 not there, -1 the database failed. */
static int find(struct db *db, const char *name, struct dynamodb_table *t)
{
    static const char sql[] =
        "SELECT id, hash_key, ttl_attribute, created_at FROM tables WHERE name = ?1";
    sqlite3_stmt *st = db_query(db, sql, "s", name);
    int found = db_step(db, st);
    if (found != 1)
        return found;
    const char *ttl = (const char *)sqlite3_column_text(st, 2);
    *t = (struct dynamodb_table){.id = sqlite3_column_int64(st, 0),
                                 .created_at = sqlite3_column_int64(st, 3)};
    snprintf(t->name, sizeof(t->name), "%s", name);
    snprintf(t->hash_key, sizeof(t->hash_key), "%s", (const char *)sqlite3_column_text(st, 1));
    snprintf(t->ttl_attribute, sizeof(t->ttl_attribute), "%s", ttl ? ttl : "");
    sqlite3_reset(st);
    return 1;
}

/* "name" or "arn:...:table/name". */
static const char *take_name(struct dynamodb_op *op)
{
    const char *name = dynamodb_take_text(op, op->in, "TableName", "");
    if (!name)
        return NULL;
    const char *slash = strrchr(name, '/');
    name = slash ? slash + 1 : name;
    size_t len = strlen(name);
    if (len >= 3 && len <= 255 && strspn(name, NAME_CHARS) == len)
        return name;
    dynamodb_refuse(op, DYNAMODB_INVALID,
                    "TableName must be at least 3 characters long and at most 255 characters long, "
                    "of a-z, A-Z, 0-9, _, - and .");
    return NULL;
}

int dynamodb_table_of(struct dynamodb_op *op)
{
    const char *name = take_name(op);
    if (!name)
        return -1;
    int found = find(op->context->db, name, &op->table);
    if (found < 0)
        dynamodb_refuse(op, DYNAMODB_DATABASE, "the database failed");
    else if (!found)
        dynamodb_refuse(op, DYNAMODB_NO_TABLE,
                        "Requested resource not found: Table: %.255s not found", name);
    return found == 1 ? 0 : -1;
}

static json_t *description(const struct dynamodb_table *t)
{
    return json_pack("{s:s, s:s, s:[{s:s, s:s}], s:[{s:s, s:s}], s:f, s:o, s:{s:s}}", "TableName",
                     t->name, "TableStatus", "ACTIVE", "KeySchema", "AttributeName", t->hash_key,
                     "KeyType", "HASH", "AttributeDefinitions", "AttributeName", t->hash_key,
                     "AttributeType", "S", "CreationDateTime", (double)t->created_at / 1000,
                     "TableArn",
                     json_sprintf("arn:aws:dynamodb:local:000000000000:table/%s", t->name),
                     "BillingModeSummary", "BillingMode", "PAY_PER_REQUEST");
}

/* The name of the hash key, where the schema is one that the store has. */
static const char *take_schema(struct dynamodb_op *op)
{
    const json_t *schema = json_object_get(op->in, "KeySchema");
    const json_t *definitions = json_object_get(op->in, "AttributeDefinitions");
    const json_t *hash = json_array_get(schema, 0);
    const json_t *definition = json_array_get(definitions, 0);
    const char *name = json_string_value(json_object_get(hash, "AttributeName"));
    const char *kind = json_string_value(json_object_get(hash, "KeyType"));
    const char *defined = json_string_value(json_object_get(definition, "AttributeName"));
    const char *type = json_string_value(json_object_get(definition, "AttributeType"));
    bool good = json_array_size(schema) == 1 && json_array_size(definitions) == 1 && name && kind &&
                defined && type && strcmp(kind, "HASH") == 0 && strcmp(type, "S") == 0 &&
                strcmp(name, defined) == 0 && *name && strlen(name) <= 255;
    if (good && !json_object_get(op->in, "GlobalSecondaryIndexes") &&
        !json_object_get(op->in, "LocalSecondaryIndexes"))
        return name;
    dynamodb_refuse(op, DYNAMODB_INVALID,
                    "The store has tables with one HASH key of type S and without indexes only.");
    return NULL;
}

json_t *dynamodb_create_table_op(struct dynamodb_op *op)
{
    static const char sql[] = "INSERT INTO tables (name, hash_key, created_at) VALUES (?1, ?2, ?3)";
    struct db *db = op->context->db;
    const char *name = take_name(op);
    const char *hash_key = name ? take_schema(op) : NULL;
    if (!hash_key)
        return NULL;
    int found = find(db, name, &op->table);
    if (found < 0)
        return dynamodb_refuse(op, DYNAMODB_DATABASE, "the database failed");
    if (found)
        return dynamodb_refuse(op, DYNAMODB_TABLE_EXISTS, "Table already exists: %.255s", name);
    if (op->context->full)
        return dynamodb_refuse(op, DYNAMODB_NO_SPACE, "The store is full.");
    if (db_run(db, sql, "ssi", name, hash_key, op->context->now_ms) < 0 ||
        find(db, name, &op->table) != 1)
        return dynamodb_refuse(op, DYNAMODB_DATABASE, "the database failed");
    log_info("table \"%s\": created", name);
    return json_pack("{s:o}", "TableDescription", description(&op->table));
}

json_t *dynamodb_describe_table_op(struct dynamodb_op *op)
{
    return json_pack("{s:o}", "Table", description(&op->table));
}

/* GetItem, PutItem, UpdateItem, DeleteItem. Each write reads the item, looks at the condition and
 * writes, inside the turn's one transaction: nobody gets in between. */
#include <stdlib.h>
#include <string.h>

#include "common/base/fault.h"
#include "workers/store/db.h"
#include "workers/store/dynamodb_expression.h"
#include "workers/store/dynamodb_op.h"
#include "workers/store/dynamodb_value.h"

#define KEY_BYTES_MAX 2048

struct write {
    const char *key;    /* borrow: the request */
    json_t *old;        /* own: what is there, or an empty object */
    json_t *next;       /* own: what is to be there, or NULL */
    json_t *touched;    /* own: names that an update set or removed */
    bool there;         /* old is an item */
    const char *wanted; /* borrow: ReturnValues */
    struct dynamodb_names names;
};

static void write_clear(struct write *w)
{
    json_decref(w->old);
    json_decref(w->next);
    json_decref(w->touched);
    dynamodb_names_clear(&w->names);
}

static json_t *db_failed(struct dynamodb_op *op)
{
    return dynamodb_refuse(op, DYNAMODB_DATABASE, "the database failed");
}

/* ---- the request */

static int refuse_legacy(struct dynamodb_op *op)
{
    static const char *const names[] = {"Expected", "ConditionalOperator", "AttributeUpdates",
                                        "AttributesToGet", "ProjectionExpression"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (!json_object_get(op->in, names[i]))
            continue;
        dynamodb_refuse(op, DYNAMODB_INVALID, "The store does not know the parameter %s.",
                        names[i]);
        return -1;
    }
    return 0;
}

/* The hash key's text in an item, or NULL with the refusal. */
static const char *key_of(struct dynamodb_op *op, const json_t *item)
{
    const json_t *value = json_object_get(item, op->table.hash_key);
    const char *text = json_string_value(json_object_get(value, "S"));
    if (!text)
        dynamodb_refuse(op, DYNAMODB_INVALID,
                        value ? "One or more parameter values were invalid: Type mismatch for key "
                                "%.255s expected: S"
                              : "One or more parameter values were invalid: Missing the key "
                                "%.255s in the item",
                        op->table.hash_key);
    else if (!*text || strlen(text) > KEY_BYTES_MAX)
        dynamodb_refuse(op, DYNAMODB_INVALID,
                        "One or more parameter values were invalid: the key %.255s must have 1 to "
                        "2048 bytes",
                        op->table.hash_key);
    else
        return text;
    return NULL;
}

/* Key: the hash key and nothing else. */
static const char *take_key(struct dynamodb_op *op)
{
    json_t *key = json_object_get(op->in, "Key");
    char why[256];
    if (json_object_size(key) != 1)
        dynamodb_refuse(op, DYNAMODB_INVALID, "The provided key element does not match the schema");
    else if (!dynamodb_item_check(key, why, sizeof(why)))
        dynamodb_refuse(op, DYNAMODB_INVALID, "%s", why);
    else if (!json_object_get(key, op->table.hash_key))
        dynamodb_refuse(op, DYNAMODB_INVALID, "The provided key element does not match the schema");
    else
        return key_of(op, key);
    return NULL;
}

static int take_substitutions(struct dynamodb_op *op, struct write *w)
{
    const json_t *names = json_object_get(op->in, "ExpressionAttributeNames");
    json_t *values = json_object_get(op->in, "ExpressionAttributeValues");
    const char *alias;
    json_t *name;
    char why[256] = "ExpressionAttributeNames must map #names to strings";
    bool good = !names || json_is_object(names);
    json_object_foreach((json_t *)(uintptr_t)names, alias, name) good =
        good && json_is_string(name) && alias[0] == '#';
    if (!good || (values && !dynamodb_item_check(values, why, sizeof(why)))) {
        dynamodb_refuse(op, DYNAMODB_INVALID, "%s", why);
        return -1;
    }
    dynamodb_names_init(&w->names, names, values);
    return 0;
}

/* NULL (refused) where it is none of allowed, a list with a blank behind each word. */
static const char *take_choice(struct dynamodb_op *op, const char *member, const char *allowed)
{
    const char *text = dynamodb_take_text(op, op->in, member, "NONE");
    size_t len = text ? strlen(text) : 0;
    for (const char *p = allowed; text && *p; p += strcspn(p, " ") + 1)
        if (strncmp(p, text, len) == 0 && p[len] == ' ')
            return text;
    if (text)
        dynamodb_refuse(op, DYNAMODB_INVALID, "%s must be one of %s", member, allowed);
    return NULL;
}

/* What all writes have in common, with w->key set. */
static int begin(struct dynamodb_op *op, struct write *w, const char *choices)
{
    static const char sql[] = "SELECT item FROM items WHERE tbl = ?1 AND key = ?2";
    struct db *db = op->context->db;
    w->wanted = take_choice(op, "ReturnValues", choices);
    if (!w->wanted || take_substitutions(op, w) < 0)
        return -1;
    sqlite3_stmt *st = db_query(db, sql, "is", op->table.id, w->key);
    int found = db_step(db, st);
    if (found == 1) {
        w->old = json_loads((const char *)sqlite3_column_text(st, 0), 0, NULL);
        sqlite3_reset(st);
    }
    if (found < 0 || (found == 1 && !w->old)) {
        db_failed(op);
        return -1;
    }
    w->there = found == 1;
    if (!w->there)
        w->old = json_object();
    return 0;
}

/* ---- conditions */

static int refuse_expression(struct dynamodb_op *op, const struct write *w)
{
    dynamodb_refuse(op, DYNAMODB_INVALID, "%s", w->names.why);
    return -1;
}

/* Judges the condition (if there is any) and then the outcome of the update: what is malformed is
 * told before a condition that does not hold, and that before an update that does not fit. */
static int judge(struct dynamodb_op *op, struct write *w, enum dynamodb_outcome condition,
                 enum dynamodb_outcome update)
{
    const char *show = take_choice(op, "ReturnValuesOnConditionCheckFailure", "NONE ALL_OLD ");
    if (!show)
        return -1;
    if (condition == DYNAMODB_MALFORMED || update == DYNAMODB_MALFORMED)
        return refuse_expression(op, w);
    if (!dynamodb_names_all_used(&w->names))
        return refuse_expression(op, w);
    if (condition == DYNAMODB_FAILS) {
        dynamodb_refuse(op, DYNAMODB_CONDITION_FAILED, "The conditional request failed");
        if (w->there && strcmp(show, "ALL_OLD") == 0)
            op->refusal.item = json_incref(w->old);
        return -1;
    }
    return update == DYNAMODB_UNFIT ? refuse_expression(op, w) : 0;
}

static enum dynamodb_outcome look_at_condition(struct dynamodb_op *op, struct write *w)
{
    const char *text = dynamodb_take_text(op, op->in, "ConditionExpression", NULL);
    return text ? dynamodb_condition(text, &w->names, w->old) : DYNAMODB_HOLDS;
}

/* ---- writing */

static int save(struct dynamodb_op *op, const struct write *w)
{
    static const char sql[] =
        "INSERT INTO items (tbl, key, expires_at, item) VALUES (?1, ?2, nullif(?3, 0), ?4) "
        "ON CONFLICT (tbl, key) DO UPDATE SET expires_at = nullif(?3, 0), item = ?4";
    if (dynamodb_item_bytes(w->next) > DYNAMODB_ITEM_BYTES_MAX) {
        dynamodb_refuse(op, DYNAMODB_INVALID, "Item size has exceeded the maximum allowed size");
        return -1;
    }
    char *text = json_dumps(w->next, JSON_COMPACT);
    int rc = db_run(op->context->db, sql, "isis", op->table.id, w->key,
                    dynamodb_expires_at(&op->table, w->next), text);
    free(text);
    if (rc < 0)
        db_failed(op);
    else
        op->counts->item_writes++;
    return rc;
}

/* Those members of item that an update touched (new). */
static json_t *touched_only(const struct write *w, const json_t *item)
{
    json_t *out = json_object();
    const char *name;
    json_t *mark;
    json_object_foreach(w->touched, name, mark)
    {
        json_t *value = json_object_get(item, name);
        if (value)
            json_object_set(out, name, value);
    }
    return out;
}

static json_t *result(const struct write *w)
{
    json_t *attributes = NULL;
    if (strcmp(w->wanted, "ALL_OLD") == 0)
        attributes = w->there ? json_incref(w->old) : NULL;
    else if (strcmp(w->wanted, "ALL_NEW") == 0)
        attributes = json_incref(w->next);
    else if (strcmp(w->wanted, "UPDATED_NEW") == 0)
        attributes = touched_only(w, w->next);
    else if (strcmp(w->wanted, "UPDATED_OLD") == 0)
        attributes = touched_only(w, w->old);
    json_t *out = json_object();
    if (json_object_size(attributes) > 0)
        json_object_set(out, "Attributes", attributes);
    json_decref(attributes);
    return out;
}

json_t *dynamodb_put_item_op(struct dynamodb_op *op)
{
    struct write w = {0};
    json_t *out = NULL;
    char why[256];
    w.next = json_incref(json_object_get(op->in, "Item"));
    if (refuse_legacy(op) < 0)
        goto done;
    if (!dynamodb_item_check(w.next, why, sizeof(why))) {
        dynamodb_refuse(op, DYNAMODB_INVALID, "%s", why);
        goto done;
    }
    if (!(w.key = key_of(op, w.next)) || begin(op, &w, "NONE ALL_OLD ") < 0)
        goto done;
    enum dynamodb_outcome condition = look_at_condition(op, &w);
    if (op->refusal.error != DYNAMODB_FINE || judge(op, &w, condition, DYNAMODB_HOLDS) < 0)
        goto done;
    if (op->context->full)
        dynamodb_refuse(op, DYNAMODB_NO_SPACE, "The store is full and takes no new items now.");
    else if (save(op, &w) == 0)
        out = result(&w);
done:
    write_clear(&w);
    return out;
}

/* Applies UpdateExpression to a copy of what is there; a new item starts with its key. */
static enum dynamodb_outcome apply_update(struct dynamodb_op *op, struct write *w)
{
    const char *text = dynamodb_take_text(op, op->in, "UpdateExpression", NULL);
    w->next = json_copy(w->old);
    enum dynamodb_outcome outcome =
        text ? dynamodb_update(text, &w->names, op->table.hash_key, w->next, &w->touched)
             : DYNAMODB_HOLDS;
    if (!w->there)
        json_object_update(w->next, json_object_get(op->in, "Key"));
    return outcome;
}

/* Updates are taken on a full disk too: the consumers need them to drain the queues. */
json_t *dynamodb_update_item_op(struct dynamodb_op *op)
{
    struct write w = {0};
    json_t *out = NULL;
    if (fault_point("store.update_item"))
        return dynamodb_refuse(op, DYNAMODB_NO_SPACE, "fault point store.update_item");
    if (refuse_legacy(op) == 0 && (w.key = take_key(op)) &&
        begin(op, &w, "NONE ALL_OLD ALL_NEW UPDATED_OLD UPDATED_NEW ") == 0) {
        enum dynamodb_outcome condition = look_at_condition(op, &w);
        enum dynamodb_outcome update = DYNAMODB_MALFORMED;
        if (condition != DYNAMODB_MALFORMED)
            update = apply_update(op, &w);
        if (op->refusal.error == DYNAMODB_FINE && judge(op, &w, condition, update) == 0 &&
            save(op, &w) == 0)
            out = result(&w);
    }
    write_clear(&w);
    return out;
}

json_t *dynamodb_delete_item_op(struct dynamodb_op *op)
{
    static const char sql[] = "DELETE FROM items WHERE tbl = ?1 AND key = ?2";
    struct write w = {0};
    json_t *out = NULL;
    if (refuse_legacy(op) == 0 && (w.key = take_key(op)) && begin(op, &w, "NONE ALL_OLD ") == 0) {
        enum dynamodb_outcome condition = look_at_condition(op, &w);
        if (op->refusal.error != DYNAMODB_FINE || judge(op, &w, condition, DYNAMODB_HOLDS) < 0) {
            write_clear(&w);
            return NULL;
        }
        if (db_run(op->context->db, sql, "is", op->table.id, w.key) < 0) {
            db_failed(op);
        } else {
            op->counts->item_writes++;
            out = result(&w);
        }
    }
    write_clear(&w);
    return out;
}

/* Reads are consistent, whatever ConsistentRead says. */
json_t *dynamodb_get_item_op(struct dynamodb_op *op)
{
    static const char sql[] = "SELECT item FROM items WHERE tbl = ?1 AND key = ?2";
    struct db *db = op->context->db;
    const char *key = refuse_legacy(op) < 0 ? NULL : take_key(op);
    if (!key)
        return NULL;
    sqlite3_stmt *st = db_query(db, sql, "is", op->table.id, key);
    int found = db_step(db, st);
    json_t *out = json_object();
    if (found == 1) {
        json_object_set_new(out, "Item",
                            json_loads((const char *)sqlite3_column_text(st, 0), 0, NULL));
        sqlite3_reset(st);
    }
    op->counts->item_reads++;
    if (found >= 0)
        return out;
    json_decref(out);
    return db_failed(op);
}

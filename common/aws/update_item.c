#include "common/aws/update_item.h"

#include <assert.h>
#include <stdio.h>

#include "common/aws/dynamodb.h"

struct update_item update_item_new(void)
{
    return (struct update_item){.names = json_object(), .values = json_object()};
}

void update_item_name(struct update_item *u, const char *name)
{
    char alias[64];
    snprintf(alias, sizeof(alias), "#%s", name);
    json_object_set_new(u->names, alias, json_string(name));
}

void update_item_value(struct update_item *u, const char *alias, json_t *value)
{
    json_object_set_new(u->values, alias, value);
}

void update_item_set(struct update_item *u, const char *name, const char *format, json_t *value)
{
    char alias[64];
    snprintf(alias, sizeof(alias), ":%s", name);
    update_item_name(u, name);
    update_item_value(u, alias, value);
    buf_puts(&u->set, u->set.len ? ", " : "SET ");
    buf_printf(&u->set, "#%s = ", name);
    for (const char *p = format; *p; p++) {
        if (*p == '@')
            buf_printf(&u->set, "#%s", name);
        else if (*p == '$')
            buf_puts(&u->set, alias);
        else
            buf_append(&u->set, p, 1);
    }
}

void update_item_remove(struct update_item *u, const char *name)
{
    update_item_name(u, name);
    buf_printf(&u->remove, "%s#%s", u->remove.len ? ", " : " REMOVE ", name);
}

json_t *update_item_input(struct update_item *u, const char *table, const char *id,
                          const char *condition)
{
    buf_puts(&u->set, u->remove.len ? u->remove.data : "");
    json_t *input =
        json_pack("{s:s, s:{s:o}, s:s, s:s, s:o, s:o, s:s, s:s}", "TableName", table, "Key", "id",
                  dynamodb_s(id), "UpdateExpression", u->set.data, "ConditionExpression", condition,
                  "ExpressionAttributeNames", u->names, "ExpressionAttributeValues", u->values,
                  "ReturnValues", "ALL_NEW", "ReturnValuesOnConditionCheckFailure", "ALL_OLD");
    assert(input);
    buf_free(&u->set);
    buf_free(&u->remove);
    return input;
}

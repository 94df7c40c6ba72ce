#ifndef COMMON_AWS_UPDATE_ITEM_H
#define COMMON_AWS_UPDATE_ITEM_H

#include <jansson.h>

#include "common/base/buf.h"

/* Builds DynamoDB's UpdateItem of an item whose partition key is `id` (a string). In expressions an
 * attribute `x` is written #x, which has to be named once, and a value :y. Pure. */
struct update_item { /* all of it is gone with update_item_input */
    json_t *names, *values;
    struct buf set, remove;
};

struct update_item update_item_new(void);

/* An attribute that only the condition, or another attribute's value, speaks of. */
void update_item_name(struct update_item *u, const char *name);
/* The value of an alias (":stale"); it is stolen. */
void update_item_value(struct update_item *u, const char *alias, json_t *value);
/* Sets the attribute to what format says: "$" is the value, which is stolen, and "@" the attribute
 * itself ("if_not_exists(@, $)"). */
void update_item_set(struct update_item *u, const char *name, const char *format, json_t *value);
void update_item_remove(struct update_item *u, const char *name);

/* The request's body (new reference), which asks for the item after it, or for the item as it is
 * where the condition fails. */
json_t *update_item_input(struct update_item *u, const char *table, const char *id,
                          const char *condition);

#endif

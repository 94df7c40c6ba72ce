#ifndef WORKERS_STORE_DYNAMODB_EXPRESSION_H
#define WORKERS_STORE_DYNAMODB_EXPRESSION_H

#include <jansson.h>
#include <stdbool.h>

/* Condition and update expressions on top-level attributes. Pure; text of any kind may be given.
 *
 * Conditions: = <> < <= > >=, BETWEEN, IN, AND, OR, NOT, parentheses, attribute_exists,
 * attribute_not_exists, attribute_type, begins_with.
 * Updates: SET a = operand [(+|-) operand], ...; REMOVE a, ...; operands are paths, :values and
 * if_not_exists(path, operand). */

/* The substitutions of one request, shared by its expressions. */
struct dynamodb_names {
    const json_t *names;  /* borrow: ExpressionAttributeNames, or NULL */
    const json_t *values; /* borrow: ExpressionAttributeValues (checked), or NULL */
    json_t *used;         /* own: set of "#n" and ":v" that occurred */
    char why[320];        /* the sentence of what was refused */
};

enum dynamodb_outcome {
    DYNAMODB_HOLDS,
    DYNAMODB_FAILS,
    DYNAMODB_MALFORMED, /* names->why */
    DYNAMODB_UNFIT,     /* an update that is well-formed but does not fit the item; names->why */
};

void dynamodb_names_init(struct dynamodb_names *n, const json_t *names, const json_t *values);
void dynamodb_names_clear(struct dynamodb_names *n);
/* False with why where a name or value was given and is used by no expression. */
bool dynamodb_names_all_used(struct dynamodb_names *n);

/* item: an empty object where there is none. */
enum dynamodb_outcome dynamodb_condition(const char *text, struct dynamodb_names *n,
                                         const json_t *item);

/* Applies an update to item (changed in place where it holds, all operands being read before).
 * key: the attribute that must not be touched. touched_out (new, on HOLDS): the set of names. */
enum dynamodb_outcome dynamodb_update(const char *text, struct dynamodb_names *n, const char *key,
                                      json_t *item, json_t **touched_out);

#endif

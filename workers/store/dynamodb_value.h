#ifndef WORKERS_STORE_DYNAMODB_VALUE_H
#define WORKERS_STORE_DYNAMODB_VALUE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* Attribute values, {"S": "text"} and so on: types S, N, B, BOOL, NULL, M and L. Pure. */
#define DYNAMODB_ITEM_BYTES_MAX (400 * 1024)

/* Checks a map of names to values (an item, expression values) and all that they hold; numbers get
 * their one spelling. False with a sentence. */
bool dynamodb_item_check(json_t *item, char *why, size_t why_size);

/* "S", ... of a checked value. */
const char *dynamodb_value_type(const json_t *value);
/* What it counts towards the limit of an item. */
size_t dynamodb_item_bytes(const json_t *item);

bool dynamodb_value_equal(const json_t *a, const json_t *b);
/* Whether the two have an order (both S, both N or both B), and then below, at or above 0. */
bool dynamodb_value_order(const json_t *a, const json_t *b, int *order_out);
/* a + b or a - b of two N (new), or NULL with a sentence. */
json_t *dynamodb_value_add(const json_t *a, const json_t *b, bool subtract, const char **why_out);
bool dynamodb_value_begins_with(const json_t *value, const json_t *prefix);

#endif

#ifndef COMMON_AWS_TABLE_OPEN_H
#define COMMON_AWS_TABLE_OPEN_H

#include "common/aws/opening.h"

/* Makes sure that the ledger's table, with the partition key `id` (a string), is there and active.
 * It is created where it is missing (billed per request), and its time to live on the attribute
 * `expires` is switched on; where that is refused the table is used all the same, with a warning:
 * its records are then never removed. At AWS nothing is ever created or changed. */

/* Runs once, never from inside table_open_start. */
typedef void table_open_cb(void *arg);

/* client and endpoint (service "dynamodb") are borrowed and outlive the opening (opening.h); name
 * is copied. role: who opens it, for its policy (literal). */
struct opening *table_open_start(struct event_base *base, struct aws_client *client,
                                 const struct aws_endpoint *endpoint, const char *role,
                                 const char *name, table_open_cb *done, void *arg);

#endif

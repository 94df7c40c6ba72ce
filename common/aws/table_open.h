#ifndef COMMON_AWS_TABLE_OPEN_H
#define COMMON_AWS_TABLE_OPEN_H

#include "common/aws/aws_call.h"

/* Makes sure that the ledger's table, with the partition key `id` (a string), is there and active.
 * It is created where it is missing (billed per request), and its time to live on the attribute
 * `expires` is switched on; where that is refused the table is used all the same, with a warning:
 * its records are then never removed. At AWS nothing is ever created or changed. Tries for as long
 * as it takes, with backoff from 0.1 to 5 s. */
struct table_open;
struct event_base;

/* Runs once, never from inside table_open_start; table_open_free may be called from inside it. */
typedef void table_open_cb(void *arg);

/* client and endpoint (service "dynamodb") are borrowed and outlive the object; name is copied.
 * role: who opens it, for its policy (literal). */
struct table_open *table_open_start(struct event_base *base, struct aws_client *client,
                                    const struct aws_endpoint *endpoint, const char *role,
                                    const char *name, table_open_cb *done, void *arg);
/* Gives up where it is not done. Before aws_client_free. NULL is a no-op. */
void table_open_free(struct table_open *open);

/* For the beat's `waiting`: `table "x": <what is in the way>`, or NULL once it is open. Borrowed
 * until the loop turns. */
const char *table_open_waiting(const struct table_open *open);
/* The same where waiting will not help (denied, missing, another key), else NULL. */
const char *table_open_error(const struct table_open *open);

#endif

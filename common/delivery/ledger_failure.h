#ifndef COMMON_DELIVERY_LEDGER_FAILURE_H
#define COMMON_DELIVERY_LEDGER_FAILURE_H

#include "common/aws/aws_call.h"

struct ledger_config;

/* What the table did not do, with what to do about it (malloc): `table "x": …`, as obstacle.h says
 * it. operation is DynamoDB's ("UpdateItem"). */
char *ledger_failure(const struct aws_endpoint *endpoint, const struct ledger_config *config,
                     const char *operation, const struct aws_reply *reply);

#endif

#ifndef COMMON_AWS_DYNAMODB_H
#define COMMON_AWS_DYNAMODB_H

#include <jansson.h>

#include "common/aws/aws_call.h"

/* Amazon DynamoDB, AWS JSON 1.0 (aws-protocol notes section 6.1). One call for every operation; the
 * input is the operation's JSON object. x-amz-crc32 is checked (mismatch: AWS_TRANSIENT).
 * A failed condition is AWS_CONFLICT with reply->json "Item" where ALL_OLD was asked for. */
struct dynamodb_options {
    int64_t timeout_ms, deadline_ms;
    int max_attempts;
};

/* operation: "UpdateItem", "GetItem", ...; input is stolen. */
uint64_t dynamodb_call(struct aws_client *c, const struct aws_endpoint *e, const char *operation,
                       json_t *input, const struct dynamodb_options *o, aws_reply_cb *done,
                       void *arg);

/* Attribute values, new references: {"S": text}, {"N": "123"}. What is not UTF-8 is escaped. */
json_t *dynamodb_s(const char *text);
json_t *dynamodb_n(int64_t number);
/* Members of an item; fallback where absent or of another type. The text is borrowed. */
const char *dynamodb_text(const json_t *item, const char *name, const char *fallback);
int64_t dynamodb_number(const json_t *item, const char *name, int64_t fallback);

#endif

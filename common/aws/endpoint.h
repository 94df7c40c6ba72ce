#ifndef COMMON_AWS_ENDPOINT_H
#define COMMON_AWS_ENDPOINT_H

#include <jansson.h>
#include <stdbool.h>

#include "common/aws/aws_call.h"

/* An endpoint that owns its strings, for the life of a worker. */
struct endpoint;

/* Where a service is, from a normalised configuration slice. service is what the configuration says
 * of a queue, of the ledger or of the dead letters: "embedded" is the store on RUN/store.sock,
 * "aws" what the keys under "aws" name. aws_service is "sqs", "s3" (of the bucket in dead_letters)
 * or "dynamodb". An unknown service asserts: the configuration was checked. */
struct endpoint *endpoint_new(const json_t *conf, const char *service, const char *aws_service);
void endpoint_free(struct endpoint *endpoint);

/* Borrowed; for the calls of aws_call.h and sqs.h. */
const struct aws_endpoint *endpoint_aws(const struct endpoint *endpoint);

/* Whether it is the store of this host: what is missing there is created, and a poll that is closed
 * is withdrawn. On AWS neither is so. */
bool endpoint_is_embedded(const struct aws_endpoint *endpoint);

#endif

#ifndef COMMON_AWS_ENDPOINT_H
#define COMMON_AWS_ENDPOINT_H

#include <jansson.h>

#include "common/aws/aws_call.h"

/* An endpoint that owns its strings, for the life of a worker. */
struct endpoint;

/* Where a queue's service ("embedded") is, from a normalised configuration slice: the store on
 * RUN/store.sock. aws_service is "sqs", "s3" or "dynamodb". An unknown service asserts: the
 * configuration was checked. */
struct endpoint *endpoint_new(const json_t *conf, const char *service, const char *aws_service);
void endpoint_free(struct endpoint *endpoint);

/* Borrowed; for the calls of aws_call.h and sqs.h. */
const struct aws_endpoint *endpoint_aws(const struct endpoint *endpoint);

#endif

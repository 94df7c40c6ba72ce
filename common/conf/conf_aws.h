#ifndef COMMON_CONF_CONF_AWS_H
#define COMMON_CONF_CONF_AWS_H

#include <jansson.h>
#include <stdbool.h>

/* What a configuration that has something on AWS ("service": "aws") is completed with: region and
 * endpoints as AWS's own tools find them. */
struct conf_errors;

/* Completes a filled configuration in place. Where something is on AWS:
 *
 * - aws.region is the one written, else AWS_REGION, AWS_DEFAULT_REGION, the profile's, that of the
 *   first queue URL;
 * - aws.sqs_endpoint_url, s3_, dynamodb_ are set for the services that are used, and "" for the
 *   others; sts_ is always set: what is written (its own key, then endpoint_url), else
 *   AWS_ENDPOINT_URL_SQS ..., AWS_ENDPOINT_URL, the profile's, else AWS's own, which aws.region
 *   names. Without a slash at the end;
 * - aws.s3_addressing is "path" or "virtual";
 * - aws.ca_file is the one written, else AWS_CA_BUNDLE;
 * - a queue's name is the end of its URL.
 *
 * Where nothing is, the environment is not looked at, and region and endpoints are "". Adds an
 * error or a warning for what is missing or does not go together. */
void conf_aws_resolve(json_t *conf, struct conf_errors *errors);

/* Whether anything in a configuration is on AWS. */
bool conf_aws_is_used(const json_t *conf);

/* The region in the host of a queue URL (or of another URL of AWS's SQS); false where the host is
 * none of AWS's. Pure. */
#define CONF_AWS_REGION_BYTES 48
bool conf_aws_url_region(const char *url, char region_out[CONF_AWS_REGION_BYTES]);

#endif

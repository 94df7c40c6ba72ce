#ifndef WORKERS_KEYRING_AWS_IMDS_H
#define WORKERS_KEYRING_AWS_IMDS_H

#include "workers/keyring/aws_source.h"

/* Credentials of the role that is attached to an EC2 instance, by the instance metadata service,
 * version 2 only: a token first, then the role's name, then its credentials.
 *
 * AWS_EC2_METADATA_DISABLED=true leaves it out. AWS_EC2_METADATA_SERVICE_ENDPOINT (or
 * ..._ENDPOINT_MODE=ipv6) says where it is, AWS_METADATA_SERVICE_TIMEOUT how many seconds a request
 * may take (1), AWS_METADATA_SERVICE_NUM_ATTEMPTS how often all of it is tried (1). An outage of
 * the service can make it hand out credentials that have expired by their date: they are taken as
 * good for AWS_IMDS_EXTENSION_MS more. Every failure is AWS_NOT_HERE: most hosts have no such
 * service. */
#define AWS_IMDS_EXTENSION_MS 900000

struct aws_job *aws_imds_start(const struct aws_context *context, aws_done_cb *done, void *arg);

#endif

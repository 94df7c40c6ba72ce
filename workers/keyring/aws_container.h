#ifndef WORKERS_KEYRING_AWS_CONTAINER_H
#define WORKERS_KEYRING_AWS_CONTAINER_H

#include "workers/keyring/aws_source.h"

struct sockaddr;

/* Credentials of a container's task or pod (ECS, EKS Pod Identity):
 * AWS_CONTAINER_CREDENTIALS_RELATIVE_URI at 169.254.170.2, else AWS_CONTAINER_CREDENTIALS_FULL_URI.
 * A full URI over http may only lead to this host or to one of the three addresses that AWS gives
 * such servers. The token of AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE is read at each fetch. */
bool aws_container_is_configured(void);
struct aws_job *aws_container_start(const struct aws_context *context, aws_done_cb *done,
                                    void *arg);

/* What is against calling this address over http (malloc), or NULL. */
char *aws_container_refuse(void *arg, const struct sockaddr *address);

#endif

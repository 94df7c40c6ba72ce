#ifndef WORKERS_KEYRING_AWS_ENV_H
#define WORKERS_KEYRING_AWS_ENV_H

#include "workers/keyring/aws_source.h"

/* AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN (or AWS_SECURITY_TOKEN) and
 * AWS_CREDENTIAL_EXPIRATION. Nothing here where no access key id is set. */
void aws_env_get(struct aws_result *result_out);

#endif

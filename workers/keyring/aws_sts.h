#ifndef WORKERS_KEYRING_AWS_STS_H
#define WORKERS_KEYRING_AWS_STS_H

#include "workers/keyring/aws_profile.h"
#include "workers/keyring/aws_source.h"

/* Calls to AWS's Security Token Service, which gives credentials of a role for a while, at the
 * endpoint of the context. A signed one that is refused for its date, since this host's clock is
 * wrong, is sent once more with the date of STS. */

/* AssumeRole, signed with these credentials (copied). */
struct aws_job *aws_sts_assume_role(const struct aws_context *context,
                                    const struct aws_credentials *with, const struct aws_role *role,
                                    aws_done_cb *done, void *arg);

/* AssumeRoleWithWebIdentity, with the token that the file holds now. */
struct aws_job *aws_sts_web_identity(const struct aws_context *context, const char *token_file,
                                     const struct aws_role *role, aws_done_cb *done, void *arg);

#endif

#ifndef WORKERS_KEYRING_AWS_CHAIN_H
#define WORKERS_KEYRING_AWS_CHAIN_H

#include "workers/keyring/aws_source.h"

/* Where AWS credentials come from, in the order of AWS's own tools. The first source that is
 * configured is the one; where it does not work, that is the answer and no other is asked.
 *
 *   1  the environment (aws_env.h), unless the configuration names a profile
 *   2  the profile, where it assumes a role (aws_profile.h)
 *   3  a web identity: AWS_WEB_IDENTITY_TOKEN_FILE and AWS_ROLE_ARN, unless the configuration
 *      names a profile; else the profile's
 *   4  the profile's keys or credential_process
 *   5  the container's (aws_container.h)
 *   6  instance metadata (aws_imds.h)
 *
 * Every fetch goes through all of it again, so that changed files count at the next one. The
 * result: AWS_FOUND with the source's name in why; AWS_BROKEN; AWS_NOT_HERE with all that was
 * tried. */
struct aws_job *aws_chain_start(const struct aws_context *context, aws_done_cb *done, void *arg);

#endif

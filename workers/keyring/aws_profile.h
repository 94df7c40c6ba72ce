#ifndef WORKERS_KEYRING_AWS_PROFILE_H
#define WORKERS_KEYRING_AWS_PROFILE_H

#include <stdbool.h>
#include <stddef.h>

#include "workers/keyring/aws_source.h"

/* What a profile of the shared files says about credentials: where the first ones come from and
 * which roles are then assumed with them, one after the other. Pure. */
struct aws_files;

enum aws_base {
    AWS_BASE_NONE,   /* the profile says nothing of credentials */
    AWS_BASE_STATIC, /* keys that stand in the file */
    AWS_BASE_PROCESS,
    AWS_BASE_WEB_IDENTITY,
    AWS_BASE_ENVIRONMENT,
    AWS_BASE_CONTAINER,
    AWS_BASE_IMDS,
};

struct aws_role { /* strings are borrowed from the files */
    const char *arn;
    const char *session_name; /* or NULL */
    const char *external_id;  /* or NULL */
    int duration_s;           /* 0: AWS's own */
};

#define AWS_ROLES_MAX 5

struct aws_plan {
    enum aws_base base;
    const char *profile;       /* borrowed: the one that the base comes from */
    const char *access_key_id; /* of AWS_BASE_STATIC; borrowed, as the rest */
    const char *secret;        /* or NULL, which is an error */
    const char *token;         /* or NULL */
    const char *command;       /* of AWS_BASE_PROCESS */
    const char *token_file;    /* of AWS_BASE_WEB_IDENTITY, whose role is web */
    struct aws_role web;
    struct aws_role roles[AWS_ROLES_MAX]; /* the last one's credentials are used */
    size_t role_count;
};

/* Whether the profile assumes a role with other credentials (role_arn without a web identity). */
bool aws_profile_has_role(const struct aws_files *files, const char *profile);

/* Makes the plan. 0; -1 with the reason where what is written cannot work: a source profile that is
 * missing or leads back, a second factor, single sign-on, … */
int aws_profile_plan(const struct aws_files *files, const char *profile, struct aws_plan *plan_out,
                     char *why, size_t why_size) __attribute__((warn_unused_result));

#endif

#include "workers/keyring/aws_chain.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/xalloc.h"
#include "common/conf/aws_files.h"
#include "workers/keyring/aws_container.h"
#include "workers/keyring/aws_env.h"
#include "workers/keyring/aws_imds.h"
#include "workers/keyring/aws_job.h"
#include "workers/keyring/aws_process.h"
#include "workers/keyring/aws_profile.h"
#include "workers/keyring/aws_sts.h"

struct chain {
    struct aws_job job;
    struct aws_job *fetch;   /* own: the source under way, or NULL */
    struct aws_files *files; /* own; NULL until read. The plan's texts live in it */
    const char *profile;     /* borrowed from configuration, environment or a literal */
    struct aws_plan plan;
    size_t roles_assumed;
    size_t stage;        /* index of stages[] */
    char source[160];    /* what is being asked */
    char last_note[160]; /* why the last stage had nothing */
};

/* ---- the end ---- */

static void release(struct aws_job *job)
{
    struct chain *c = (struct chain *)job;
    aws_job_cancel(c->fetch);
    aws_files_free(c->files);
}

static void found(struct chain *c, struct aws_result *result)
{
    int64_t expires_at_ms = result->credentials.expires_at_ms;
    if (expires_at_ms && expires_at_ms <= clock_wall_ms())
        aws_result_fail(result, AWS_BROKEN, "%s: the credentials that came have expired already",
                        c->source);
    else
        snprintf(result->why, sizeof(result->why), "%s", c->source);
    aws_job_end(&c->job, result);
}

static void broken(struct chain *c, const char *why)
{
    aws_job_fail(&c->job, AWS_BROKEN, "%s: %s", c->source, why);
}

/* ---- a source's answer ---- */

static void run(struct chain *c);

static void on_fetched(void *arg, struct aws_result *result);

static void assume_next(struct chain *c, const struct aws_credentials *with)
{
    const struct aws_role *role = &c->plan.roles[c->roles_assumed++];
    c->fetch = aws_sts_assume_role(c->job.context, with, role, on_fetched, c);
}

/* What ends the chain, or sends it on to the next stage. */
static void settle(struct chain *c, struct aws_result *result)
{
    bool is_planned = c->plan.base != AWS_BASE_NONE;
    if (result->outcome == AWS_FOUND && c->roles_assumed < c->plan.role_count) {
        assume_next(c, &result->credentials);
    } else if (result->outcome == AWS_FOUND) {
        found(c, result);
    } else if (result->outcome == AWS_NOT_HERE && !is_planned) {
        snprintf(c->last_note, sizeof(c->last_note), "%.159s", result->why);
        c->stage++;
        run(c);
    } else {
        broken(c, result->why);
    }
}

static void on_fetched(void *arg, struct aws_result *result)
{
    struct chain *c = arg;
    c->fetch = NULL;
    settle(c, result);
}

/* ---- stages: each sets what is being asked, and asks; false: there is nothing to ask ---- */

static bool ask_env(struct chain *c)
{
    struct aws_result result = {0};
    if (*c->job.context->profile)
        return false;
    snprintf(c->source, sizeof(c->source), "the environment");
    aws_env_get(&result);
    bool is_here = result.outcome != AWS_NOT_HERE;
    if (is_here)
        settle(c, &result);
    aws_result_wipe(&result);
    return is_here;
}

static void follow_plan(struct chain *c)
{
    const struct aws_plan *plan = &c->plan;
    const struct aws_context *context = c->job.context;
    struct aws_result result = {0};
    switch (plan->base) {
    case AWS_BASE_STATIC:
        aws_result_set(&result, plan->access_key_id, plan->secret, plan->token, 0);
        settle(c, &result);
        break;
    case AWS_BASE_ENVIRONMENT:
        aws_env_get(&result);
        settle(c, &result);
        break;
    case AWS_BASE_PROCESS:
        c->fetch = aws_process_start(context, plan->command, on_fetched, c);
        break;
    case AWS_BASE_WEB_IDENTITY:
        c->fetch = aws_sts_web_identity(context, plan->token_file, &plan->web, on_fetched, c);
        break;
    case AWS_BASE_CONTAINER:
        c->fetch = aws_container_start(context, on_fetched, c);
        break;
    case AWS_BASE_IMDS:
        c->fetch = aws_imds_start(context, on_fetched, c);
        break;
    case AWS_BASE_NONE:
        assert(false);
    }
    aws_result_wipe(&result);
}

/* The profile's own plan; wants_role: whether one with a role is looked for, or one without. */
static bool ask_plan(struct chain *c, bool wants_role)
{
    char why[AWS_WHY_BYTES];
    if (aws_profile_has_role(c->files, c->profile) != wants_role)
        return false;
    if (aws_profile_plan(c->files, c->profile, &c->plan, why, sizeof(why)) != 0) {
        snprintf(c->source, sizeof(c->source), "shared files");
        broken(c, why);
        return true;
    }
    if (c->plan.base == AWS_BASE_NONE)
        return false;
    snprintf(c->source, sizeof(c->source), "profile \"%.100s\"%s", c->profile,
             c->plan.base == AWS_BASE_PROCESS ? " (credential_process)" : "");
    follow_plan(c);
    return true;
}

static bool ask_role(struct chain *c)
{
    char why[AWS_WHY_BYTES];
    c->files = aws_files_new();
    c->profile = aws_files_profile_name(c->job.context->profile);
    snprintf(c->source, sizeof(c->source), "shared files");
    if (aws_files_read(c->files, AWS_FILE_BOTH, why, sizeof(why)) != 0) {
        broken(c, why);
        return true;
    }
    if (strcmp(c->profile, "default") != 0 &&
        !aws_files_has_profile(c->files, AWS_FILE_BOTH, c->profile)) {
        char *config = aws_files_path(AWS_FILE_CONFIG);
        char *credentials = aws_files_path(AWS_FILE_CREDENTIALS);
        snprintf(why, sizeof(why), "profile \"%.60s\" is neither in %.100s nor in %.100s",
                 c->profile, config, credentials);
        free(config);
        free(credentials);
        broken(c, why);
        return true;
    }
    return ask_plan(c, true);
}

/* A variable of the environment, unless the configuration names a profile; else the profile's key.
 */
static const char *web_setting(const struct chain *c, const char *variable, const char *key)
{
    const char *value = *c->job.context->profile ? NULL : aws_files_env(variable);
    return value ? value : aws_files_get(c->files, AWS_FILE_BOTH, c->profile, key);
}

static bool ask_web_identity(struct chain *c)
{
    const char *token_file =
        web_setting(c, "AWS_WEB_IDENTITY_TOKEN_FILE", "web_identity_token_file");
    if (!token_file)
        return false;
    c->plan = (struct aws_plan){
        .base = AWS_BASE_WEB_IDENTITY,
        .token_file = token_file,
        .web = {.arn = web_setting(c, "AWS_ROLE_ARN", "role_arn"),
                .session_name = web_setting(c, "AWS_ROLE_SESSION_NAME", "role_session_name")}};
    snprintf(c->source, sizeof(c->source), "web identity");
    if (c->plan.web.arn) {
        follow_plan(c);
        return true;
    }
    aws_job_fail(&c->job, AWS_BROKEN,
                 "web identity: there is a token file and no role: set AWS_ROLE_ARN, or write "
                 "role_arn in profile \"%.100s\"",
                 c->profile);
    return true;
}

static bool ask_profile(struct chain *c)
{
    return ask_plan(c, false);
}

static bool ask_container(struct chain *c)
{
    if (!aws_container_is_configured())
        return false;
    snprintf(c->source, sizeof(c->source), "container credentials");
    c->fetch = aws_container_start(c->job.context, on_fetched, c);
    return true;
}

static bool ask_imds(struct chain *c)
{
    snprintf(c->source, sizeof(c->source), "instance metadata");
    c->fetch = aws_imds_start(c->job.context, on_fetched, c);
    return true;
}

static bool (*const stages[])(struct chain *c) = {ask_env,     ask_role,      ask_web_identity,
                                                  ask_profile, ask_container, ask_imds};

static void nothing_anywhere(struct chain *c)
{
    aws_job_fail(&c->job, AWS_NOT_HERE,
                 "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, write the profile \"%.60s\", or "
                 "attach a role; tried: environment, shared files, web identity, container "
                 "credentials, %s",
                 c->profile, c->last_note);
}

/* Asks one stage after the other until one has something to wait for, or has ended the chain. */
static void run(struct chain *c)
{
    for (; c->stage < sizeof(stages) / sizeof(stages[0]); c->stage++) {
        c->plan = (struct aws_plan){.base = AWS_BASE_NONE};
        if (stages[c->stage](c))
            return;
    }
    nothing_anywhere(c);
}

struct aws_job *aws_chain_start(const struct aws_context *context, aws_done_cb *done, void *arg)
{
    struct chain *c = aws_job_new(sizeof(*c), context, release, done, arg);
    c->profile = "default";
    run(c);
    return &c->job;
}

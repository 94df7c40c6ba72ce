#include "workers/keyring/aws_profile.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/conf/aws_files.h"

#define DURATION_MIN_S 900
#define DURATION_MAX_S 43200

struct planner {
    const struct aws_files *files;
    struct aws_plan *plan;
    const char *visited[AWS_ROLES_MAX]; /* profiles whose role is assumed */
    char *why;
    size_t why_size;
};

static const char *get(const struct planner *p, const char *profile, const char *key)
{
    return aws_files_get(p->files, AWS_FILE_BOTH, profile, key);
}

bool aws_profile_has_role(const struct aws_files *files, const char *profile)
{
    return aws_files_get(files, AWS_FILE_BOTH, profile, "role_arn") &&
           !aws_files_get(files, AWS_FILE_BOTH, profile, "web_identity_token_file");
}

/* -1 with the reason, which begins with the profile. */
static int refuse(const struct planner *p, const char *profile, const char *what, const char *more)
{
    snprintf(p->why, p->why_size, "profile \"%s\": %s%s", profile, what, more);
    return -1;
}

static int read_duration(const struct planner *p, const char *profile, int *seconds_out)
{
    const char *text = get(p, profile, "duration_seconds");
    char *end = NULL;
    *seconds_out = 0;
    if (!text)
        return 0;
    long seconds = strtol(text, &end, 10);
    if (*end || seconds < DURATION_MIN_S || seconds > DURATION_MAX_S)
        return refuse(p, profile, "duration_seconds is a number from 900 to 43200, not ", text);
    *seconds_out = (int)seconds;
    return 0;
}

static int read_role(const struct planner *p, const char *profile, struct aws_role *role_out)
{
    *role_out = (struct aws_role){.arn = get(p, profile, "role_arn"),
                                  .session_name = get(p, profile, "role_session_name"),
                                  .external_id = get(p, profile, "external_id")};
    if (get(p, profile, "mfa_serial"))
        return refuse(
            p, profile,
            "mfa_serial asks for a code that a service cannot type; use a role without it", "");
    return read_duration(p, profile, &role_out->duration_s);
}

static bool take_static(struct planner *p, const char *profile, enum aws_file which)
{
    const char *id = aws_files_get(p->files, which, profile, "aws_access_key_id");
    if (!id)
        return false;
    p->plan->base = AWS_BASE_STATIC;
    p->plan->profile = profile;
    p->plan->access_key_id = id;
    p->plan->secret = aws_files_get(p->files, which, profile, "aws_secret_access_key");
    p->plan->token = aws_files_get(p->files, which, profile, "aws_session_token");
    return true;
}

/* Keys in the credentials file, then a program, then keys in the config file. */
static int plan_base(struct planner *p, const char *profile)
{
    struct aws_plan *plan = p->plan;
    const char *token_file = get(p, profile, "web_identity_token_file");
    plan->profile = profile;
    if (token_file) {
        plan->base = AWS_BASE_WEB_IDENTITY;
        plan->token_file = token_file;
        if (!get(p, profile, "role_arn"))
            return refuse(p, profile, "has web_identity_token_file and no role_arn", "");
        return read_role(p, profile, &plan->web);
    }
    if (take_static(p, profile, AWS_FILE_CREDENTIALS))
        return 0;
    plan->command = get(p, profile, "credential_process");
    if (plan->command) {
        plan->base = AWS_BASE_PROCESS;
        return 0;
    }
    if (take_static(p, profile, AWS_FILE_CONFIG))
        return 0;
    if (get(p, profile, "sso_session") || get(p, profile, "sso_start_url"))
        return refuse(p, profile,
                      "single sign-on needs a person who logs in; use a role or credential_process",
                      "");
    return 0;
}

static int plan_credential_source(struct planner *p, const char *profile, const char *source)
{
    static const struct {
        const char *word;
        enum aws_base base;
    } words[] = {{"Environment", AWS_BASE_ENVIRONMENT},
                 {"EcsContainer", AWS_BASE_CONTAINER},
                 {"Ec2InstanceMetadata", AWS_BASE_IMDS}};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (strcmp(source, words[i].word) == 0) {
            p->plan->base = words[i].base;
            p->plan->profile = profile;
            return 0;
        }
    }
    return refuse(p, profile,
                  "credential_source is Environment, EcsContainer or Ec2InstanceMetadata, not ",
                  source);
}

static bool has_static(const struct planner *p, const char *profile)
{
    return get(p, profile, "aws_access_key_id") != NULL;
}

static bool was_visited(const struct planner *p, const char *profile)
{
    for (size_t i = 0; i < p->plan->role_count; i++) {
        if (strcmp(p->visited[i], profile) == 0)
            return true;
    }
    return false;
}

/* Which profile gives the credentials for this one's role; NULL where credential_source does. -1
 * where neither can. */
static int find_source(const struct planner *p, const char *profile, const char **source_out)
{
    const char *source = get(p, profile, "source_profile");
    const char *other = get(p, profile, "credential_source");
    *source_out = source;
    if (source && other)
        return refuse(p, profile, "has both source_profile and credential_source: leave out one",
                      "");
    if (!source && !other)
        return refuse(p, profile, "has role_arn and neither source_profile nor credential_source",
                      "");
    if (!source)
        return 0;
    if (!aws_files_has_profile(p->files, AWS_FILE_BOTH, source))
        return refuse(p, profile, "its source_profile is in neither file: ", source);
    if (was_visited(p, source) && !(strcmp(source, profile) == 0 && has_static(p, source)))
        return refuse(p, profile, "its source_profile leads back to one before: ", source);
    return 0;
}

/* Roles are found from the last to the first. */
static void turn_round(struct aws_plan *plan)
{
    for (size_t i = 0; i < plan->role_count / 2; i++) {
        struct aws_role role = plan->roles[i];
        plan->roles[i] = plan->roles[plan->role_count - 1 - i];
        plan->roles[plan->role_count - 1 - i] = role;
    }
}

static int plan_roles(struct planner *p, const char *profile)
{
    for (;;) {
        struct aws_plan *plan = p->plan;
        const char *source;
        if (plan->role_count == AWS_ROLES_MAX)
            return refuse(p, profile, "more roles than 5 are assumed one after the other", "");
        if (read_role(p, profile, &plan->roles[plan->role_count]) != 0)
            return -1;
        p->visited[plan->role_count++] = profile;
        if (find_source(p, profile, &source) != 0)
            return -1;
        if (!source)
            return plan_credential_source(p, profile, get(p, profile, "credential_source"));
        if (has_static(p, source) || !aws_profile_has_role(p->files, source)) {
            if (plan_base(p, source) != 0)
                return -1;
            return plan->base != AWS_BASE_NONE
                       ? 0
                       : refuse(p, profile, "its source_profile holds no credentials: ", source);
        }
        profile = source;
    }
}

int aws_profile_plan(const struct aws_files *files, const char *profile, struct aws_plan *plan_out,
                     char *why, size_t why_size)
{
    struct planner p = {.files = files, .plan = plan_out, .why = why, .why_size = why_size};
    *plan_out = (struct aws_plan){.base = AWS_BASE_NONE, .profile = profile};
    if (!aws_profile_has_role(files, profile))
        return plan_base(&p, profile);
    int rc = plan_roles(&p, profile);
    turn_round(plan_out);
    return rc;
}

#include "workers/keyring/aws_imds.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "common/conf/aws_files.h"
#include "common/net/http_client.h"
#include "workers/keyring/aws_job.h"

#define ADDRESS_V4 "http://169.254.169.254"
#define ADDRESS_V6 "http://[fd00:ec2::254]"
#define ROLES_PATH "/latest/meta-data/iam/security-credentials/"
#define TOKEN_TTL_S "21600"
#define ANSWER_BYTES 65536
#define TIMEOUT_MAX_S 60
#define ATTEMPTS_MAX 10

enum step { STEP_TOKEN, STEP_ROLE, STEP_CREDENTIALS };

struct imds {
    struct aws_job job;
    char *endpoint; /* own: no slash at the end */
    char *token;    /* own: wiped */
    char *role;     /* own */
    enum step step;
    int64_t timeout_ms;
    long attempts_left;
};

static void ask(struct imds *m, enum step step);

/* ---- settings ---- */

static long number(const char *name, long fallback, long max)
{
    const char *text = aws_files_env(name);
    char *end = NULL;
    long value = text ? strtol(text, &end, 10) : fallback;
    if (text && (*end || value < 1))
        return fallback;
    return value < max ? value : max;
}

static char *find_endpoint(void)
{
    const char *endpoint = aws_files_env("AWS_EC2_METADATA_SERVICE_ENDPOINT");
    const char *mode = aws_files_env("AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE");
    if (!endpoint)
        endpoint = mode && strcasecmp(mode, "ipv6") == 0 ? ADDRESS_V6 : ADDRESS_V4;
    size_t len = strlen(endpoint);
    while (len && endpoint[len - 1] == '/')
        len--;
    return xasprintf("%.*s", (int)len, endpoint);
}

static bool is_disabled(void)
{
    const char *text = aws_files_env("AWS_EC2_METADATA_DISABLED");
    return text && strcasecmp(text, "true") == 0;
}

/* ---- the end ---- */

static void release(struct aws_job *job)
{
    struct imds *m = (struct imds *)job;
    xfree_secret(m->token);
    free(m->endpoint);
    free(m->role);
}

/* All of it once more, or the end. */
static void fail(struct imds *m, const char *why)
{
    if (--m->attempts_left > 0)
        ask(m, STEP_TOKEN);
    else
        aws_job_fail(&m->job, AWS_NOT_HERE, "instance metadata at %s: %s", m->endpoint, why);
}

/* ---- answers ---- */

/* The text in one line of header characters (malloc), or NULL. */
static char *first_line(const struct http_answer *answer)
{
    size_t len = strcspn(answer->body, "\r\n");
    for (size_t i = 0; i < len; i++) {
        if (!isgraph((unsigned char)answer->body[i]))
            return NULL;
    }
    return len ? xasprintf("%.*s", (int)len, answer->body) : NULL;
}

static void take_credentials(struct imds *m, const struct http_answer *answer)
{
    struct aws_result result = {0};
    json_t *object = json_loadb(answer->body, answer->body_len, 0, NULL);
    const char *code = json_string_value(json_object_get(object, "Code"));
    const char *message = json_string_value(json_object_get(object, "Message"));
    int64_t now_ms = clock_wall_ms();
    if (code && strcmp(code, "Success") != 0)
        aws_result_fail(&result, AWS_BROKEN, "role %s: %.60s: %.160s", m->role, code,
                        message ? message : "");
    else
        aws_result_from_json(&result, object, "Token");
    json_decref(object);
    if (result.outcome != AWS_FOUND) {
        fail(m, result.why);
        return;
    }
    aws_job_learn_clock(&m->job, m->endpoint, answer, false);
    aws_result_to_our_clock(&result, m->job.context->skew);
    if (result.credentials.expires_at_ms && result.credentials.expires_at_ms <= now_ms) {
        log_warn(
            "instance metadata hands out credentials that have expired, as it does in an outage: "
            "they are used for another %d minutes",
            AWS_IMDS_EXTENSION_MS / 60000);
        result.credentials.expires_at_ms = now_ms + AWS_IMDS_EXTENSION_MS;
    }
    aws_job_end(&m->job, &result);
}

static void take(struct imds *m, const struct http_answer *answer)
{
    if (m->step == STEP_CREDENTIALS) {
        take_credentials(m, answer);
        return;
    }
    char **target = m->step == STEP_TOKEN ? &m->token : &m->role;
    *target = first_line(answer);
    if (!*target)
        fail(m,
             m->step == STEP_TOKEN ? "its token is empty or no text" : "the instance has no role");
    else
        ask(m, m->step + 1);
}

static void on_answer(struct aws_job *job, const struct http_answer *answer)
{
    struct imds *m = (struct imds *)job;
    char why[160];
    if (answer->outcome == HTTP_ANSWERED && answer->status == 200) {
        take(m, answer);
        return;
    }
    aws_describe_answer(answer, why, sizeof(why));
    if (m->step == STEP_ROLE && answer->outcome == HTTP_ANSWERED && answer->status == 404)
        snprintf(why, sizeof(why), "the instance has no role");
    fail(m, why);
}

/* ---- requests ---- */

static void ask(struct imds *m, enum step step)
{
    m->step = step;
    if (step == STEP_TOKEN) {
        xfree_secret(m->token);
        free(m->role);
        m->token = m->role = NULL;
    }
    char *url =
        xasprintf("%s%s%s", m->endpoint, step == STEP_TOKEN ? "/latest/api/token" : ROLES_PATH,
                  step == STEP_CREDENTIALS ? m->role : "");
    const struct http_header header = {step == STEP_TOKEN ? "x-aws-ec2-metadata-token-ttl-seconds"
                                                          : "x-aws-ec2-metadata-token",
                                       step == STEP_TOKEN ? TOKEN_TTL_S : m->token};
    const struct http_call call = {.method = step == STEP_TOKEN ? "PUT" : "GET",
                                   .url = url,
                                   .headers = &header,
                                   .header_count = 1,
                                   .timeout_ms = m->timeout_ms,
                                   .response_cap_bytes = ANSWER_BYTES,
                                   .secret = true};
    aws_job_call(&m->job, &call, on_answer);
    free(url);
}

struct aws_job *aws_imds_start(const struct aws_context *context, aws_done_cb *done, void *arg)
{
    struct imds *m = aws_job_new(sizeof(*m), context, release, done, arg);
    m->endpoint = find_endpoint();
    m->timeout_ms = number("AWS_METADATA_SERVICE_TIMEOUT", 1, TIMEOUT_MAX_S) * 1000;
    m->attempts_left = number("AWS_METADATA_SERVICE_NUM_ATTEMPTS", 1, ATTEMPTS_MAX);
    if (is_disabled())
        aws_job_fail(&m->job, AWS_NOT_HERE, "instance metadata: AWS_EC2_METADATA_DISABLED is set");
    else if (!aws_is_url(m->endpoint))
        aws_job_fail(&m->job, AWS_NOT_HERE,
                     "AWS_EC2_METADATA_SERVICE_ENDPOINT is not an http(s) URL");
    else
        ask(m, STEP_TOKEN);
    return &m->job;
}

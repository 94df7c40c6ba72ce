#include "workers/keyring/aws_sts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/aws/answer.h"
#include "common/aws/clock_skew.h"
#include "common/aws/errors.h"
#include "common/aws/sigv4.h"
#include "common/aws/xml.h"
#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/xalloc.h"
#include "common/net/http_client.h"
#include "workers/keyring/aws_job.h"

#define TIMEOUT_MS 10000
#define ANSWER_BYTES 65536
#define TOKEN_FILE_BYTES 20000
#define CONTENT_TYPE "application/x-www-form-urlencoded; charset=utf-8"

struct sts {
    struct aws_job job;
    char *url;                   /* own: with its slash */
    struct buf body;             /* own: wiped */
    char *role_arn;              /* own: for messages */
    struct aws_credentials with; /* own; no access key id: the call is not signed */
    bool was_redated;
};

static void release(struct aws_job *job)
{
    struct sts *s = (struct sts *)job;
    buf_wipe(&s->body);
    free(s->url);
    free(s->role_arn);
    aws_credentials_wipe(&s->with);
}

static bool is_signed(const struct sts *s)
{
    return s->with.access_key_id != NULL;
}

static void read_credentials(const struct http_answer *answer, struct aws_result *result)
{
    const char *xml = answer->body;
    char *id = xml_first_text(xml, answer->body_len, "AccessKeyId");
    char *secret = xml_first_text(xml, answer->body_len, "SecretAccessKey");
    char *token = xml_first_text(xml, answer->body_len, "SessionToken");
    char *expiration = xml_first_text(xml, answer->body_len, "Expiration");
    int64_t expires_at_ms = 0;
    if (!expiration || clock_parse_rfc3339(expiration, &expires_at_ms) != 0)
        aws_result_fail(result, AWS_BROKEN, "the answer of STS names no time of expiration");
    else
        aws_result_set(result, id, secret, token, expires_at_ms);
    xfree_secret(id);
    xfree_secret(secret);
    xfree_secret(token);
    free(expiration);
}

static void send_signed(struct sts *s);

/* Whether the call goes on because its date was wrong: once. */
static bool is_redated(struct sts *s, const struct http_answer *answer,
                       const struct aws_error *error)
{
    const struct aws_reply reply = {.class = aws_error_class(error, answer->status),
                                    .code = error->code};
    if (!is_signed(s) || s->was_redated || !answer_is_about_clock(&reply) ||
        !aws_job_learn_clock(&s->job, s->url, answer, true))
        return false;
    s->was_redated = true;
    send_signed(s);
    return true;
}

/* The Date of an answer may be a proxy's: it is not looked at where the call was signed, since what
 * was signed and not refused was dated well. */
static void on_answer(struct aws_job *job, const struct http_answer *answer)
{
    struct sts *s = (struct sts *)job;
    struct aws_result result = {0};
    char text[160];
    if (answer->outcome == HTTP_ANSWERED && answer->status == 200) {
        read_credentials(answer, &result);
        if (!is_signed(s))
            aws_job_learn_clock(job, s->url, answer, false);
        aws_result_to_our_clock(&result, job->context->skew);
    } else if (answer->outcome == HTTP_ANSWERED) {
        struct aws_error error;
        aws_error_read_xml(answer->body, answer->body_len, answer->status, &error);
        if (is_redated(s, answer, &error))
            return;
        aws_result_fail(&result, AWS_BROKEN, "role %s: %s: %.160s", s->role_arn, error.code,
                        error.message);
    } else {
        aws_describe_answer(answer, text, sizeof(text));
        aws_result_fail(&result, AWS_BROKEN, "role %s: STS at %s: %s", s->role_arn, s->url, text);
    }
    aws_job_end(job, &result);
}

/* ---- calls ---- */

static struct sts *sts_new(const struct aws_context *context, const struct aws_role *role,
                           aws_done_cb *done, void *arg)
{
    struct sts *s = aws_job_new(sizeof(*s), context, release, done, arg);
    s->url = xasprintf("%s/", context->sts_endpoint_url);
    s->role_arn = xstrdup(role->arn);
    return s;
}

static void add_field(struct sts *s, const char *name, const char *value)
{
    char *encoded = sigv4_encode(value, false);
    buf_printf(&s->body, "%s%s=%s", s->body.len ? "&" : "", name, encoded);
    xfree_secret(encoded);
}

static void add_role(struct sts *s, const char *action, const struct aws_role *role)
{
    char name[64];
    snprintf(name, sizeof(name), "sluice-%lld", (long long)(clock_wall_ms() / 1000));
    add_field(s, "Action", action);
    add_field(s, "Version", "2011-06-15");
    add_field(s, "RoleArn", role->arn);
    add_field(s, "RoleSessionName", role->session_name ? role->session_name : name);
    if (role->duration_s)
        buf_printf(&s->body, "&DurationSeconds=%d", role->duration_s);
    if (role->external_id)
        add_field(s, "ExternalId", role->external_id);
}

static void send_call(struct sts *s, const struct http_header *headers, size_t count)
{
    struct http_call call = {.method = "POST",
                             .url = s->url,
                             .headers = headers,
                             .header_count = count,
                             .body = s->body.data,
                             .body_len = s->body.len,
                             .timeout_ms = TIMEOUT_MS,
                             .response_cap_bytes = ANSWER_BYTES,
                             .tls = {.ca_file = s->job.context->ca_file},
                             .secret = true};
    aws_job_call(&s->job, &call, on_answer);
}

/* The Authorization header's value (malloc) for the four headers. */
static char *sign(const struct sts *s, const char *amz_date, const struct sigv4_header *headers,
                  size_t count)
{
    struct sigv4_key key = {0};
    char hash[SIGV4_HEX_BYTES];
    const char *path = strchr(strstr(s->url, "://") + 3, '/');
    sigv4_sha256_hex(s->body.data, s->body.len, hash);
    snprintf(key.access_key_id, sizeof(key.access_key_id), "%s", s->with.access_key_id);
    snprintf(key.region, sizeof(key.region), "%s", s->job.context->region);
    snprintf(key.service, sizeof(key.service), "sts");
    memcpy(key.date, amz_date, 8);
    sigv4_derive_key(s->with.secret, key.date, key.region, key.service, key.key);
    struct sigv4_request request = {"POST", path, "", headers, count, hash};
    char *authorization = sigv4_authorization(&request, &key, amz_date);
    explicit_bzero(&key, sizeof(key));
    return authorization;
}

static void send_signed(struct sts *s)
{
    char amz_date[CLOCK_TEXT_BYTES];
    char *host = sigv4_host(s->url);
    size_t count = s->with.token ? 4 : 3;
    clock_amz_date(clock_wall_ms() + s->job.context->skew->offset_ms, amz_date);
    struct http_header headers[5] = {{"Host", host},
                                     {"Content-Type", CONTENT_TYPE},
                                     {"X-Amz-Date", amz_date},
                                     {"X-Amz-Security-Token", s->with.token}};
    struct sigv4_header to_sign[4];
    for (size_t i = 0; i < count; i++)
        to_sign[i] = (struct sigv4_header){headers[i].name, headers[i].value};
    char *authorization = sign(s, amz_date, to_sign, count);
    headers[count] = (struct http_header){"Authorization", authorization};
    send_call(s, headers, count + 1);
    free(authorization);
    free(host);
}

/* False where there is no place to call, which ends it. */
static bool is_callable(struct sts *s)
{
    if (aws_is_url(s->url))
        return true;
    aws_job_fail(&s->job, AWS_BROKEN, "the STS endpoint %s is not an http(s) URL", s->url);
    return false;
}

struct aws_job *aws_sts_assume_role(const struct aws_context *context,
                                    const struct aws_credentials *with, const struct aws_role *role,
                                    aws_done_cb *done, void *arg)
{
    struct sts *s = sts_new(context, role, done, arg);
    if (is_callable(s)) {
        s->with = aws_credentials_copy(with);
        add_role(s, "AssumeRole", role);
        send_signed(s);
    }
    return &s->job;
}

struct aws_job *aws_sts_web_identity(const struct aws_context *context, const char *token_file,
                                     const struct aws_role *role, aws_done_cb *done, void *arg)
{
    char why[AWS_WHY_BYTES];
    struct sts *s = sts_new(context, role, done, arg);
    char *token = aws_read_token_file(token_file, TOKEN_FILE_BYTES, why, sizeof(why));
    if (!token) {
        aws_job_fail(&s->job, AWS_BROKEN, "%s", why);
    } else if (is_callable(s)) {
        add_role(s, "AssumeRoleWithWebIdentity", role);
        add_field(s, "WebIdentityToken", token);
        send_call(s, &(struct http_header){"Content-Type", CONTENT_TYPE}, 1);
    }
    xfree_secret(token);
    return &s->job;
}

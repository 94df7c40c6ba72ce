#include "workers/keyring/aws_container.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "common/base/ip_range.h"
#include "common/base/xalloc.h"
#include "common/conf/aws_files.h"
#include "common/net/http_client.h"
#include "workers/keyring/aws_job.h"

#define TASK_URL "http://169.254.170.2"
#define TIMEOUT_MS 2000
#define ANSWER_BYTES 65536
#define TOKEN_FILE_BYTES 16384

struct container {
    struct aws_job job;
    char *url; /* own */
};

bool aws_container_is_configured(void)
{
    return aws_files_env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") ||
           aws_files_env("AWS_CONTAINER_CREDENTIALS_FULL_URI");
}

char *aws_container_refuse(void *arg, const struct sockaddr *address)
{
    (void)arg;
    static const char *const allowed[] = {"127.0.0.0/8", "::1/128", "169.254.170.2",
                                          "169.254.170.23", "fd00:ec2::23"};
    struct ip_address ip;
    if (ip_address_of(address, &ip) == 0) {
        for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++) {
            struct ip_range range;
            int rc = ip_range_parse(allowed[i], &range);
            assert(rc == 0);
            if (ip_range_contains(&range, &ip))
                return NULL;
        }
    }
    return xstrdup("over http only this host and AWS's own addresses may be asked for "
                   "credentials; use https");
}

static void release(struct aws_job *job)
{
    free(((struct container *)job)->url);
}

static void on_answer(struct aws_job *job, const struct http_answer *answer)
{
    const char *url = ((struct container *)job)->url;
    struct aws_result result = {0};
    if (answer->outcome == HTTP_ANSWERED && answer->status == 200) {
        json_t *object = json_loadb(answer->body, answer->body_len, 0, NULL);
        aws_result_from_json(&result, object, "Token");
        json_decref(object);
        aws_job_learn_clock(job, url, answer, false);
        aws_result_to_our_clock(&result, job->context->skew);
    } else {
        char text[200];
        aws_describe_answer(answer, text, sizeof(text));
        aws_result_fail(&result, AWS_BROKEN, "%s: %s", url, text);
    }
    aws_job_end(job, &result);
}

/* The value of the Authorization header (malloc); NULL where there is none, or with a reason. */
static char *read_token(char why[AWS_WHY_BYTES])
{
    const char *file = aws_files_env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    const char *literal = aws_files_env("AWS_CONTAINER_AUTHORIZATION_TOKEN");
    *why = '\0';
    if (file)
        return aws_read_token_file(file, TOKEN_FILE_BYTES, why, AWS_WHY_BYTES);
    if (literal && strpbrk(literal, "\r\n"))
        snprintf(why, AWS_WHY_BYTES, "AWS_CONTAINER_AUTHORIZATION_TOKEN holds more than one line");
    return literal && !*why ? xstrdup(literal) : NULL;
}

static void ask(struct container *c)
{
    char why[AWS_WHY_BYTES];
    char *token = read_token(why);
    bool is_plain = strncmp(c->url, "http://", 7) == 0;
    const struct http_header headers[] = {{"Accept", "application/json"}, {"Authorization", token}};
    const struct http_call call = {.method = "GET",
                                   .url = c->url,
                                   .headers = headers,
                                   .header_count = token ? 2 : 1,
                                   .timeout_ms = TIMEOUT_MS,
                                   .response_cap_bytes = ANSWER_BYTES,
                                   .secret = true,
                                   .refuse = is_plain ? aws_container_refuse : NULL};
    if (*why)
        aws_job_fail(&c->job, AWS_BROKEN, "%s", why);
    else
        aws_job_call(&c->job, &call, on_answer);
    xfree_secret(token);
}

struct aws_job *aws_container_start(const struct aws_context *context, aws_done_cb *done, void *arg)
{
    const char *relative = aws_files_env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI");
    const char *full = aws_files_env("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    struct container *c = aws_job_new(sizeof(*c), context, release, done, arg);
    if (!relative && !full) {
        aws_job_fail(&c->job, AWS_BROKEN,
                     "neither AWS_CONTAINER_CREDENTIALS_RELATIVE_URI nor "
                     "AWS_CONTAINER_CREDENTIALS_FULL_URI is set");
        return &c->job;
    }
    c->url = relative ? xasprintf(TASK_URL "%s%s", *relative == '/' ? "" : "/", relative)
                      : xstrdup(full);
    if (aws_is_url(c->url))
        ask(c);
    else
        aws_job_fail(&c->job, AWS_BROKEN,
                     "AWS_CONTAINER_CREDENTIALS_FULL_URI is not an http(s) URL");
    return &c->job;
}

#include "workers/keyring/aws_job.h"

#include <assert.h>
#include <event2/event.h>
#include <stdarg.h>
#include <stdlib.h>

#include "common/aws/clock_skew.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "common/net/http_client.h"

static void release(struct aws_job *job)
{
    if (!job->release)
        return;
    if (job->http_id)
        http_client_cancel(job->context->http, job->http_id);
    job->release(job);
    job->release = NULL;
}

void aws_job_cancel(struct aws_job *job)
{
    if (!job)
        return;
    release(job);
    event_free(job->timer);
    aws_result_wipe(&job->result);
    free(job);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct aws_job *job = arg;
    job->done(job->arg, &job->result);
    aws_job_cancel(job);
}

void *aws_job_new(size_t size, const struct aws_context *context,
                  void (*release_source)(struct aws_job *job), aws_done_cb *done, void *arg)
{
    struct aws_job *job = xcalloc(1, size);
    job->context = context;
    job->release = release_source;
    job->done = done;
    job->arg = arg;
    job->timer = evtimer_new(context->base, on_timer, job);
    assert(job->timer);
    return job;
}

static void on_answer(void *arg, const struct http_answer *answer)
{
    struct aws_job *job = arg;
    job->http_id = 0;
    job->on_answer(job, answer);
}

void aws_job_call(struct aws_job *job, const struct http_call *call,
                  void (*take)(struct aws_job *job, const struct http_answer *answer))
{
    job->on_answer = take;
    job->http_id = http_client_send(job->context->http, call, on_answer, job);
}

bool aws_job_learn_clock(struct aws_job *job, const char *url, const struct http_answer *answer,
                         bool blamed)
{
    struct clock_skew *skew = job->context->skew;
    if (!clock_skew_learn(skew, clock_wall_ms(), http_answer_header(answer, "Date"), blamed))
        return false;
    long long s = skew->offset_ms / 1000;
    if (s)
        log_warn("the clock of this host is %lld s %s that of %s: requests for credentials, and "
                 "when these expire, go by theirs; set this host's clock",
                 llabs(s), s < 0 ? "ahead of" : "behind", url);
    return true;
}

static void tell_in(struct aws_job *job, int64_t ms)
{
    const struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
    evtimer_add(job->timer, &tv);
}

void aws_job_limit(struct aws_job *job, int64_t timeout_ms, const char *words)
{
    aws_result_fail(&job->result, AWS_BROKEN, "%s", words);
    tell_in(job, timeout_ms);
}

void aws_job_end(struct aws_job *job, struct aws_result *result)
{
    job->result = *result;
    result->credentials = (struct aws_credentials){0};
    release(job);
    tell_in(job, 0);
}

void aws_job_fail(struct aws_job *job, enum aws_outcome outcome, const char *format, ...)
{
    struct aws_result result = {0};
    va_list ap;
    va_start(ap, format);
    aws_result_vfail(&result, outcome, format, ap);
    va_end(ap);
    aws_job_end(job, &result);
}

#ifndef WORKERS_KEYRING_AWS_JOB_H
#define WORKERS_KEYRING_AWS_JOB_H

#include <stddef.h>

#include "workers/keyring/aws_source.h"

/* The life that all fetches share: one is started, waits for something, and ends once, with its
 * callback or cancelled. A source keeps such a job at the head of a struct of its own. */
struct event;
struct http_call;

struct aws_job {
    const struct aws_context *context; /* borrowed */
    /* Gives back what the source holds beside the job; runs once, at the end. */
    void (*release)(struct aws_job *job);
    void (*on_answer)(struct aws_job *job, const struct http_answer *answer);
    uint64_t http_id;         /* 0: no call is under way */
    struct event *timer;      /* own: tells the result */
    struct aws_result result; /* own: what is told when the timer runs out */
    aws_done_cb *done;
    void *arg;
};

/* Zeroed memory of size bytes, at whose head the job is. */
void *aws_job_new(size_t size, const struct aws_context *context,
                  void (*release)(struct aws_job *job), aws_done_cb *done, void *arg);

/* Calls over HTTP; one call at a time. */
void aws_job_call(struct aws_job *job, const struct http_call *call,
                  void (*on_answer)(struct aws_job *job, const struct http_answer *answer));

/* Looks at the clock of the server by the Date of its answer (clock_skew_learn), and logs what it
 * learns. True where it is another than was thought. */
bool aws_job_learn_clock(struct aws_job *job, const char *url, const struct http_answer *answer,
                         bool blamed);

/* Where it has not ended after so long, it fails (AWS_BROKEN) with these words. */
void aws_job_limit(struct aws_job *job, int64_t timeout_ms, const char *words);

/* Ends it, with what came, which is taken over, or with a failure. What the source holds is gone on
 * return; the callback runs in the loop's next turn, which is never too early. */
void aws_job_end(struct aws_job *job, struct aws_result *result);
void aws_job_fail(struct aws_job *job, enum aws_outcome outcome, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Ends it without a callback. NULL is ignored. */
void aws_job_cancel(struct aws_job *job);

#endif

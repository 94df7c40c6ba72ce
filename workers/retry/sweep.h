#ifndef WORKERS_RETRY_SWEEP_H
#define WORKERS_RETRY_SWEEP_H

#include <jansson.h>

#include "workers/retry/dead_letters.h"
#include "workers/retry/params.h"
#include "workers/retry/redrive.h"

/* POST /api/v1/dlq/retry: redrives dead letters in the order of their keys, some at once, and
 * answers in time:
 *
 *   {"processed":[{"key","trace_id","event_id","note"?}],
 *    "failed":[{"key","trace_id","event_id","error","class","retry_count"}],
 *    "errors":[text], "next_token":""}
 *
 * What was not tried is in neither list, and next_token points at the first of it. A redrive that
 * is still under way at the end is under `failed` as in progress, and goes on. */
struct sweep;

typedef void sweep_cb(void *arg, int status, json_t *body); /* body is the receiver's */

/* params is taken over. who is for the audit line. done runs once, never from inside; the sweep
 * frees itself after it. */
struct sweep *sweep_start(const struct dead_letters *d, struct redriver *redriver,
                          struct params *params, const char *who, int64_t deadline_mono_ms,
                          sweep_cb *done, void *arg);
/* Starts no redrive more; done follows when those under way have ended. */
void sweep_stop(struct sweep *s);

#endif

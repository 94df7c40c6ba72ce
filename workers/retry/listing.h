#ifndef WORKERS_RETRY_LISTING_H
#define WORKERS_RETRY_LISTING_H

#include <jansson.h>

#include "workers/retry/dead_letters.h"
#include "workers/retry/letter.h"
#include "workers/retry/params.h"

/* What dead letters there are, for people and programs. Each answers once, never from inside the
 * call; body is the receiver's. */
typedef void listing_cb(void *arg, int status, json_t *body);

/* GET /api/v1/dlq/events: {"events":[{"key","trace_id","source","event_id","error","error_class",
 * "failed_at","first_failed_at","retry_count","redrives","parked","in_progress"}],
 * "errors":[text],"next_token":""}. params is taken over. */
void listing_events(const struct dead_letters *d, struct params *params, listing_cb *done,
                    void *arg);

/* GET /api/v1/dlq/summary: {"total","parked","complete",
 * "counts":[{"source","error_class","count","parked"}],"errors":[text]}. complete is false where
 * there are more than were counted. */
void listing_summary(const struct dead_letters *d, listing_cb *done, void *arg);

/* One dead letter as the lists show it (a new reference). An unreadable one is shown as that. */
json_t *listing_entry(const struct dead_letters *d, const struct letter *letter,
                      enum letter_answer answer, const char *text);

#endif

#ifndef COMMON_DELIVERY_CHECK_H
#define COMMON_DELIVERY_CHECK_H

#include <jansson.h>
#include <stdbool.h>

#include "common/delivery/delivery.h"

/* The `check` of a source: an API is asked about the event with GET before it is delivered. Part of
 * the attempt (delivery.h). The answer:
 *
 *   2xx                                     the delivery goes on
 *   404, 410, 422                           DEAD, class "validation": there is no such thing
 *   a place of the URL is not in the event  DEAD, class "validation"
 *   408, 425, 429, 5xx, no answer in time   RETRY, class "check"
 *   no good access token (401 twice)        RETRY, class "token"
 *   all else                                RETRY, class "check": a mistake in the configuration
 *                                           must not cost events
 *
 * What http_verdict.h counts as a destination's own failure is one here too. */
struct check;      /* of a source */
struct check_call; /* one under way */
struct event_base;
struct tokens;

struct check_result {
    bool passed;
    struct delivery_outcome outcome; /* where not: all but took_ms; borrowed for the call */
};
/* Once, never from inside check_start. */
typedef void check_cb(void *arg, const struct check_result *result);

/* source is the normalised source; both are borrowed for the check's life. NULL where it has none,
 * or with a logged reason and *failed_out set. */
struct check *check_new(struct event_base *base, const char *name, const json_t *source,
                        struct tokens *tokens, bool *failed_out);
void check_free(struct check *c); /* no call may be under way */

/* hook is borrowed for the call. */
struct check_call *check_start(struct check *c, const struct webhook *hook, check_cb *done,
                               void *arg);
void check_cancel(struct check_call *call);

#endif

#ifndef COMMON_DELIVERY_ACKNOWLEDGE_H
#define COMMON_DELIVERY_ACKNOWLEDGE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/webhook/webhook.h"

/* The `acknowledge` of a source: an API is told of each delivery once its outcome is recorded, with
 *
 *   {"trace_id","source","event_id","schema_version","delivered_at"}
 *
 * In the background: what becomes of it changes nothing for the event. Up to three tries where a
 * later one may help; a failure is logged and counted. A crash loses those under way. */
struct acknowledge; /* of a source */
struct event_base;
struct tokens;

struct acknowledge_counters {
    int64_t acknowledged;
    int64_t failed;
};

/* source is the normalised source; both are borrowed for its life, as is counters. idle is called
 * whenever none is under way any more. NULL where the source has none, or with a logged reason and
 * *failed_out set. */
struct acknowledge_options {
    struct event_base *base;
    const char *name;
    const json_t *source;
    struct tokens *tokens;
    struct acknowledge_counters *counters;
    void (*idle)(void *arg);
    void *arg;
};
struct acknowledge *acknowledge_new(const struct acknowledge_options *options, bool *failed_out);
void acknowledge_free(struct acknowledge *a); /* drops what is under way */

/* a NULL is a no-op; the event is copied as far as it is needed. */
void acknowledge_send(struct acknowledge *a, const struct webhook *hook);

/* How many are under way; 0 for NULL. */
size_t acknowledge_running(const struct acknowledge *a);
/* No further tries: what is under way ends with its answer, what waits for its next try has failed.
 * idle is not called from inside. */
void acknowledge_drain(struct acknowledge *a);

#endif

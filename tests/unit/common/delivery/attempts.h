#ifndef TESTS_UNIT_COMMON_DELIVERY_ATTEMPTS_H
#define TESTS_UNIT_COMMON_DELIVERY_ATTEMPTS_H

/* One destination and its attempts, for the tests of to_exec.c and to_file.c. */

#include <event2/event.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/xalloc.h"
#include "common/delivery/delivery.h"

struct outcome {
    bool ended;
    enum verdict verdict;
    char class[32];
    char error[256];
    int status;
    int *left; /* attempts under way; the loop breaks at 0 */
    struct event_base *base;
};

static inline struct webhook *hook_new(const void *body, size_t len)
{
    struct webhook *h = xcalloc(1, sizeof(*h));
    strcpy(h->trace_id, "01TRACE");
    h->source = xstrdup("genesys");
    h->event_id = xstrdup("event 1");
    h->content_type = xstrdup("application/json");
    h->schema_version = xstrdup("v2.1");
    h->received_at_ms = 1764000000000;
    h->body = xmemdup(len ? body : "", len ? len : 1);
    h->body_len = len;
    return h;
}

static inline void on_end(void *arg, const struct delivery_outcome *o)
{
    struct outcome *out = arg;
    out->ended = true;
    out->verdict = o->verdict;
    strncpy(out->class, o->class, sizeof(out->class) - 1);
    strncpy(out->error, o->error, sizeof(out->error) - 1);
    out->status = o->status;
    if (--*out->left == 0)
        event_base_loopbreak(out->base);
}

/* Runs one attempt to its end. */
static inline struct outcome attempt_once(struct event_base *base, struct destination *d,
                                          const struct webhook *h, int number)
{
    int left = 1;
    struct outcome out = {.left = &left, .base = base};
    delivery_start(d, h, number, NULL, on_end, &out);
    event_base_dispatch(base);
    return out;
}

#endif

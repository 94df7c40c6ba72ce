#include "common/delivery/acknowledge.h"

#include <assert.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "common/conf/conf.h"
#include "common/delivery/http_target.h"
#include "common/webhook/url_template.h"

#define RETRY_AFTER_CAP_S 30
#define UNDER_WAY_MAX 1000
#define TRIES 3
#define PAUSE_S 1 /* before the second try; doubles */

struct note {
    TAILQ_ENTRY(note) link;
    struct acknowledge *all; /* borrow: owns us */
    char trace_id[WEBHOOK_TRACE_BYTES];
    char *url, *body;               /* own */
    struct http_exchange *exchange; /* own; NULL while it waits for its next try */
    struct event *next;             /* own */
    int tries;
};

struct acknowledge {
    struct acknowledge_options o;
    const json_t *conf; /* borrow */
    char *at;           /* own: for the target */
    struct http_target *target;
    TAILQ_HEAD(, note) notes;
    size_t count;
    bool draining;
};

struct acknowledge *acknowledge_new(const struct acknowledge_options *options, bool *failed_out)
{
    const json_t *conf = conf_value(options->source, "acknowledge");
    if (!*conf_str(conf, "url"))
        return NULL;
    struct acknowledge *a = xcalloc(1, sizeof(*a));
    a->o = *options;
    a->conf = conf;
    a->at = xasprintf("sources.%s.acknowledge", options->name);
    TAILQ_INIT(&a->notes);
    a->target = http_target_new_errand(options->base, a->at, conf, options->tokens);
    if (a->target)
        return a;
    *failed_out = true;
    acknowledge_free(a);
    return NULL;
}

static void note_free(struct note *n)
{
    TAILQ_REMOVE(&n->all->notes, n, link);
    n->all->count--;
    if (n->exchange)
        http_exchange_cancel(n->exchange);
    event_free(n->next);
    free(n->url);
    free(n->body);
    free(n);
}

void acknowledge_free(struct acknowledge *a)
{
    if (!a)
        return;
    while (!TAILQ_EMPTY(&a->notes))
        note_free(TAILQ_FIRST(&a->notes));
    http_target_free(a->target);
    free(a->at);
    free(a);
}

static void failed(struct acknowledge *a, const char *trace_id, const char *why)
{
    a->o.counters->failed++;
    log_warn("acknowledgement failed trace=%s source=%s: %s; the delivery stands", trace_id,
             a->o.name, why);
}

static void done(struct note *n)
{
    struct acknowledge *a = n->all;
    note_free(n);
    if (a->count == 0)
        a->o.idle(a->o.arg);
}

static void send_note(struct note *n);

static void on_next(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct note *n = arg;
    if (n->all->draining) {
        failed(n->all, n->trace_id, "the worker stops");
        done(n);
    } else {
        send_note(n);
    }
}

static void pause_note(struct note *n, int retry_after_seconds)
{
    int64_t wait_s = (int64_t)PAUSE_S << (n->tries - 1);
    if (wait_s < retry_after_seconds)
        wait_s = retry_after_seconds;
    struct timeval wait = {.tv_sec = wait_s};
    event_add(n->next, &wait);
}

static void on_end(void *arg, const struct http_end *end)
{
    struct note *n = arg;
    struct acknowledge *a = n->all;
    struct http_verdict v = http_end_verdict(end);
    n->exchange = NULL;
    if (v.verdict == DELIVERED) {
        a->o.counters->acknowledged++;
    } else if (v.verdict == RETRY && n->tries < TRIES && !a->draining) {
        pause_note(n, http_end_retry_after_s(end, RETRY_AFTER_CAP_S));
        return;
    } else {
        char *words = http_end_words(end);
        failed(a, n->trace_id, words);
        free(words);
    }
    done(n);
}

static void add_headers(void *arg, struct http_headers *headers)
{
    const struct note *n = arg;
    http_headers_add_plain(headers, "Content-Type", "application/json");
    http_headers_add(headers, "Idempotency-Key", n->trace_id);
    http_headers_add(headers, "Sluice-Trace", n->trace_id);
}

static void send_note(struct note *n)
{
    const struct http_request request = {
        .method = conf_str(n->all->conf, "method"),
        .url = n->url,
        .body = n->body,
        .body_len = strlen(n->body),
        .headers = add_headers,
    };
    n->tries++;
    n->exchange = http_target_send(n->all->target, &request, on_end, n);
}

static char *body_of(const struct webhook *hook)
{
    char now[CLOCK_TEXT_BYTES];
    clock_rfc3339(clock_wall_ms(), now);
    json_t *body = json_pack("{s:s,s:s,s:s,s:s,s:s}", "trace_id", hook->trace_id, "source",
                             hook->source, "event_id", hook->event_id, "schema_version",
                             hook->schema_version, "delivered_at", now);
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    json_decref(body);
    return text;
}

void acknowledge_send(struct acknowledge *a, const struct webhook *hook)
{
    char reason[URL_TEMPLATE_REASON_BYTES] = "its ids are not text";
    if (!a)
        return;
    if (a->count >= UNDER_WAY_MAX) {
        failed(a, hook->trace_id, "too many wait already");
        return;
    }
    char *url = url_template_fill(conf_str(a->conf, "url"), hook->body, hook->body_len, reason);
    char *body = url ? body_of(hook) : NULL;
    if (!body) {
        failed(a, hook->trace_id, reason);
        free(url);
        return;
    }
    struct note *n = xcalloc(1, sizeof(*n));
    n->all = a;
    memcpy(n->trace_id, hook->trace_id, sizeof(n->trace_id));
    n->url = url;
    n->body = body;
    n->next = evtimer_new(a->o.base, on_next, n);
    assert(n->next);
    TAILQ_INSERT_TAIL(&a->notes, n, link);
    a->count++;
    send_note(n);
}

size_t acknowledge_running(const struct acknowledge *a)
{
    return a ? a->count : 0;
}

void acknowledge_drain(struct acknowledge *a)
{
    struct note *n;
    if (!a)
        return;
    a->draining = true;
    TAILQ_FOREACH(n, &a->notes, link)
    {
        if (!n->exchange)
            event_active(n->next, EV_TIMEOUT, 0);
    }
}

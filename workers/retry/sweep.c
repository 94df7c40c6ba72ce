#include "workers/retry/sweep.h"

#include <assert.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "workers/retry/cursor.h"
#include "workers/retry/dlq_key.h"
#include "workers/retry/pages.h"
#include "workers/retry/reply.h"
#include "workers/retry/walk.h"

#define AT_ONCE 8
#define LOOK_AT_MOST 2000 /* keys in one request: most may be parked or filtered out */
#define PAGE_KEYS 250

struct sweep {
    const struct dead_letters *d;        /* borrowed */
    struct redriver *redriver;           /* borrowed */
    struct params *params;               /* own */
    char *who;                           /* own */
    struct pages *pages;                 /* own */
    struct walk *walk;                   /* own */
    struct event *deadline;              /* own */
    struct redrive *running[AT_ONCE];    /* borrowed: the redriver's */
    json_t *processed, *failed, *errors; /* own */
    sweep_cb *done;
    void *arg;
};

static void put_text(json_t *object, const char *name, const char *text)
{
    json_object_set_new(object, name, reply_text(text));
}

static json_t *entry(const char *key, const char *trace_id, const char *event_id)
{
    json_t *one = json_object();
    put_text(one, "key", key);
    put_text(one, "trace_id", trace_id);
    put_text(one, "event_id", event_id);
    return one;
}

static void add_result(struct sweep *s, const struct redrive_result *result)
{
    json_t *one = entry(result->key, result->trace_id, result->event_id);
    if (result->end == REDRIVE_PROCESSED) {
        if (*result->note)
            put_text(one, "note", result->note);
        json_array_append_new(s->processed, one);
        return;
    }
    put_text(one, "error", result->error);
    put_text(one, "class", result->class);
    json_object_set_new(one, "retry_count", json_integer(result->retry_count));
    json_array_append_new(s->failed, one);
}

static void forget(struct sweep *s, const char *key)
{
    for (size_t i = 0; i < AT_ONCE; i++)
        if (s->running[i] && strcmp(redrive_key(s->running[i]), key) == 0)
            s->running[i] = NULL;
}

/* Each once: many redrives may be held back for one reason. */
static void add_error(struct sweep *s, const char *error)
{
    size_t i;
    json_t *other;
    json_array_foreach(s->errors, i, other)
    {
        if (strcmp(json_string_value(other), error) == 0)
            return;
    }
    json_array_append_new(s->errors, reply_text(error));
}

static void on_redriven(void *arg, const struct redrive_result *result)
{
    struct sweep *s = arg;
    forget(s, result->key);
    if (result->end == REDRIVE_UNTRIED) {
        add_error(s, result->error);
        walk_job_untried(s->walk, result->key);
        return;
    }
    if (result->end != REDRIVE_SKIPPED)
        add_result(s, result);
    walk_job_done(s->walk, result->end != REDRIVE_SKIPPED);
}

static bool start(void *arg, const char *key)
{
    struct sweep *s = arg;
    size_t slot = 0;
    if (!dlq_key_parse(s->d->prefix, key, NULL))
        return false; /* somebody else's object in our folder */
    while (s->running[slot])
        slot++;
    assert(slot < AT_ONCE);
    const struct redrive_request request = {
        .key = key, .params = s->params, .named = s->params->keys != NULL, .who = s->who};
    s->running[slot] = redrive_start(s->redriver, &request, on_redriven, s);
    return true;
}

static void list(void *arg, const char *after)
{
    struct sweep *s = arg;
    pages_list(s->pages, s->walk, after);
}

static void sweep_free(struct sweep *s)
{
    walk_free(s->walk);
    pages_free(s->pages);
    event_free(s->deadline);
    params_free(s->params);
    free(s->who);
    free(s);
}

static void on_end(void *arg, const struct walk_end *end)
{
    struct sweep *s = arg;
    char first[DLQ_KEY_BYTES];
    dlq_key_first(s->d->prefix, first);
    char *token = cursor_make(!end->next ? "" : *end->next ? end->next : first);
    size_t good = json_array_size(s->processed);
    size_t bad = json_array_size(s->failed);
    if (*end->error)
        json_array_append_new(s->errors, reply_text(end->error));
    log_info("audit: retry request by %s%s: processed=%zu failed=%zu looked_at=%zu%s%s", s->who,
             s->params->dry_run ? " (dry run)" : "", good, bad, end->looked_at,
             *end->error ? ": " : "", end->error);
    json_t *body = json_object();
    json_object_set_new(body, "processed", s->processed);
    json_object_set_new(body, "failed", s->failed);
    json_object_set_new(body, "errors", s->errors);
    json_object_set_new(body, "next_token", json_string(token));
    free(token);
    s->done(s->arg, *end->error && good + bad == 0 ? 503 : 200, body);
    sweep_free(s);
}

/* Whoever asked has waited long enough. */
static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct sweep *s = arg;
    struct walk *walk = s->walk;
    size_t left = 0;
    walk_stop(walk);
    for (size_t i = 0; i < AT_ONCE; i++) {
        struct redrive *r = s->running[i];
        if (!r)
            continue;
        struct dlq_key key = {0};
        dlq_key_parse(s->d->prefix, redrive_key(r), &key);
        json_t *one = entry(redrive_key(r), key.trace_id, "");
        put_text(one, "error", "in progress: it takes longer than a request may");
        put_text(one, "class", "in_progress");
        json_object_set_new(one, "retry_count", json_null());
        json_array_append_new(s->failed, one);
        s->running[i] = NULL;
        redrive_detach(r);
        left++;
    }
    pages_give_up(s->pages);
    while (left-- > 0) /* the sweep ends with the last of them */
        walk_job_done(walk, true);
}

struct sweep *sweep_start(const struct dead_letters *d, struct redriver *redriver,
                          struct params *params, const char *who, int64_t deadline_mono_ms,
                          sweep_cb *done, void *arg)
{
    struct sweep *s = xcalloc(1, sizeof(*s));
    char beyond[DLQ_KEY_BYTES];
    int64_t now_ms = clock_mono_ms();
    int64_t left_ms = deadline_mono_ms > now_ms ? deadline_mono_ms - now_ms : 0;
    s->d = d;
    s->redriver = redriver;
    s->params = params;
    s->who = xstrdup(who);
    s->done = done;
    s->arg = arg;
    s->processed = json_array();
    s->failed = json_array();
    s->errors = json_array();
    s->pages = pages_new(d, PAGE_KEYS);
    s->deadline = event_new(d->base, -1, 0, on_deadline, s);
    assert(s->deadline);
    dead_letters_beyond(d, params, beyond);
    const struct walk_options walk = {
        .after = params->after,
        .beyond = beyond,
        .limit = (size_t)params->limit,
        .max_keys = LOOK_AT_MOST,
        .window = AT_ONCE,
        .start_until_mono_ms = now_ms + left_ms * 4 / 5, /* the last ones need time, too */
        .keys = params->keys,
        .key_count = params->key_count,
        .list = list,
        .start = start,
        .done = on_end,
        .arg = s,
    };
    s->walk = walk_new(d->base, &walk);
    struct timeval tv = {.tv_sec = left_ms / 1000, .tv_usec = left_ms % 1000 * 1000};
    event_add(s->deadline, &tv);
    return s;
}

void sweep_stop(struct sweep *s)
{
    walk_stop(s->walk);
}

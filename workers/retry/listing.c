#include "workers/retry/listing.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/xalloc.h"
#include "workers/retry/cursor.h"
#include "workers/retry/dlq_key.h"
#include "workers/retry/reading.h"
#include "workers/retry/reply.h"

#define LOOK_AT_MOST 2000 /* keys in one request */
#define COUNT_AT_MOST 1000
#define EVENTS_MS 15000
#define TROUBLES_MAX 10 /* a bucket that refuses is not asked for each of its objects */
#define SUMMARY_MS 8000

/* ---- one ---- */

static void put_text(json_t *object, const char *name, const char *text)
{
    json_object_set_new(object, name, reply_text(text));
}

static void put_time(json_t *object, const char *name, int64_t wall_ms)
{
    char text[CLOCK_TEXT_BYTES];
    clock_rfc3339(wall_ms, text);
    json_object_set_new(object, name, json_string(text));
}

static json_t *unreadable_entry(const struct dead_letters *d, const char *key, const char *text)
{
    struct dlq_key parsed = {0};
    json_t *one = json_object();
    dlq_key_parse(d->prefix, key, &parsed);
    put_text(one, "key", key);
    put_text(one, "trace_id", parsed.trace_id);
    put_text(one, "source", "");
    put_text(one, "event_id", "");
    put_text(one, "error", text);
    put_text(one, "error_class", "unreadable");
    put_time(one, "failed_at", parsed.hour_ms);
    put_time(one, "first_failed_at", parsed.hour_ms);
    json_object_set_new(one, "retry_count", json_integer(0));
    json_object_set_new(one, "redrives", json_integer(0));
    json_object_set_new(one, "parked", json_false());
    json_object_set_new(one, "in_progress", json_false());
    return one;
}

json_t *listing_entry(const struct dead_letters *d, const struct letter *letter,
                      enum letter_answer answer, const char *text)
{
    const struct deadletter_object *o = letter->object;
    if (answer != LETTER_OK)
        return unreadable_entry(d, letter->key, text);
    json_t *one = json_object();
    put_text(one, "key", letter->key);
    put_text(one, "trace_id", o->trace_id);
    put_text(one, "source", o->source);
    put_text(one, "event_id", o->event_id);
    put_text(one, "error", o->error);
    put_text(one, "error_class", o->error_class);
    put_time(one, "failed_at", o->failed_at_ms);
    put_time(one, "first_failed_at", o->first_failed_at_ms);
    json_object_set_new(one, "retry_count", json_integer(o->retry_count));
    json_object_set_new(one, "redrives", json_integer(o->redrives));
    json_object_set_new(one, "parked", json_boolean(o->parked));
    json_object_set_new(one, "in_progress", json_boolean(dead_letters_held(o)));
    return one;
}

/* ---- a page of them ---- */

struct events {
    const struct dead_letters *d; /* borrowed */
    struct params *params;        /* own */
    json_t *found[LOOK_AT_MOST];  /* own: by index, NULL where it is not wanted */
    size_t count;                 /* of found */
    json_t *errors;               /* own */
    struct reading *reading;      /* borrowed: frees itself */
    listing_cb *done;
    void *arg;
};

static bool has_filter(const struct params *p)
{
    return p->source || p->error_class || p->from_ms != INT64_MIN || p->to_ms != INT64_MAX;
}

static bool add_event(void *arg, size_t index, const struct letter *letter,
                      enum letter_answer answer, const char *text)
{
    struct events *e = arg;
    bool shown = answer == LETTER_OK           ? dead_letters_match(e->params, letter->object)
                 : answer == LETTER_UNREADABLE ? !has_filter(e->params)
                                               : false;
    if (answer == LETTER_TROUBLE && json_array_size(e->errors) == TROUBLES_MAX - 1)
        reading_stop(e->reading);
    if (answer == LETTER_TROUBLE) {
        char *error = xasprintf("%s: %s", letter->key, text);
        json_array_append_new(e->errors, reply_text(error));
        free(error);
    }
    if (!shown)
        return false;
    e->found[index] = listing_entry(e->d, letter, answer, text);
    if (index >= e->count)
        e->count = index + 1;
    return true;
}

static void end_events(void *arg, const struct walk_end *end)
{
    struct events *e = arg;
    json_t *list = json_array();
    char *token = cursor_make(end->next ? end->next : "");
    for (size_t i = 0; i < e->count; i++)
        if (e->found[i])
            json_array_append_new(list, e->found[i]);
    if (*end->error)
        json_array_append_new(e->errors, reply_text(end->error));
    int status = json_array_size(e->errors) > 0 && json_array_size(list) == 0 ? 503 : 200;
    json_t *body = json_object();
    json_object_set_new(body, "events", list);
    json_object_set_new(body, "errors", e->errors);
    json_object_set_new(body, "next_token", json_string(token));
    free(token);
    params_free(e->params);
    e->done(e->arg, status, body);
    free(e);
}

void listing_events(const struct dead_letters *d, struct params *params, listing_cb *done,
                    void *arg)
{
    struct events *e = xcalloc(1, sizeof(*e));
    char beyond[DLQ_KEY_BYTES];
    e->d = d;
    e->params = params;
    e->errors = json_array();
    e->done = done;
    e->arg = arg;
    dead_letters_beyond(d, params, beyond);
    const struct reading_options reading = {
        .after = params->after,
        .beyond = beyond,
        .limit = (size_t)params->limit,
        .max_keys = LOOK_AT_MOST,
        .start_until_mono_ms = clock_mono_ms() + EVENTS_MS,
        .each = add_event,
        .done = end_events,
        .arg = e,
    };
    e->reading = reading_start(d, &reading);
}

/* ---- how many ---- */

struct summary {
    json_t *counts; /* own */
    size_t total, parked, troubles;
    json_t *errors;          /* own */
    struct reading *reading; /* borrowed: frees itself */
    listing_cb *done;
    void *arg;
};

static json_t *count_of(json_t *counts, const char *source, const char *error_class)
{
    size_t i;
    json_t *one;
    json_array_foreach(counts, i, one)
    {
        if (strcmp(json_string_value(json_object_get(one, "source")), source) == 0 &&
            strcmp(json_string_value(json_object_get(one, "error_class")), error_class) == 0)
            return one;
    }
    one = json_object();
    put_text(one, "source", source);
    put_text(one, "error_class", error_class);
    json_array_append_new(counts, one);
    return one;
}

static void increase(json_t *one, const char *name, int by)
{
    json_int_t n = json_integer_value(json_object_get(one, name));
    json_object_set_new(one, name, json_integer(n + by));
}

static bool add_to_summary(void *arg, size_t index, const struct letter *letter,
                           enum letter_answer answer, const char *text)
{
    struct summary *s = arg;
    const struct deadletter_object *o = letter->object;
    (void)index;
    if (answer == LETTER_TROUBLE && s->troubles == 0)
        json_array_append_new(s->errors, reply_text(text));
    if (answer == LETTER_TROUBLE && ++s->troubles == TROUBLES_MAX)
        reading_stop(s->reading);
    if (answer != LETTER_OK && answer != LETTER_UNREADABLE)
        return false;
    json_t *one =
        o ? count_of(s->counts, o->source, o->error_class) : count_of(s->counts, "", "unreadable");
    increase(one, "count", 1);
    increase(one, "parked", o && o->parked);
    s->total++;
    s->parked += o && o->parked;
    return true;
}

static void end_summary(void *arg, const struct walk_end *end)
{
    struct summary *s = arg;
    if (*end->error)
        json_array_append_new(s->errors, reply_text(end->error));
    int status = json_array_size(s->errors) > 0 && s->total == 0 ? 503 : 200;
    json_t *body = json_object();
    json_object_set_new(body, "total", json_integer((json_int_t)s->total));
    json_object_set_new(body, "parked", json_integer((json_int_t)s->parked));
    json_object_set_new(body, "complete", json_boolean(!end->next && !*end->error));
    json_object_set_new(body, "counts", s->counts);
    json_object_set_new(body, "errors", s->errors);
    s->done(s->arg, status, body);
    free(s);
}

void listing_summary(const struct dead_letters *d, listing_cb *done, void *arg)
{
    struct summary *s = xcalloc(1, sizeof(*s));
    s->counts = json_array();
    s->errors = json_array();
    s->done = done;
    s->arg = arg;
    const struct reading_options reading = {
        .after = "",
        .beyond = "",
        .limit = COUNT_AT_MOST,
        .max_keys = COUNT_AT_MOST,
        .start_until_mono_ms = clock_mono_ms() + SUMMARY_MS,
        .each = add_to_summary,
        .done = end_summary,
        .arg = s,
    };
    s->reading = reading_start(d, &reading);
}

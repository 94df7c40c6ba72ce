#include "workers/retry/trace.h"

#include <stdlib.h>
#include <string.h>

#include "common/aws/dynamodb.h"
#include "common/base/clock.h"
#include "common/base/xalloc.h"
#include "common/conf/conf.h"
#include "common/delivery/ledger.h"
#include "workers/retry/dlq_key.h"
#include "workers/retry/reading.h"
#include "workers/retry/reply.h"

#define LOOK_AT_MOST 50000 /* keys; only the right one is read */
#define SEARCH_MS 12000
#define COLLISION_DIGITS 16 /* behind a trace id that two payloads share: "-" and these */
#define HOUR_MS 3600000

/* The steps: the ledger where source and event id are known; the dead letter by its key where the
 * ledger names it; else by search; then the ledger where only the dead letter says which record. */
struct trace {
    const struct dead_letters *d;          /* borrowed */
    struct params *params;                 /* own */
    char *trace_id;                        /* own; "" while unknown */
    char *ledger_id;                       /* own; NULL while unknown */
    struct letter *letter;                 /* own: read by its key */
    json_t *dead_letter, *record, *errors; /* own; NULL where there is none */
    char *source, *event_id;               /* own */
    bool complete;
    listing_cb *done;
    void *arg;
};

static void put_text(json_t *object, const char *name, const char *text)
{
    json_object_set_new(object, name, reply_text(text));
}

static void end(struct trace *t)
{
    int status = t->dead_letter || t->record ? 200 : json_array_size(t->errors) > 0 ? 503 : 404;
    json_t *body = json_object();
    if (status == 404)
        put_text(body, "error", "no dead letter and no record of it is known");
    put_text(body, "trace_id", t->trace_id);
    put_text(body, "source", t->source);
    put_text(body, "event_id", t->event_id);
    json_object_set_new(body, "dead_letter", t->dead_letter ? t->dead_letter : json_null());
    json_object_set_new(body, "ledger", t->record ? t->record : json_null());
    json_object_set_new(body, "complete", json_boolean(t->complete));
    json_object_set_new(body, "errors", t->errors);
    t->done(t->arg, status, body);
    letter_free(t->letter);
    params_free(t->params);
    free(t->trace_id);
    free(t->ledger_id);
    free(t->source);
    free(t->event_id);
    free(t);
}

static void replace(char **member, const char *text)
{
    char *copy = xstrdup(text);
    free(*member);
    *member = copy;
}

static void add_error(struct trace *t, const char *what, const char *text)
{
    char *error = xasprintf("%s: %s", what, text);
    json_array_append_new(t->errors, reply_text(error));
    free(error);
}

/* ---- the ledger ---- */

static void put_time(json_t *object, const char *name, int64_t wall_ms)
{
    char text[CLOCK_TEXT_BYTES];
    clock_rfc3339(wall_ms, text);
    json_object_set_new(object, name, wall_ms ? json_string(text) : json_null());
}

static json_t *record_json(const json_t *item, const char *id)
{
    struct ledger_record *r = ledger_record_from_item(item);
    json_t *one = json_object();
    json_t *history = json_loads(r->history, 0, NULL);
    put_text(one, "id", id);
    put_text(one, "state", ledger_state_word(r->state));
    json_object_set_new(one, "attempts", json_integer(r->attempts));
    json_object_set_new(one, "seq", json_integer(r->seq));
    json_object_set_new(one, "revision", json_integer(r->revision));
    put_text(one, "trace_id", r->trace_id);
    put_time(one, "first_failed_at", r->first_failed_at_ms);
    put_time(one, "failed_at", r->failed_at_ms);
    put_time(one, "at", r->at_ms);
    put_time(one, "not_before", r->not_before_ms);
    put_text(one, "error", r->error);
    put_text(one, "error_class", r->error_class);
    json_object_set_new(one, "history", history ? history : json_array());
    put_text(one, "dlq_key", r->dlq_key);
    bool held = *dynamodb_text(item, "owner", "") != '\0';
    put_time(one, "claimed_until", held ? dynamodb_number(item, "until", 0) : 0);
    ledger_record_free(r);
    return one;
}

static void find_letter(struct trace *t);

static void on_record(void *arg, const struct aws_reply *reply)
{
    struct trace *t = arg;
    const json_t *item = json_object_get(reply->json, "Item");
    bool by_name = !t->dead_letter;
    if (reply->class != AWS_OK) {
        char *text = dead_letters_failure(t->d, "dynamodb:GetItem", reply);
        add_error(t, "the ledger cannot be read", text);
        free(text);
    } else if (item) {
        t->record = record_json(item, t->ledger_id);
        if (!*t->trace_id)
            replace(&t->trace_id, dynamodb_text(item, "trace_id", ""));
    }
    if (by_name)
        find_letter(t);
    else
        end(t);
}

static void read_record(struct trace *t)
{
    static const struct dynamodb_options patience = {
        .timeout_ms = 3000, .deadline_ms = 6000, .max_attempts = 3};
    json_t *input = json_object();
    json_t *key = json_object();
    json_object_set_new(input, "TableName", json_string(t->d->table));
    json_object_set_new(key, "id", dynamodb_s(t->ledger_id));
    json_object_set_new(input, "Key", key);
    json_object_set_new(input, "ConsistentRead", json_true());
    dynamodb_call(t->d->client, t->d->table_at, "GetItem", input, &patience, on_record, t);
}

/* ---- the dead letter ---- */

static void keep_letter(struct trace *t, const struct letter *letter, enum letter_answer answer,
                        const char *text)
{
    const struct deadletter_object *o = letter->object;
    if (answer == LETTER_GONE)
        return;
    if (answer == LETTER_TROUBLE) {
        add_error(t, letter->key, text);
        return;
    }
    json_decref(t->dead_letter);
    t->dead_letter = listing_entry(t->d, letter, answer, text);
    if (!o)
        return;
    replace(&t->trace_id, o->trace_id);
    replace(&t->source, o->source);
    replace(&t->event_id, o->event_id);
    if (!t->ledger_id && *o->ledger_id)
        t->ledger_id = xstrdup(o->ledger_id);
}

static void letter_was_sought(struct trace *t)
{
    if (t->dead_letter && t->ledger_id && !t->record)
        read_record(t);
    else
        end(t);
}

static bool is_it(void *arg, const char *key)
{
    const struct trace *t = arg;
    struct dlq_key parsed;
    size_t len = strlen(t->trace_id);
    if (!dlq_key_parse(t->d->prefix, key, &parsed) ||
        strncmp(parsed.trace_id, t->trace_id, len) != 0)
        return false;
    const char *rest = parsed.trace_id + len;
    return !*rest || (*rest == '-' && strlen(rest) == COLLISION_DIGITS + 1);
}

static bool on_found(void *arg, size_t index, const struct letter *letter,
                     enum letter_answer answer, const char *text)
{
    struct trace *t = arg;
    (void)index;
    keep_letter(t, letter, answer, text);
    return t->dead_letter != NULL;
}

static void on_searched(void *arg, const struct walk_end *search)
{
    struct trace *t = arg;
    t->complete = t->dead_letter || (!search->next && !*search->error);
    if (*search->error)
        json_array_append_new(t->errors, reply_text(search->error));
    letter_was_sought(t);
}

/* An event cannot fail before it is received: a trace id that tells its time says where to begin
 * (an hour early, since clocks differ). */
static void search(struct trace *t)
{
    char after[DLQ_KEY_BYTES] = "";
    int64_t made_ms = dlq_key_trace_ms(t->trace_id);
    if (made_ms >= HOUR_MS && made_ms < clock_wall_ms() + HOUR_MS)
        dlq_key_before_hour(t->d->prefix, made_ms - HOUR_MS, after);
    const struct reading_options reading = {
        .after = after,
        .beyond = "",
        .limit = 1,
        .max_keys = LOOK_AT_MOST,
        .start_until_mono_ms = clock_mono_ms() + SEARCH_MS,
        .wanted = is_it,
        .each = on_found,
        .done = on_searched,
        .arg = t,
    };
    reading_start(t->d, &reading);
}

static void on_read(void *arg, enum letter_answer answer, const char *text)
{
    struct trace *t = arg;
    keep_letter(t, t->letter, answer, text);
    t->complete = answer != LETTER_TROUBLE;
    letter_was_sought(t);
}

static void find_letter(struct trace *t)
{
    const char *key = json_string_value(json_object_get(t->record, "dlq_key"));
    if (key && dlq_key_parse(t->d->prefix, key, NULL)) {
        t->letter = letter_new(t->d, key);
        letter_read(t->letter, on_read, t);
    } else if (*t->trace_id) {
        search(t);
    } else {
        t->complete = true;
        end(t);
    }
}

void trace_start(const struct dead_letters *d, const char *trace_id, struct params *params,
                 listing_cb *done, void *arg)
{
    struct trace *t = xcalloc(1, sizeof(*t));
    const json_t *source = params->source ? dead_letters_source(d, params->source) : NULL;
    t->d = d;
    t->params = params;
    t->trace_id = xstrdup(trace_id ? trace_id : "");
    t->source = xstrdup(params->source ? params->source : "");
    t->event_id = xstrdup(params->event_id ? params->event_id : "");
    t->errors = json_array();
    t->done = done;
    t->arg = arg;
    if (source && params->event_id) {
        const struct ledger_key key = {.destination = conf_str(source, "destination"),
                                       .source = params->source,
                                       .event_id = params->event_id};
        t->ledger_id = ledger_id(&key);
        read_record(t);
    } else {
        search(t);
    }
}

#include "common/delivery/deadletter.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/xalloc.h"
#include "common/webhook/webhook.h"

struct deadletter {
    struct sqs_attribute *list; /* own array; strings borrowed from the message but for ours */
    size_t count;
    char *text; /* own: our JSON, NULL where it had no room */
    bool cut;
};

/* A text of unknown origin: what is not UTF-8 is shown by its ASCII part. */
static json_t *text_json(const char *text)
{
    json_t *value = json_string(text);
    if (value)
        return value;
    char *ascii = xstrdup(text);
    for (char *c = ascii; *c; c++)
        if ((unsigned char)*c >= 0x80)
            *c = '?';
    value = json_string(ascii);
    free(ascii);
    return value;
}

static json_t *time_json(int64_t wall_ms)
{
    char text[CLOCK_TEXT_BYTES];
    clock_rfc3339(wall_ms, text);
    return json_string(text);
}

static json_t *attempt_json(const struct deadletter_attempt *a)
{
    json_t *out = json_object();
    json_object_set_new(out, "at", time_json(a->at_ms));
    json_object_set_new(out, "attempt", json_integer(a->attempt));
    json_object_set_new(out, "error", text_json(a->error));
    json_object_set_new(out, "status", json_integer(a->status));
    json_object_set_new(out, "ms", json_integer(a->took_ms));
    return out;
}

json_t *deadletter_reason_json(const struct deadletter_reason *r)
{
    json_t *out = json_object();
    json_t *attempts = r->history ? json_loads(r->history, 0, NULL) : NULL;
    if (!json_is_array(attempts)) {
        json_decref(attempts);
        attempts = json_array();
    }
    for (size_t i = 0; i < r->attempt_count; i++)
        json_array_append_new(attempts, attempt_json(&r->attempts[i]));
    json_object_set_new(out, "v", json_integer(1));
    json_object_set_new(out, "trace_id", text_json(r->trace_id));
    json_object_set_new(out, "source", text_json(r->source));
    json_object_set_new(out, "event_id", text_json(r->event_id));
    json_object_set_new(out, "error", text_json(r->error));
    json_object_set_new(out, "error_class", text_json(r->error_class));
    json_object_set_new(out, "failed_at", time_json(r->failed_at_ms));
    json_object_set_new(out, "first_failed_at", time_json(r->first_failed_at_ms));
    json_object_set_new(out, "received_at", time_json(r->received_at_ms));
    json_object_set_new(out, "retry_count", json_integer(r->retry_count));
    json_object_set_new(out, "attempts", attempts);
    return out;
}

json_t *deadletter_inspection_json(const struct deadletter_inspection *i)
{
    json_t *out = json_object();
    json_object_set_new(out, "v", json_integer(1));
    json_object_set_new(out, "source", text_json(i->source));
    json_object_set_new(out, "queue", text_json(i->queue));
    json_object_set_new(out, "message_id", text_json(i->message_id));
    json_object_set_new(out, "reason", text_json(i->reason));
    json_object_set_new(out, "at", time_json(i->at_ms));
    json_object_set_new(out, "trace_id", text_json(i->trace_id));
    return out;
}

static void add(struct deadletter *d, const struct sqs_attribute *a)
{
    d->list[d->count++] = *a;
}

/* All attributes of the message but an older one of ours. */
static void keep_all(struct deadletter *d, const char *name, const struct sqs_message *m)
{
    d->count = 0;
    for (size_t i = 0; i < m->attribute_count; i++)
        if (strcmp(m->attributes[i].name, name) != 0)
            add(d, &m->attributes[i]);
}

/* Moves them into the JSON, but for `Sluice`, without which a redriven copy could not be read. */
static void pack_into(struct deadletter *d, json_t *json)
{
    json_t *packed = json_object();
    size_t kept = 0;
    for (size_t i = 0; i < d->count; i++) {
        const struct sqs_attribute *a = &d->list[i];
        if (strcmp(a->name, WEBHOOK_ATTRIBUTE) == 0) {
            d->list[kept++] = *a;
            continue;
        }
        json_t *one = json_object();
        json_object_set_new(one, "type", text_json(a->type));
        json_object_set_new(one, "value", text_json(a->value));
        json_object_set_new(packed, a->name, one);
    }
    d->count = kept;
    json_object_set_new(json, "attributes", packed);
}

/* Writes the JSON anew; whether it fits beside what the message has already. */
static bool fits(struct deadletter *d, const char *name, const json_t *json,
                 const struct sqs_message *m, size_t limit)
{
    free(d->text);
    /* Escapes everything beyond ASCII: some characters that JSON allows SQS refuses. */
    d->text = json_dumps(json, JSON_COMPACT | JSON_ENSURE_ASCII);
    d->list[d->count] = (struct sqs_attribute){.name = name, .type = "String", .value = d->text};
    const struct sqs_outgoing out = {.body = m->body,
                                     .body_len = m->body_len,
                                     .attributes = d->list,
                                     .attribute_count = d->count + 1};
    return d->text && sqs_message_bytes(&out) <= limit;
}

/* One step of giving up; false where nothing is left to give. */
static bool cut_once(json_t *json)
{
    static const char *const texts[] = {"error", "reason"};
    static const char *const spared[] = {"v",      "cut",         "trace_id",
                                         "source", "error_class", "attributes"};
    json_object_set_new(json, "cut", json_true());
    json_t *attempts = json_object_get(json, "attempts");
    if (json_array_size(attempts) > 0)
        return json_array_remove(attempts, 0) == 0;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        const char *text = json_string_value(json_object_get(json, texts[i]));
        if (!text || !*text)
            continue;
        char *half = xstrdup(text);
        size_t len = strlen(half) / 2;
        while (len > 0 && ((unsigned char)half[len] & 0xc0) == 0x80)
            len--;
        half[len] = '\0';
        json_object_set_new(json, texts[i], json_string(half));
        free(half);
        return true;
    }
    size_t before = json_object_size(json);
    void *next;
    const char *key;
    json_t *value;
    json_object_foreach_safe(json, next, key, value)
    {
        bool keep = false;
        for (size_t i = 0; i < sizeof(spared) / sizeof(spared[0]); i++)
            keep = keep || strcmp(key, spared[i]) == 0;
        if (!keep)
            json_object_del(json, key);
    }
    return json_object_size(json) < before;
}

struct deadletter *deadletter_new(const char *name, json_t *json, const struct sqs_message *m,
                                  size_t limit)
{
    struct deadletter *d = xcalloc(1, sizeof(*d));
    d->list = xcalloc(m->attribute_count + 1, sizeof(*d->list));
    keep_all(d, name, m);
    if (d->count + 1 > SQS_USER_ATTRIBUTES_MAX) {
        d->cut = true;
        json_object_set_new(json, "cut", json_true());
        pack_into(d, json);
    }
    bool fit = fits(d, name, json, m, limit);
    while (!fit && cut_once(json)) {
        d->cut = true;
        fit = fits(d, name, json, m, limit);
    }
    if (fit) {
        d->count++;
        return d;
    }
    d->cut = true;
    free(d->text);
    d->text = NULL;
    d->count = 0;
    for (size_t i = 0; i < m->attribute_count; i++)
        add(d, &m->attributes[i]);
    return d;
}

void deadletter_free(struct deadletter *d)
{
    if (!d)
        return;
    free(d->list);
    free(d->text);
    free(d);
}

const struct sqs_attribute *deadletter_attributes(const struct deadletter *d, size_t *count_out)
{
    *count_out = d->count;
    return d->list;
}

bool deadletter_is_cut(const struct deadletter *d)
{
    return d->cut;
}

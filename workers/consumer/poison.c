#include "workers/consumer/poison.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/xalloc.h"
#include "common/webhook/base64.h"

bool poison_is(const struct sqs_message *m, int kills, int max_receives)
{
    bool is_last_receive = max_receives > 0 && m->receive_count >= max_receives;
    return kills >= POISON_KILLS || (kills > 0 && is_last_receive);
}

static const char *attribute_text(const struct sqs_message *m)
{
    for (size_t i = 0; i < m->attribute_count; i++)
        if (strcmp(m->attributes[i].name, WEBHOOK_ATTRIBUTE) == 0)
            return m->attributes[i].value;
    return "";
}

/* The text between `"name":"` and the next quote (malloc), a copy of fallback where it is empty or
 * has an escape. Inside of a value the opening could only stand with escapes. */
static char *member(const char *text, const char *name, const char *fallback)
{
    char *opening = xasprintf("\"%s\":\"", name);
    const char *at = strstr(text, opening);
    size_t opening_len = strlen(opening);
    free(opening);
    size_t len = at ? strcspn(at + opening_len, "\"\\") : 0;
    if (len == 0 || at[opening_len + len] != '"')
        return xstrdup(fallback);
    return xasprintf("%.*s", (int)len, at + opening_len);
}

static void take_trace(struct webhook *h, const char *text)
{
    char *trace = member(text, "trace", "");
    size_t len = strlen(trace);
    if (len > 0 && len < sizeof(h->trace_id) &&
        strspn(trace, "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-_") == len)
        strcpy(h->trace_id, trace);
    free(trace);
}

static void take_body(struct webhook *h, const struct sqs_message *m, const char *text)
{
    struct buf body = {0};
    char *encoding = member(text, "enc", "raw");
    if (strcmp(encoding, "base64") != 0 || !base64_decode(m->body, m->body_len, &body))
        buf_append(&body, m->body, strcmp(encoding, "empty") == 0 ? 0 : m->body_len);
    free(encoding);
    h->body_len = body.len;
    h->body = buf_steal(&body);
}

struct webhook *poison_webhook(const struct sqs_message *m, const char *source, const char *queue)
{
    const char *text = attribute_text(m);
    struct webhook *h = xcalloc(1, sizeof(*h));
    webhook_derived_trace(queue, m->id, h->trace_id);
    take_trace(h, text);
    h->source = member(text, "source", source);
    h->event_id = member(text, "event_id", h->trace_id);
    h->content_type = member(text, "ct", "");
    h->schema_version = member(text, "sv", "");
    h->received_at_ms = m->sent_at_ms;
    take_body(h, m, text);
    return h;
}

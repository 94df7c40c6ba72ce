#include "workers/consumer/copy.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/fault.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "common/delivery/deadletter.h"
#include "common/delivery/ledger_record.h"
#include "common/webhook/webhook.h"
#include "workers/consumer/source.h"

#define FIRST_PAUSE_MS 500
#define LONGEST_PAUSE_MS 30000
#define DELAY_MAX_S 900

struct copy {
    struct event_base *base;    /* borrow */
    struct work *work;          /* borrow: it frees us before it leaves */
    struct queue *to;           /* borrow */
    struct deadletter *letter;  /* own, or NULL */
    struct sqs_attribute *list; /* own, or NULL: of a retry; strings borrowed from the message */
    size_t list_count;
    char retry_count[16];
    char *deduplication_id; /* own, or NULL: of a letter */
    struct buf identity;    /* `Sluice` of a retry, where the message has none */
    int64_t at_mono_ms;     /* when it is to be visible; 0: at once */
    struct event *timer;    /* own: the next try */
    uint64_t call;          /* 0: none under way */
    int pause_ms;
    const char *before, *after; /* fault points, or NULL */
    copy_cb *done;
    void *arg;
};

static void try_later(struct copy *c)
{
    const struct timeval pause = {.tv_sec = c->pause_ms / 1000,
                                  .tv_usec = c->pause_ms % 1000 * 1000};
    evtimer_add(c->timer, &pause);
    c->pause_ms = c->pause_ms * 2 < LONGEST_PAUSE_MS ? c->pause_ms * 2 : LONGEST_PAUSE_MS;
}

static void on_sent(void *arg, const struct aws_reply *reply,
                    const struct sqs_entry_result *results, size_t count)
{
    struct copy *c = arg;
    c->call = 0;
    if (!results || count != 1 || !results[0].ok) {
        bool whole = !results || count != 1;
        const struct aws_reply of_entry = {.class = whole ? reply->class : results[0].class,
                                           .code = whole ? reply->code : results[0].code,
                                           .message = whole ? reply->message : results[0].message};
        queues_failed(c->to, QUEUE_SEND, "a copy could not be sent, trying again",
                      whole ? reply : &of_entry);
        if (whole && reply->class == AWS_MISSING)
            queues_lost(c->to);
        try_later(c);
        return;
    }
    if (c->after)
        fault_point(c->after);
    queues_worked(c->to, QUEUE_SEND);
    c->done(c->arg, c->work);
}

/* Whole seconds, rounded up: never visible too early. */
static int delay_s(const struct copy *c)
{
    int64_t left_ms = c->at_mono_ms ? c->at_mono_ms - clock_mono_ms() : 0;
    int64_t seconds = (left_ms + 999) / 1000;
    return seconds <= 0 ? 0 : seconds > DELAY_MAX_S ? DELAY_MAX_S : (int)seconds;
}

static void send_copy(struct copy *c)
{
    static const struct sqs_options options = {
        .timeout_ms = 5000, .deadline_ms = 10000, .max_attempts = 2};
    const struct sqs_message *m = &c->work->message;
    bool is_fifo = c->to->attributes.is_fifo;
    struct sqs_outgoing out = {.body = m->body,
                               .body_len = m->body_len,
                               .attributes = c->list,
                               .attribute_count = c->list_count,
                               .delay_s = delay_s(c),
                               .group = is_fifo && !m->group ? c->work->source->name : m->group,
                               .deduplication_id = is_fifo ? c->deduplication_id : NULL};
    if (c->letter)
        out.attributes = deadletter_attributes(c->letter, &out.attribute_count);
    c->call =
        sqs_send_batch(c->to->client, c->to->endpoint, c->to->url, &out, 1, &options, on_sent, c);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct copy *c = arg;
    struct work *w = c->work;
    if (!c->to->url || (c->before && fault_point(c->before))) {
        try_later(c);
        return;
    }
    inflight_begin(w->inflight, w);
    send_copy(c);
    inflight_end(w->inflight);
}

static struct copy *start(struct event_base *base, struct work *w, struct queue *to, copy_cb *done,
                          void *arg)
{
    const struct timeval now = {0};
    struct copy *c = xcalloc(1, sizeof(*c));
    c->base = base;
    c->work = w;
    c->to = to;
    c->pause_ms = FIRST_PAUSE_MS;
    c->done = done;
    c->arg = arg;
    c->timer = evtimer_new(base, on_timer, c);
    evtimer_add(c->timer, &now);
    return c;
}

/* What a message on that queue may have in bytes. */
static size_t limit_of(const struct queue *q)
{
    int64_t known = q->attributes.max_message_bytes;
    return known > 0 ? (size_t)known : SQS_MESSAGE_BYTES;
}

/* The same for each copy of one round of an event, whichever of its messages it is made from. Where
 * there is no claim nothing is known of rounds, and the message stands for itself. */
static char *deduplication_of(const struct work *w)
{
    char *text = w->claim
                     ? xasprintf("%s-%lld", w->hook->trace_id, (long long)w->record->failed_at_ms)
                     : xstrdup(w->message.id);
    char *id = sqs_group_id(text, strlen(text));
    free(text);
    return id;
}

struct copy *copy_start(struct event_base *base, struct work *w, struct queue *to,
                        const char *attribute, json_t *json, const char *before, const char *after,
                        copy_cb *done, void *arg)
{
    struct copy *c = start(base, w, to, done, arg);
    c->deduplication_id = deduplication_of(w);
    c->before = before;
    c->after = after;
    c->letter = deadletter_new(attribute, json, &w->message, limit_of(to));
    if (deadletter_is_cut(c->letter))
        log_warn("message %s of queue \"%s\": SQS's limits left no room for all of %s",
                 w->message.id, w->queue->name, attribute);
    json_decref(json);
    return c;
}

/* `Sluice` for the copy of a message that others put on the queue. The copy has another MessageId
 * and send time, from which the event's id, trace and age would be taken anew without it. Empty
 * where the message has one; false where the body could not stay as it is beside it. */
static bool add_identity(const struct work *w, struct buf *out)
{
    const struct sqs_message *m = &w->message;
    struct buf body = {0};
    for (size_t i = 0; i < m->attribute_count; i++)
        if (strcmp(m->attributes[i].name, WEBHOOK_ATTRIBUTE) == 0)
            return true;
    webhook_to_message(w->hook, &body, out);
    bool same = body.len == m->body_len && memcmp(body.data, m->body, body.len) == 0;
    buf_free(&body);
    return same;
}

/* The attributes of a retry's copy (malloc); retry_count and identity are borrowed. */
static struct sqs_attribute *retry_list(const struct sqs_message *m, const char *retry_count,
                                        const struct buf *identity, size_t *count_out)
{
    struct sqs_attribute *list = xcalloc(m->attribute_count + 2, sizeof(*list));
    size_t count = 0;
    for (size_t i = 0; i < m->attribute_count; i++)
        if (strcmp(m->attributes[i].name, COPY_RETRY_COUNT) != 0)
            list[count++] = m->attributes[i];
    list[count++] = (struct sqs_attribute){COPY_RETRY_COUNT, "Number", retry_count};
    if (identity->len > 0)
        list[count++] = (struct sqs_attribute){WEBHOOK_ATTRIBUTE, "String", identity->data};
    *count_out = count;
    return list;
}

bool copy_retry_fits(const struct work *w, int seq)
{
    const struct sqs_message *m = &w->message;
    struct buf identity = {0};
    char text[16];
    size_t count;
    if (w->queue->attributes.is_fifo)
        return false;
    snprintf(text, sizeof(text), "%d", seq);
    bool fits = add_identity(w, &identity);
    struct sqs_attribute *list = retry_list(m, text, &identity, &count);
    const struct sqs_outgoing out = {
        .body = m->body, .body_len = m->body_len, .attributes = list, .attribute_count = count};
    fits =
        fits && count <= SQS_USER_ATTRIBUTES_MAX && sqs_message_bytes(&out) <= limit_of(w->queue);
    free(list);
    buf_free(&identity);
    return fits;
}

struct copy *copy_start_retry(struct event_base *base, struct work *w, int seq, int64_t at_mono_ms,
                              const char *after, copy_cb *done, void *arg)
{
    if (!copy_retry_fits(w, seq))
        return NULL;
    struct copy *c = start(base, w, w->queue, done, arg);
    c->after = after;
    c->at_mono_ms = at_mono_ms;
    snprintf(c->retry_count, sizeof(c->retry_count), "%d", seq);
    (void)add_identity(w, &c->identity); /* it fits */
    c->list = retry_list(&w->message, c->retry_count, &c->identity, &c->list_count);
    return c;
}

bool copy_is_sending(const struct copy *c)
{
    return c->call != 0;
}

void copy_free(struct copy *c)
{
    if (!c)
        return;
    if (c->call)
        aws_cancel(c->to->client, c->call);
    event_free(c->timer);
    deadletter_free(c->letter);
    free(c->deduplication_id);
    free(c->list);
    buf_free(&c->identity);
    free(c);
}

/* Life of an event here: WAITING (in `waiting`, or in `alone` once a batch has refused it) ->
 * SENDING -> confirmed, or PAUSED -> `alone` -> SENDING again. Its timer runs to the deadline,
 * while PAUSED to the end of the pause if that is earlier. A deadline that passes while SENDING
 * answers the event and leaves the memory to the send, which still borrows it. */
#include "workers/ingest/enqueue.h"

#include <assert.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "common/aws/limiter.h"
#include "common/aws/obstacle.h"
#include "common/base/clock.h"
#include "common/base/fault.h"
#include "common/base/log.h"
#include "common/base/log_rate.h"
#include "common/base/noise.h"
#include "common/base/xalloc.h"
#include "workers/ingest/sending.h"

#define FIRST_PAUSE_MS 20
#define LONGEST_PAUSE_MS 500
#define CALL_PAUSE_MS 50 /* after a call that failed as a whole */
#define CALL_ATTEMPTS 20 /* aws_call's own retries end at the deadline, not at a number */
#define TOLD_EVERY_MS 1000
#define ATTEMPT_MS 5000 /* one attempt; longer deadlines get another */

enum state { WAITING, SENDING, PAUSED };

struct item {
    TAILQ_ENTRY(item) link; /* in waiting or alone, by state and refused */
    struct enqueue *queue;  /* borrow: owns us */
    struct enqueue_message message;
    struct sqs_attribute attributes[ENQUEUE_ATTRIBUTES_MAX]; /* borrows message's */
    size_t bytes;
    enum state state;
    bool refused; /* by a batch: goes alone from now on */
    bool answered;
    int pause_ms;
    int64_t deadline_mono_ms;
    struct event *timer; /* own */
    enqueue_done *done;
    void *arg;
};
TAILQ_HEAD(items, item);

struct send {
    LIST_ENTRY(send) link; /* in sends */
    struct enqueue *queue; /* borrow: owns us */
    uint64_t id;           /* of the call */
    struct sqs_outgoing outgoing[SQS_BATCH_MAX];
    struct item *items[SQS_BATCH_MAX]; /* own while SENDING */
    size_t count;
};
LIST_HEAD(sends, send);

struct enqueue {
    struct event_base *base;        /* borrow: outlives us */
    struct enqueue_options options; /* members borrowed */
    char *url;                      /* own; NULL until known */
    struct items waiting;
    struct items alone;
    struct items paused;
    struct sends sends;
    size_t send_count;    /* of sends; at most ENQUEUE_SENDS_MAX */
    size_t waiting_count; /* of waiting */
    size_t waiting_bytes;
    size_t message_bytes;   /* the largest that the queue takes */
    size_t pending;         /* items not answered */
    struct limiter limiter; /* of sends at once */
    struct sending sending;
    struct log_rate told; /* of calls that failed */
    int64_t quiet_until_mono_ms;
    struct event *quiet; /* own: pumps when the quiet time is over */
    struct enqueue_stats stats;
};

const struct enqueue_calls enqueue_sqs = {.send_batch = sqs_send_batch, .cancel = aws_cancel};

static void pump(struct enqueue *q);

static void arm(struct event *timer, int64_t at_mono_ms)
{
    int64_t left = at_mono_ms - clock_mono_ms();
    if (left < 0)
        left = 0;
    struct timeval tv = {.tv_sec = left / 1000, .tv_usec = left % 1000 * 1000};
    evtimer_add(timer, &tv);
}

static void item_free(struct item *it)
{
    if (it->timer)
        event_free(it->timer);
    free(it->message.body);
    for (size_t i = 0; i < it->message.attribute_count; i++)
        free(it->message.attributes[i].value);
    free(it->message.group);
    free(it->message.deduplication_id);
    free(it);
}

/* The one place that answers. */
static void answer(struct item *it, bool stored)
{
    assert(!it->answered);
    it->answered = true;
    it->queue->pending--;
    evtimer_del(it->timer);
    it->done(it->arg, stored);
}

static void push(struct item *it)
{
    struct enqueue *q = it->queue;
    it->state = WAITING;
    if (it->refused) {
        TAILQ_INSERT_TAIL(&q->alone, it, link);
        return;
    }
    TAILQ_INSERT_TAIL(&q->waiting, it, link);
    q->waiting_count++;
    q->waiting_bytes += it->bytes;
}

static void unlink_item(struct item *it)
{
    struct enqueue *q = it->queue;
    if (it->state == PAUSED) {
        TAILQ_REMOVE(&q->paused, it, link);
    } else if (it->refused) {
        TAILQ_REMOVE(&q->alone, it, link);
    } else {
        TAILQ_REMOVE(&q->waiting, it, link);
        q->waiting_count--;
        q->waiting_bytes -= it->bytes;
    }
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct item *it = arg;
    struct enqueue *q = it->queue;
    if (clock_mono_ms() >= it->deadline_mono_ms) {
        if (it->state != SENDING)
            unlink_item(it);
        sending_failed(&q->sending, clock_mono_ms(), "");
        answer(it, false);
        if (it->state != SENDING)
            item_free(it);
        return;
    }
    arm(it->timer, it->deadline_mono_ms);
    if (it->state == PAUSED) {
        unlink_item(it);
        push(it);
        pump(q);
    }
}

/* Whether a call that failed with this class may succeed if it is made again. */
static bool may_work_later(enum aws_class class)
{
    return class == AWS_THROTTLED || class == AWS_TRANSIENT || class == AWS_EXPIRED ||
           class == AWS_SKEW || class == AWS_NO_KEY || class == AWS_MISSING;
}

static void pause_item(struct item *it)
{
    it->state = PAUSED;
    it->refused = true;
    it->pause_ms = it->pause_ms ? it->pause_ms * 2 : FIRST_PAUSE_MS;
    if (it->pause_ms > LONGEST_PAUSE_MS)
        it->pause_ms = LONGEST_PAUSE_MS;
    TAILQ_INSERT_TAIL(&it->queue->paused, it, link);
    int64_t until = clock_mono_ms() + it->pause_ms;
    arm(it->timer, until < it->deadline_mono_ms ? until : it->deadline_mono_ms);
}

static void be_quiet(struct enqueue *q, int64_t until_mono_ms)
{
    q->quiet_until_mono_ms = until_mono_ms;
    arm(q->quiet, until_mono_ms);
}

/* Fewer sends, and full ones: what was throttled waits with the others for its turn. */
static void throttled(struct enqueue *q)
{
    if (limiter_throttled(&q->limiter, clock_mono_ms(), noise_bits())) {
        q->stats.throttled++;
        be_quiet(q, q->limiter.not_before_ms);
    }
}

static void note_entry(struct enqueue *q, const struct sqs_entry_result *result)
{
    if (result->ok) {
        limiter_worked(&q->limiter, clock_mono_ms());
        sending_worked(&q->sending);
        return;
    }
    q->stats.entries_failed++;
    if (!result->sender_fault)
        sending_failed(&q->sending, clock_mono_ms(), result->message);
    if (result->class == AWS_THROTTLED)
        throttled(q);
}

/* Logs it, and returns what is in the way without the queue's name, for health (malloc). */
static char *tell(struct enqueue *q, size_t count, const struct aws_reply *reply)
{
    char *what = xasprintf("queue \"%s\"", q->options.name);
    char *key = xasprintf("queues.%s", q->options.name);
    char *failure = xasprintf("sending %zu events failed", count);
    const struct obstacle_object object = {what, key, "ingest", q->options.endpoint->region};
    char *text = obstacle_failure(&object, "sqs:SendMessage", failure, reply);
    int64_t left_out;
    if (log_rate_due(&q->told, clock_mono_ms(), TOLD_EVERY_MS, &left_out))
        log_warn("%s lines_left_out=%lld", text, (long long)left_out);
    memmove(text, text + strlen(what) + 2, strlen(text + strlen(what) + 2) + 1);
    free(failure);
    free(key);
    free(what);
    return text;
}

static void settle_entry(struct item *it, const struct sqs_entry_result *result)
{
    struct enqueue *q = it->queue;
    note_entry(q, result);
    if (result->ok && it->answered)
        q->stats.late++;
    if (result->ok || it->answered) {
        if (!it->answered)
            answer(it, true);
        item_free(it);
    } else if (result->class == AWS_THROTTLED) {
        push(it);
    } else if (!result->sender_fault && result->class != AWS_DENIED &&
               result->class != AWS_TOO_LARGE) {
        pause_item(it);
    } else {
        const struct aws_reply reply = {
            .class = result->class, .code = result->code, .message = result->message};
        free(tell(q, 1, &reply));
        answer(it, false);
        item_free(it);
    }
}

/* The call failed as a whole: nothing of it was confirmed. */
static void settle_failed_call(struct enqueue *q, struct send *s, enum aws_class class)
{
    for (size_t i = 0; i < s->count; i++) {
        struct item *it = s->items[i];
        if (it->answered) {
            item_free(it);
        } else if (may_work_later(class)) {
            push(it);
        } else if (class != AWS_DENIED && s->count > 1) {
            pause_item(it); /* one of them may be what the service refuses: each alone */
        } else {
            answer(it, false);
            item_free(it);
        }
    }
    if (class == AWS_THROTTLED)
        throttled(q);
    else
        be_quiet(q, clock_mono_ms() + CALL_PAUSE_MS);
}

static void on_sent(void *arg, const struct aws_reply *reply,
                    const struct sqs_entry_result *results, size_t count)
{
    struct send *s = arg;
    struct enqueue *q = s->queue;
    (void)fault_point("ingest.after_send");
    LIST_REMOVE(s, link);
    q->send_count--;
    if (reply->class == AWS_OK && results) {
        assert(count == s->count);
        for (size_t i = 0; i < s->count; i++)
            settle_entry(s->items[i], &results[i]);
    } else {
        char *why = tell(q, s->count, reply);
        sending_failed(&q->sending, clock_mono_ms(), why);
        free(why);
        if (reply->class == AWS_MISSING) {
            free(q->url);
            q->url = NULL;
        }
        settle_failed_call(q, s, reply->class);
        if (!q->url && q->options.missing)
            q->options.missing(q->options.missing_arg);
    }
    free(s);
    pump(q);
}

static void take(struct send *s, struct item *it)
{
    unlink_item(it);
    it->state = SENDING;
    s->outgoing[s->count] = (struct sqs_outgoing){.body = it->message.body,
                                                  .body_len = it->message.body_len,
                                                  .attributes = it->attributes,
                                                  .attribute_count = it->message.attribute_count,
                                                  .group = it->message.group,
                                                  .deduplication_id = it->message.deduplication_id};
    s->items[s->count++] = it;
}

static struct send *gather(struct enqueue *q)
{
    struct send *s = xcalloc(1, sizeof(*s));
    s->queue = q;
    struct item *it = TAILQ_FIRST(&q->alone);
    if (it) {
        take(s, it);
        return s;
    }
    size_t bytes = 0;
    while (s->count < SQS_BATCH_MAX && (it = TAILQ_FIRST(&q->waiting)) &&
           bytes + it->bytes <= SQS_BATCH_BYTES) {
        bytes += it->bytes;
        take(s, it);
    }
    return s;
}

/* One send is always allowed; more of them only for what fills a batch or must go alone. */
static bool should_send(const struct enqueue *q)
{
    int64_t now = clock_mono_ms();
    if (!q->url || q->send_count >= (size_t)limiter_room(&q->limiter, now) ||
        q->quiet_until_mono_ms > now)
        return false;
    if (!TAILQ_EMPTY(&q->alone))
        return true;
    if (TAILQ_EMPTY(&q->waiting))
        return false;
    return q->send_count == 0 || q->waiting_count >= SQS_BATCH_MAX ||
           q->waiting_bytes > SQS_BATCH_BYTES;
}

static void start(struct enqueue *q)
{
    struct send *s = gather(q);
    int64_t latest = 0;
    for (size_t i = 0; i < s->count; i++)
        if (s->items[i]->deadline_mono_ms > latest)
            latest = s->items[i]->deadline_mono_ms;
    int64_t left = latest - clock_mono_ms();
    if (left < 1)
        left = 1;
    struct sqs_options o = {.timeout_ms = left < ATTEMPT_MS ? left : ATTEMPT_MS,
                            .deadline_ms = left,
                            .max_attempts =
                                limiter_is_slow(&q->limiter, clock_mono_ms()) ? 1 : CALL_ATTEMPTS};
    LIST_INSERT_HEAD(&q->sends, s, link);
    q->send_count++;
    q->stats.sends++;
    s->id = q->options.calls->send_batch(q->options.client, q->options.endpoint, q->url,
                                         s->outgoing, s->count, &o, on_sent, s);
}

static void pump(struct enqueue *q)
{
    while (should_send(q))
        start(q);
}

static void on_quiet_over(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct enqueue *q = arg;
    int64_t until = q->limiter.not_before_ms > q->quiet_until_mono_ms ? q->limiter.not_before_ms
                                                                      : q->quiet_until_mono_ms;
    if (clock_mono_ms() < until) { /* timers may be a little early, and nobody else comes back */
        arm(q->quiet, until);
        return;
    }
    q->quiet_until_mono_ms = 0;
    pump(q);
}

struct enqueue *enqueue_new(struct event_base *base, const struct enqueue_options *options)
{
    struct enqueue *q = xcalloc(1, sizeof(*q));
    q->base = base;
    q->options = *options;
    q->message_bytes = SQS_MESSAGE_BYTES;
    q->quiet = evtimer_new(base, on_quiet_over, q);
    limiter_init(&q->limiter, ENQUEUE_SENDS_MAX);
    TAILQ_INIT(&q->waiting);
    TAILQ_INIT(&q->alone);
    TAILQ_INIT(&q->paused);
    LIST_INIT(&q->sends);
    return q;
}

static void free_items(struct items *list)
{
    struct item *it;
    while ((it = TAILQ_FIRST(list))) {
        TAILQ_REMOVE(list, it, link);
        item_free(it);
    }
}

void enqueue_free(struct enqueue *q)
{
    if (!q)
        return;
    struct send *s;
    while ((s = LIST_FIRST(&q->sends))) {
        q->options.calls->cancel(q->options.client, s->id);
        for (size_t i = 0; i < s->count; i++)
            item_free(s->items[i]);
        LIST_REMOVE(s, link);
        free(s);
    }
    free_items(&q->waiting);
    free_items(&q->alone);
    free_items(&q->paused);
    event_free(q->quiet);
    free(q->url);
    free(q);
}

void enqueue_set_url(struct enqueue *q, const char *url)
{
    free(q->url);
    q->url = xstrdup(url);
    pump(q);
}

void enqueue_set_limit(struct enqueue *q, size_t message_bytes)
{
    q->message_bytes = message_bytes;
}

size_t enqueue_limit(const struct enqueue *q)
{
    return q->message_bytes;
}

void enqueue_add(struct enqueue *q, struct enqueue_message *message, int64_t deadline_mono_ms,
                 enqueue_done *done, void *arg)
{
    struct item *it = xcalloc(1, sizeof(*it));
    it->queue = q;
    it->message = *message;
    *message = (struct enqueue_message){0};
    for (size_t i = 0; i < it->message.attribute_count; i++)
        it->attributes[i] = (struct sqs_attribute){.name = it->message.attributes[i].name,
                                                   .type = "String",
                                                   .value = it->message.attributes[i].value};
    struct sqs_outgoing o = {.body = it->message.body,
                             .body_len = it->message.body_len,
                             .attributes = it->attributes,
                             .attribute_count = it->message.attribute_count};
    it->bytes = sqs_message_bytes(&o);
    assert(it->bytes <= SQS_MESSAGE_BYTES);
    it->deadline_mono_ms = deadline_mono_ms;
    it->done = done;
    it->arg = arg;
    it->timer = evtimer_new(q->base, on_timer, it);
    arm(it->timer, deadline_mono_ms);
    q->pending++;
    push(it);
    pump(q);
}

size_t enqueue_pending(const struct enqueue *q)
{
    return q->pending;
}

const struct enqueue_stats *enqueue_stats(const struct enqueue *q)
{
    return &q->stats;
}

int64_t enqueue_failing_ms(const struct enqueue *q, const char **error_out)
{
    *error_out = q->sending.error;
    return sending_bad_ms(&q->sending, clock_mono_ms());
}

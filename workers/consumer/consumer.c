#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/aws/endpoint.h"
#include "common/aws/table_open.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "common/conf/conf.h"
#include "common/ipc/inflight_table.h"
#include "common/ipc/message.h"
#include "common/delivery/errands.h"
#include "workers/consumer/held.h"
#include "workers/consumer/inflight.h"
#include "workers/consumer/objects.h"
#include "workers/consumer/permissions.h"
#include "workers/consumer/poller.h"
#include "workers/consumer/process.h"
#include "workers/consumer/settler.h"
#include "workers/consumer/source.h"
#include "workers/permissions.h"
#include "workers/worker.h"

/* The consumer: works events off from SQS. This is the role: start, readiness, drain, beat. What
 * becomes of a message is in process.c. */

#define READY_MS 3000
#define DEADLINE_MARGIN_MS 1500

struct consumer {
    struct worker *worker;        /* borrow */
    struct endpoint *s3;          /* own: of the dead letters */
    struct endpoint *dynamodb;    /* own: of the ledger */
    struct queues *queues;        /* own */
    struct errands *errands;      /* own */
    struct sources *sources;      /* own */
    struct inflight *inflight;    /* own */
    struct inflight_table *table; /* own: what outlives us of it */
    struct delivery_groups groups;
    struct settler *settler;     /* own */
    struct opening *table_open;  /* own, while the ledger's table is being opened */
    struct objects *objects;     /* own, or NULL */
    struct held *held;           /* own */
    struct process *process;     /* own */
    struct poller *poller;       /* own */
    struct event *ready_timer;   /* own */
    struct event *drain_timer;   /* own */
    struct event *drained_event; /* own */
    struct event *held_event;    /* own */
    struct counters counters;
    bool ready;
    bool draining;
};

static void on_gone(void *arg)
{
    struct consumer *c = arg;
    if (!c->draining)
        poller_kick(c->poller);
    else if (inflight_count(c->inflight) == 1) /* this one, removed right after */
        event_active(c->drained_event, 0, 0);
}

static void on_messages(void *arg, struct queue *q, const struct sqs_message *messages,
                        size_t count, int visibility_s, int64_t first_byte_mono_ms)
{
    struct consumer *c = arg;
    process_messages(c->process, q, messages, count, visibility_s, first_byte_mono_ms);
}

/* ---- the in-flight table, and those of others ---- */

static _Atomic pid_t *group_place(void *arg)
{
    struct consumer *c = arg;
    return inflight_table_group_place(c->table);
}

static void use_table(struct consumer *c)
{
    c->table = inflight_table_map(WORKER_FD_INFLIGHT);
    if (!c->table) {
        log_error("descriptor %d is no in-flight table: what this worker holds when it dies comes "
                  "back no sooner than its visibility timeout",
                  WORKER_FD_INFLIGHT);
        return;
    }
    c->groups = (struct delivery_groups){group_place, c};
    inflight_use_table(c->inflight, c->table);
    sources_note_groups(c->sources, &c->groups);
}

static void on_settled(void *arg, int64_t table)
{
    struct consumer *c = arg;
    json_t *msg = message_new("settled");
    json_object_set_new(msg, "table", json_integer(table));
    worker_send(c->worker, msg);
}

static void consumer_handed(void *state, const json_t *msg, int fd)
{
    struct consumer *c = state;
    const char *worker = json_string_value(json_object_get(msg, "worker"));
    if (strcmp(message_kind(msg), "settle") == 0)
        settler_take(c->settler, json_integer_value(json_object_get(msg, "table")),
                     worker ? worker : "a consumer", fd);
    else
        close(fd);
}

/* ---- what is held back ---- */

static void on_held_changed(void *arg)
{
    struct consumer *c = arg;
    event_active(c->held_event, 0, 0);
}

/* In a turn of its own: what has changed it may be the end of a delivery. */
static void on_held(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct consumer *c = arg;
    process_hold(c->process);
    poller_kick(c->poller);
}

static void on_held_send(void *arg, json_t *msg)
{
    struct consumer *c = arg;
    worker_send(c->worker, msg);
}

static enum poller_mode on_mode(void *arg, const struct queue *q)
{
    struct consumer *c = arg;
    return held_mode(c->held, q);
}

static void on_swept(void *arg, const struct queue *q, size_t count)
{
    struct consumer *c = arg;
    held_swept(c->held, q, count);
}

static void on_polled(void *arg, const struct queue *q, const struct poller_result *result)
{
    struct consumer *c = arg;
    held_polled(c->held, q, result);
}

static void on_slow_down(void *arg, const char *queue, int64_t pause_ms)
{
    struct consumer *c = arg;
    poller_slow_down(c->poller, queue, pause_ms);
}

/* One of the consumers sweeps. SLUICE_FAULT_SWEEP_MS is for tests. */
static int64_t sweep_ms(const struct worker *w)
{
    const char *text = getenv("SLUICE_FAULT_SWEEP_MS");
    bool is_first = json_integer_value(json_object_get(worker_process(w), "slot")) == 0;
    int64_t ms = text ? strtoll(text, NULL, 10) : HELD_SWEEP_MS;
    return is_first ? ms : 0;
}

static struct held *open_held(struct consumer *c)
{
    const struct held_options options = {
        .base = worker_base(c->worker),
        .sources = c->sources,
        .inflight = c->inflight,
        .sweep_ms = sweep_ms(c->worker),
        .send = on_held_send,
        .changed = on_held_changed,
        .slow_down = on_slow_down,
        .arg = c,
    };
    return held_new(&options);
}

/* ---- queues and start ---- */

static void become_ready(struct consumer *c)
{
    if (c->ready)
        return;
    c->ready = true;
    worker_ready(c->worker);
}

static void on_advice(void *arg, const char *text)
{
    struct consumer *c = arg;
    worker_note(c->worker, "%s", text);
}

static void look_ready(struct consumer *c)
{
    /* One of them says it for all. */
    bool is_first = json_integer_value(json_object_get(worker_process(c->worker), "slot")) == 0;
    if (is_first && queues_all_known(c->queues))
        sources_advise(c->sources, on_advice, c);
    bool stored = !c->objects || objects_open(c->objects);
    if (queues_all_known(c->queues) && !c->table_open && stored)
        become_ready(c);
}

static void on_queue_ready(void *arg, struct queue *q)
{
    struct consumer *c = arg;
    sources_limit_age(c->sources, q);
    if (q->read && !c->draining)
        poller_kick(c->poller);
    look_ready(c);
}

static void on_bucket_ready(void *arg)
{
    look_ready(arg);
}

static void on_table_ready(void *arg)
{
    struct consumer *c = arg;
    opening_free(c->table_open);
    c->table_open = NULL;
    look_ready(c);
}

static void on_trouble(void *arg, const char *text)
{
    struct consumer *c = arg;
    worker_trouble(c->worker, "%s", text);
}

static void on_ready_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    become_ready(arg);
}

/* ---- drain ---- */

static void on_drained(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct consumer *c = arg;
    if (inflight_count(c->inflight) == 0 && poller_active(c->poller) == 0 &&
        !errands_drain(c->errands))
        worker_drained(c->worker);
}

static void on_polls_ended(void *arg)
{
    struct consumer *c = arg;
    event_active(c->drained_event, 0, 0);
}

static void on_acknowledged(void *arg)
{
    struct consumer *c = arg;
    if (c->draining)
        event_active(c->drained_event, 0, 0);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct consumer *c = arg;
    log_warn("drain deadline: %zu messages are cancelled and released, %d polls given up",
             inflight_count(c->inflight), poller_active(c->poller));
    poller_cancel(c->poller);
    process_release(c->process, true);
    event_active(c->drained_event, 0, 0);
}

static void consumer_drain(void *state, int64_t deadline_mono_ms)
{
    struct consumer *c = state;
    c->draining = true;
    bool polling = !poller_stop(c->poller);
    process_release(c->process, false);
    if (!polling && inflight_count(c->inflight) == 0) {
        event_active(c->drained_event, 0, 0);
        return;
    }
    int64_t left = deadline_mono_ms - clock_mono_ms();
    left = left > 2 * DEADLINE_MARGIN_MS ? left - DEADLINE_MARGIN_MS : left > 0 ? left / 2 : 0;
    const struct timeval tv = {.tv_sec = left / 1000, .tv_usec = left % 1000 * 1000};
    evtimer_add(c->drain_timer, &tv);
}

/* ---- the role ---- */

static void consumer_free(struct consumer *c)
{
    opening_free(c->table_open);
    process_free(c->process);
    poller_free(c->poller);
    settler_free(c->settler);
    held_free(c->held);
    inflight_free(c->inflight);
    objects_free(c->objects);
    sources_free(c->sources);
    errands_free(c->errands);
    queues_free(c->queues);
    inflight_table_unmap(c->table);
    endpoint_free(c->dynamodb);
    endpoint_free(c->s3);
    free(c);
}

static void open_ledger_and_bucket(struct consumer *c, const json_t *conf)
{
    struct event_base *base = worker_base(c->worker);
    struct aws_client *aws = worker_aws(c->worker);
    if (sources_use_ledger(c->sources))
        c->table_open = table_open_start(base, aws, endpoint_aws(c->dynamodb), "consumer",
                                         conf_str(conf, "ledger.table"), on_table_ready, c);
    if (sources_use_s3(c->sources))
        c->objects =
            objects_new(base, aws, endpoint_aws(c->s3), conf_str(conf, "dead_letters.bucket"),
                        conf_str(conf, "dead_letters.prefix"), on_bucket_ready, on_trouble, c);
}

static void *consumer_start(struct worker *w)
{
    static const struct queues_callbacks queue_callbacks = {on_queue_ready, on_trouble};
    static const struct process_callbacks process_callbacks = {on_gone, on_trouble};
    static const struct poller_callbacks poller_callbacks = {on_messages, on_polls_ended, on_mode,
                                                             on_swept, on_polled};
    const json_t *conf = worker_conf(w);
    struct event_base *base = worker_base(w);
    struct consumer *c = xcalloc(1, sizeof(*c));
    c->worker = w;
    c->inflight = inflight_new();
    c->s3 = endpoint_new(conf, conf_str(conf, "dead_letters.service"), "s3");
    c->dynamodb = endpoint_new(conf, conf_str(conf, "ledger.service"), "dynamodb");
    c->queues = queues_new(base, worker_aws(w), conf, &queue_callbacks, c);
    c->errands =
        errands_new(base, conf_value(conf, "sources"), worker_tokens(w), on_acknowledged, c);
    const struct sources_means means = {.client = worker_aws(w),
                                        .ledger = endpoint_aws(c->dynamodb),
                                        .errands = c->errands,
                                        .tokens = worker_tokens(w)};
    c->sources = c->errands ? sources_new(base, conf, c->queues, &means) : NULL;
    if (!c->sources) {
        consumer_free(c);
        return NULL;
    }
    use_table(c);
    open_ledger_and_bucket(c, conf);
    c->held_event = event_new(base, -1, 0, on_held, c);
    c->held = open_held(c);
    c->process = process_new(base, c->queues, c->sources, c->inflight, c->objects, c->held,
                             &c->counters, &process_callbacks, c);
    c->poller =
        poller_new(base, c->queues, c->sources, c->inflight,
                   (int)conf_int(conf, "consumer.in_flight"), &c->counters, &poller_callbacks, c);
    c->settler = settler_new(base, c->queues, c->sources, &c->counters, on_settled, c);
    c->ready_timer = evtimer_new(base, on_ready_timer, c);
    c->drain_timer = evtimer_new(base, on_deadline, c);
    c->drained_event = event_new(base, -1, 0, on_drained, c);
    const struct timeval patience = {.tv_sec = READY_MS / 1000};
    evtimer_add(c->ready_timer, &patience);
    queues_start(c->queues);
    return c;
}

static void consumer_beat(void *state, json_t *beat)
{
    const struct consumer *c = state;
    const struct counters *n = &c->counters;
    const struct acknowledge_counters acknowledged = errands_counters(c->errands);
    const struct {
        const char *name;
        int64_t value;
    } list[] = {
        {"received", n->received},
        {"delivered", n->delivered},
        {"retried", n->retried},
        {"dead", n->dead},
        {"malformed", n->malformed},
        {"extended", n->extended},
        {"released", n->released},
        {"deleted", n->deleted},
        {"expired", n->expired},
        {"delete_failed", n->delete_failed},
        {"lost", n->lost},
        {"polls", n->polls},
        {"throttled", n->throttled},
        {"duplicates", n->duplicates},
        {"key_conflict", n->key_conflict},
        {"deferred", n->deferred},
        {"held_back", n->held_back},
        {"requeued", n->requeued},
        {"claims_lost", n->claims_lost},
        {"ledger_unreachable", n->unreachable},
        {"settled", n->settled},
        {"acknowledged", acknowledged.acknowledged},
        {"acknowledge_failed", acknowledged.failed},
    };
    json_t *counters = json_object();
    for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++)
        json_object_set_new(counters, list[i].name, json_integer(list[i].value));
    json_t *waiting = json_array();
    queues_waiting(c->queues, waiting);
    if (c->table_open)
        json_array_append_new(waiting, json_string(opening_waiting(c->table_open)));
    if (c->objects)
        objects_waiting(c->objects, waiting);
    process_waiting(c->process, waiting);
    json_object_set_new(beat, "in_flight", json_integer((json_int_t)inflight_count(c->inflight)));
    json_object_set_new(beat, "counters", counters);
    json_object_set_new(beat, "gauges",
                        json_pack("{s:i,s:i,s:i}", "polls", poller_active(c->poller),
                                  "paused_sources", (int)held_paused(c->held), "gates",
                                  (int)held_gates(c->held)));
    json_object_set_new(beat, "waiting", waiting);
}

static void consumer_message(void *state, const json_t *msg)
{
    const struct consumer *c = state;
    held_take(c->held, msg);
}

static bool consumer_healthy(void *state, char *reason, size_t reason_size)
{
    const struct consumer *c = state;
    return poller_healthy(c->poller, reason, reason_size);
}

static void consumer_check(void *state, struct checkup *checkup)
{
    struct consumer *c = state;
    const json_t *conf = worker_conf(c->worker);
    for (size_t i = 0; i < queues_count(c->queues); i++)
        permissions_of_queue(checkup, queues_at(c->queues, i));
    if (c->objects)
        permissions_bucket(checkup, endpoint_aws(c->s3), conf_str(conf, "dead_letters.bucket"),
                           conf_str(conf, "dead_letters.prefix"));
    if (sources_use_ledger(c->sources))
        permissions_table(checkup, endpoint_aws(c->dynamodb), conf_str(conf, "ledger.table"));
}

static const char *consumer_object(void *state, const char *path, bool *open_out)
{
    const struct consumer *c = state;
    if (strncmp(path, "queues.", 7) == 0)
        return queues_error(c->queues, path + 7, open_out);
    if (strcmp(path, "dead_letters") == 0) {
        *open_out = !c->objects || objects_open(c->objects);
        return c->objects ? objects_error(c->objects) : NULL;
    }
    *open_out = !c->table_open;
    return opening_error(c->table_open);
}

int main(int argc, char **argv)
{
    static const struct worker_role role = {
        .name = "consumer",
        .start = consumer_start,
        .drain = consumer_drain,
        .beat = consumer_beat,
        .healthy = consumer_healthy,
        .handed = consumer_handed,
        .object = consumer_object,
        .check = consumer_check,
        .message = consumer_message,
    };
    return worker_main(argc, argv, &role);
}

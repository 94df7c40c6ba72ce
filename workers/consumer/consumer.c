#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/aws/endpoint.h"
#include "common/base/clock.h"
#include "common/base/fault.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "common/conf/conf.h"
#include "common/webhook/event_id.h"
#include "workers/consumer/inflight.h"
#include "workers/consumer/lease.h"
#include "workers/consumer/poller.h"
#include "workers/consumer/route.h"
#include "workers/consumer/settle.h"
#include "workers/consumer/source.h"
#include "workers/worker.h"

/* The consumer: works events off from SQS. A message goes through received -> routed -> delivered
 * -> settled, each step a function below; whatever way it takes, it leaves through settle.c.
 * Attempts are the message's receives. */

#define READY_MS 3000
#define DEADLINE_MARGIN_MS 1500

struct consumer {
    struct worker *worker;       /* borrow */
    struct endpoint *endpoint;   /* own: of the embedded store */
    struct queues *queues;       /* own */
    struct sources *sources;     /* own */
    struct inflight *inflight;   /* own */
    struct lease *lease;         /* own */
    struct settle *settle;       /* own */
    struct poller *poller;       /* own */
    struct event *ready_timer;   /* own */
    struct event *drain_timer;   /* own */
    struct event *drained_event; /* own */
    struct counters counters;
    bool ready;
    bool draining;
};

/* What a callback of one delivery needs. */
struct attempt {
    struct consumer *consumer;
    struct work *work; /* borrow: it cannot leave while it is delivered, but by a cancel */
};

static void kill_if_fault(const char *point)
{
    if (fault_point(point))
        log_warn("fault point %s", point);
}

/* ---- settled ---- */

static void on_gone(void *arg, struct work *w)
{
    struct consumer *c = arg;
    (void)w;
    if (!c->draining)
        poller_kick(c->poller);
    else if (inflight_count(c->inflight) == 1) /* this one, removed right after */
        event_active(c->drained_event, 0, 0);
}

static void die(struct consumer *c, struct work *w, const struct route *route, int attempts,
                const struct delivery_outcome *outcome)
{
    const struct settle_death death = {.class = route->class,
                                       .error = route->reason,
                                       .attempts = attempts,
                                       .status = outcome ? outcome->status : 0,
                                       .took_ms = outcome ? outcome->took_ms : 0};
    if (strcmp(route->class, "expired") == 0)
        c->counters.expired++;
    settle_dead(c->settle, w, &death);
}

/* ---- delivered ---- */

static void on_outcome(void *arg, const struct delivery_outcome *outcome)
{
    struct attempt *attempt = arg;
    struct consumer *c = attempt->consumer;
    struct work *w = attempt->work;
    int n = w->message.receive_count;
    struct route route;
    free(attempt);
    w->attempt = NULL;
    w->delivery = NULL;
    if (outcome->verdict == DELIVERED) {
        log_info("event delivered trace=%s source=%s attempt=%d ms=%lld", w->hook->trace_id,
                 w->hook->source, n, (long long)outcome->took_ms);
        settle_delivered(c->settle, w);
        return;
    }
    route_failed(w->source, w->hook, n, outcome, clock_mono_ms() - w->received_mono_ms, &route);
    if (route.action == ROUTE_DEAD) {
        die(c, w, &route, n, outcome);
        return;
    }
    log_info("event retried trace=%s source=%s attempt=%d delay_s=%d status=%d: %s",
             w->hook->trace_id, w->hook->source, n, route.delay_s, outcome->status, outcome->error);
    settle_retry(c->settle, w, route.delay_s);
}

static void deliver(struct consumer *c, struct work *w)
{
    struct attempt *attempt = xcalloc(1, sizeof(*attempt));
    attempt->consumer = c;
    attempt->work = w;
    kill_if_fault("consumer.before_deliver");
    w->attempt = attempt;
    w->stage = WORK_DELIVERING;
    w->delivery = delivery_start(w->source->destination, w->hook, w->message.receive_count,
                                 on_outcome, attempt);
}

static void cancel_delivery(struct work *w)
{
    delivery_cancel(w->delivery);
    free(w->attempt);
    w->delivery = NULL;
    w->attempt = NULL;
}

/* ---- received ---- */

/* The event in a message, with its id and trace where it did not come through our ingest. */
static void read_event(struct consumer *c, struct work *w, char *reason, size_t reason_size)
{
    const char *queue = w->queue->name;
    w->source = sources_of_queue(c->sources, w->queue, NULL);
    if (w->message.damaged)
        return;
    w->hook = webhook_from_message(&w->message, w->source->name, queue, reason, reason_size);
    if (!w->hook)
        return;
    w->source = sources_of_queue(c->sources, w->queue, w->hook->source);
    if (*w->hook->event_id)
        return;
    free(w->hook->event_id);
    w->hook->event_id = event_id_of(w->source->conf, NULL, NULL, w->hook->body, w->hook->body_len,
                                    w->hook->trace_id);
    if (strcmp(w->hook->event_id, w->hook->trace_id) != 0)
        webhook_derived_trace(queue, w->hook->event_id, w->hook->trace_id);
}

static void on_message(void *arg, struct queue *q, const struct sqs_message *message,
                       int visibility_s, int64_t first_byte_mono_ms)
{
    struct consumer *c = arg;
    char malformed[256] = "";
    struct route route;
    struct work *w = inflight_add(c->inflight, q, message);
    lease_begin(c->lease, w, visibility_s, first_byte_mono_ms);
    if (c->draining) { /* the answer of a poll that was under way */
        settle_release(c->settle, w);
        return;
    }
    read_event(c, w, malformed, sizeof(malformed));
    route_received(w->source, &w->message, w->hook, malformed, clock_wall_ms(), &route);
    switch (route.action) {
    case ROUTE_INSPECT:
        settle_inspect(c->settle, w, route.reason);
        break;
    case ROUTE_DEAD:
        die(c, w, &route, w->message.receive_count - 1, NULL);
        break;
    default:
        deliver(c, w);
    }
}

/* ---- leases ---- */

static void on_lease_lost(void *arg, struct work *w)
{
    struct consumer *c = arg;
    c->counters.lost++;
    if (w->stage != WORK_DELIVERING) {
        settle_lease_lost(c->settle, w);
        return;
    }
    cancel_delivery(w);
    on_gone(c, w);
    inflight_remove(c->inflight, w);
}

static void on_lease_stopped(void *arg, struct work *w)
{
    struct consumer *c = arg;
    settle_lease_stopped(c->settle, w);
}

/* ---- queues and start ---- */

static void become_ready(struct consumer *c)
{
    if (c->ready)
        return;
    c->ready = true;
    worker_ready(c->worker);
}

static void on_queue_ready(void *arg, struct queue *q)
{
    struct consumer *c = arg;
    if (q->read && !c->draining)
        poller_kick(c->poller);
    if (queues_all_known(c->queues))
        become_ready(c);
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
    if (inflight_count(c->inflight) == 0 && poller_active(c->poller) == 0)
        worker_drained(c->worker);
}

static void on_polls_ended(void *arg)
{
    struct consumer *c = arg;
    event_active(c->drained_event, 0, 0);
}

/* Messages whose delivery has not begun go back at once; at the deadline all do. */
static void release(struct consumer *c, bool begun_too)
{
    struct work *w, *next;
    for (w = inflight_first(c->inflight); w; w = next) {
        next = TAILQ_NEXT(w, link);
        if (w->stage == WORK_DELIVERING && (begun_too || delivery_waiting(w->delivery))) {
            cancel_delivery(w);
            settle_release(c->settle, w);
        } else if (begun_too) {
            settle_give_up(c->settle, w);
        }
    }
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct consumer *c = arg;
    log_warn("drain deadline: %zu messages are cancelled and released",
             inflight_count(c->inflight));
    release(c, true);
}

static void consumer_drain(void *state, int64_t deadline_mono_ms)
{
    struct consumer *c = state;
    c->draining = true;
    bool polling = !poller_stop(c->poller);
    release(c, false);
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
    settle_free(c->settle);
    lease_free(c->lease);
    poller_free(c->poller);
    inflight_free(c->inflight);
    sources_free(c->sources);
    queues_free(c->queues);
    endpoint_free(c->endpoint);
    free(c);
}

static void *consumer_start(struct worker *w)
{
    static const struct queues_callbacks queue_callbacks = {on_queue_ready, on_trouble};
    static const struct lease_callbacks lease_callbacks = {on_lease_lost, on_lease_stopped};
    static const struct poller_callbacks poller_callbacks = {on_message, on_polls_ended};
    const json_t *conf = worker_conf(w);
    struct event_base *base = worker_base(w);
    struct consumer *c = xcalloc(1, sizeof(*c));
    c->worker = w;
    c->inflight = inflight_new();
    c->endpoint = endpoint_new(conf, "embedded", "sqs");
    c->queues = queues_new(base, worker_aws(w), endpoint_aws(c->endpoint), &queue_callbacks, c);
    c->sources = sources_new(base, conf, c->queues);
    if (!c->sources) {
        consumer_free(c);
        return NULL;
    }
    c->lease = lease_new(base, c->queues, c->inflight, &c->counters, &lease_callbacks, c);
    c->settle = settle_new(base, c->queues, c->inflight, c->lease, &c->counters, on_gone, c);
    c->poller =
        poller_new(base, c->queues, c->sources, c->inflight,
                   (int)conf_int(conf, "consumer.in_flight"), &c->counters, &poller_callbacks, c);
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
    const struct {
        const char *name;
        int64_t value;
    } list[] = {
        {"received", n->received},   {"delivered", n->delivered},
        {"retried", n->retried},     {"dead", n->dead},
        {"malformed", n->malformed}, {"extended", n->extended},
        {"released", n->released},   {"deleted", n->deleted},
        {"expired", n->expired},     {"delete_failed", n->delete_failed},
        {"lost", n->lost},           {"polls", n->polls},
    };
    json_t *counters = json_object();
    for (size_t i = 0; i < sizeof(list) / sizeof(list[0]); i++)
        json_object_set_new(counters, list[i].name, json_integer(list[i].value));
    json_t *waiting = json_array();
    queues_waiting(c->queues, waiting);
    json_object_set_new(beat, "in_flight", json_integer((json_int_t)inflight_count(c->inflight)));
    json_object_set_new(beat, "counters", counters);
    json_object_set_new(beat, "gauges", json_pack("{s:i}", "polls", poller_active(c->poller)));
    json_object_set_new(beat, "waiting", waiting);
}

static bool consumer_healthy(void *state, char *reason, size_t reason_size)
{
    const struct consumer *c = state;
    return poller_healthy(c->poller, reason, reason_size);
}

int main(int argc, char **argv)
{
    static const struct worker_role role = {
        .name = "consumer",
        .start = consumer_start,
        .drain = consumer_drain,
        .beat = consumer_beat,
        .healthy = consumer_healthy,
    };
    return worker_main(argc, argv, &role);
}

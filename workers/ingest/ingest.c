/* The ingest worker: webhooks in over HTTP, out to SQS, answered once they are there. This file
 * wires its rooms: source (what is configured), intake (what happens to a request), queues and
 * enqueue (the way to SQS). */
#include <assert.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "common/conf/conf.h"
#include "workers/http_server.h"
#include "workers/ingest/intake.h"
#include "workers/ingest/queues.h"
#include "workers/ingest/source.h"
#include "workers/worker.h"

#define READY_AFTER_S 3    /* ready without the queues: they are waited for, visibly */
#define DRAIN_GRACE_MS 200 /* for idle keep-alive connections */
#define DRAIN_LOOK_MS 20
#define HEADERS_BYTES 16384

struct ingest {
    struct worker *worker; /* borrow: owns the loop */
    struct source_list sources;
    struct queues *queues;      /* own */
    struct intake *intake;      /* own */
    struct http_server *server; /* own */
    struct event *ready_timer;  /* own */
    struct event *drain_timer;  /* own; looks whether the last connection is gone */
    bool ready;
};

static void say_ready(struct ingest *in)
{
    if (in->ready)
        return;
    in->ready = true;
    evtimer_del(in->ready_timer);
    worker_ready(in->worker);
}

static void on_queues_known(void *arg)
{
    say_ready(arg);
}

static void on_ready_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    say_ready(arg);
}

static void on_trouble(void *arg, const char *text)
{
    struct ingest *in = arg;
    worker_trouble(in->worker, "%s", text);
}

static void on_drain_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct ingest *in = arg;
    if (http_server_connections(in->server) == 0 && http_server_pending(in->server) == 0) {
        worker_drained(in->worker);
        return;
    }
    struct timeval tv = {.tv_usec = DRAIN_LOOK_MS * 1000};
    evtimer_add(in->drain_timer, &tv);
}

static struct http_server *make_server(struct ingest *in, const json_t *conf)
{
    struct http_server_options o = {
        .max_headers_bytes = HEADERS_BYTES,
        .max_body_bytes = in->sources.max_body_bytes,
        .max_connections = (int)conf_int(conf, "ingest.max_connections"),
        .max_pending = (int)conf_int(conf, "ingest.max_pending"),
        .max_held_bytes = (size_t)conf_int(conf, "ingest.max_held_mib") << 20,
        .request_deadline_ms = (int)conf_int(conf, "ingest.request_deadline_ms"),
        .idle_timeout_s = (int)conf_int(conf, "ingest.idle_timeout_s"),
        .retry_after_s = (int)conf_int(conf, "ingest.retry_after_s"),
    };
    return http_server_new(worker_base(in->worker), &o, intake_request, in->intake);
}

static int accept_all(void *state)
{
    struct ingest *in = state;
    for (size_t i = 0; i < worker_listener_count(in->worker); i++) {
        struct worker_listener l = worker_listener_at(in->worker, i);
        if (http_server_listen(in->server, l.fd, l.address) != 0)
            return -1;
    }
    return 0;
}

static void *start(struct worker *w)
{
    const json_t *conf = worker_conf(w);
    struct ingest *in = xcalloc(1, sizeof(*in));
    in->worker = w;
    in->ready_timer = evtimer_new(worker_base(w), on_ready_timer, in);
    in->drain_timer = evtimer_new(worker_base(w), on_drain_timer, in);
    source_list_load(&in->sources, conf);
    in->queues = queues_new(worker_base(w), worker_aws(w), conf, on_queues_known, in);
    struct intake_options o = {.conf = conf,
                               .sources = &in->sources,
                               .queues = in->queues,
                               .trouble = on_trouble,
                               .arg = in};
    in->intake = intake_new(&o);
    in->server = make_server(in, conf);
    intake_set_server(in->intake, in->server);
    struct timeval tv = {.tv_sec = queues_waiting(in->queues, NULL) ? READY_AFTER_S : 0};
    evtimer_add(in->ready_timer, &tv);
    return in;
}

static void drain(void *state, int64_t deadline_mono_ms)
{
    (void)deadline_mono_ms; /* every pending request has a deadline of its own, and the skeleton
                               ends us */
    struct ingest *in = state;
    http_server_drain(in->server, DRAIN_GRACE_MS);
    struct timeval now = {0};
    evtimer_add(in->drain_timer, &now);
}

static void beat(void *state, json_t *msg)
{
    struct ingest *in = state;
    json_t *counters = json_object();
    json_t *waiting = json_array();
    struct enqueue_stats sent = queues_stats(in->queues);
    intake_count(in->intake, counters);
    json_object_set_new(counters, "sends", json_integer(sent.sends));
    json_object_set_new(counters, "entries_failed", json_integer(sent.entries_failed));
    json_object_set_new(counters, "throttled", json_integer(sent.throttled));
    json_object_set_new(counters, "late", json_integer(sent.late));
    queues_waiting(in->queues, waiting);
    size_t pending = http_server_pending(in->server);
    json_object_set_new(msg, "in_flight", json_integer((json_int_t)pending));
    json_object_set_new(msg, "counters", counters);
    json_object_set_new(msg, "gauges",
                        json_pack("{s:I, s:I}", "connections",
                                  (json_int_t)http_server_connections(in->server), "queued",
                                  (json_int_t)queues_pending(in->queues)));
    json_object_set_new(msg, "waiting", waiting);
}

static bool healthy(void *state, char *reason, size_t reason_size)
{
    const struct ingest *in = state;
    json_t *waiting = json_array();
    bool ok = queues_waiting(in->queues, waiting) == 0;
    if (!ok)
        snprintf(reason, reason_size, "%s", json_string_value(json_array_get(waiting, 0)));
    json_decref(waiting);
    return ok && !queues_failing(in->queues, reason, reason_size);
}

static void check(void *state, struct checkup *c)
{
    const struct ingest *in = state;
    queues_check(in->queues, c);
}

static const char *object(void *state, const char *path, bool *open_out)
{
    const struct ingest *in = state;
    *open_out = true;
    return strncmp(path, "queues.", 7) == 0 ? queues_error(in->queues, path + 7, open_out) : NULL;
}

int main(int argc, char **argv)
{
    static const struct worker_role role = {.name = "ingest",
                                            .start = start,
                                            .drain = drain,
                                            .beat = beat,
                                            .healthy = healthy,
                                            .accept = accept_all,
                                            .object = object,
                                            .check = check};
    return worker_main(argc, argv, &role);
}

/* The retry role: its listener with the API of dead letters, the console and a health answer. */
#include <assert.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/xalloc.h"
#include "common/conf/conf.h"
#include "common/delivery/errands.h"
#include "common/ipc/message.h"
#include "workers/gatekeeper.h"
#include "workers/http_server.h"
#include "workers/retry/api.h"
#include "workers/retry/console.h"
#include "workers/retry/counts.h"
#include "workers/retry/dead_letters.h"
#include "workers/retry/held.h"
#include "workers/retry/host_check.h"
#include "workers/retry/overview.h"
#include "workers/retry/redrive.h"
#include "workers/retry/reply.h"
#include "workers/worker.h"

#define READY_MS 3000       /* ready then, whatever the queues do */
#define DRAIN_GRACE_MS 2000 /* for keep-alive clients to come back and be told to go */
#define DRAIN_LOOK_MS 50
#define TROUBLE_BYTES 768

struct retry {
    struct worker *worker;             /* borrowed: the process's */
    struct http_server *server;        /* own */
    struct counts *counts;             /* own */
    struct dead_letters *dead_letters; /* own */
    struct gatekeeper *gates;          /* own */
    struct redriver *redriver;         /* own */
    struct api *api;                   /* own */
    struct event *ready;               /* own: the latest moment */
    struct event *drained;             /* own: looks whether all are gone */
    int64_t started_ms;
    bool queues_open, letters_open, is_ready;
};

static json_t *waiting(const struct retry *r)
{
    json_t *texts = counts_waiting(r->counts);
    dead_letters_waiting(r->dead_letters, texts);
    return texts;
}

/* What the page calls trouble: something that is not open yet. */
static void trouble(const struct retry *r, char out[TROUBLE_BYTES])
{
    json_t *texts = waiting(r);
    const char *first = json_string_value(json_array_get(texts, 0));
    snprintf(out, TROUBLE_BYTES, "%s", first ? first : "");
    json_decref(texts);
}

static const struct counts_entry *count_of(const void *arg, const char *queue)
{
    return counts_of(arg, queue);
}

/* The first worker that is not well; "" where all are. */
static void first_trouble(const json_t *answer, char out[TROUBLE_BYTES])
{
    size_t i;
    json_t *worker;
    out[0] = '\0';
    json_array_foreach(json_object_get(answer, "workers"), i, worker)
    {
        const char *name = json_string_value(json_object_get(worker, "name"));
        const char *reason = json_string_value(json_object_get(worker, "reason"));
        if (name && reason && *reason && !*out)
            snprintf(out, TROUBLE_BYTES, "%s: %s", name, reason);
    }
}

static json_t *overview(void *arg, const json_t *answer, const char *why)
{
    const struct retry *r = arg;
    char text[TROUBLE_BYTES];
    trouble(r, text);
    if (!text[0] && answer)
        first_trouble(answer, text);
    else if (!text[0])
        snprintf(text, sizeof(text), "%s", why);
    json_t *held = answer ? held_list(worker_conf(r->worker), answer, clock_wall_ms()) : NULL;
    const struct overview o = {.conf = worker_conf(r->worker),
                               .trouble = text,
                               .uptime_s = (clock_mono_ms() - r->started_ms) / 1000,
                               .held = held,
                               .count = count_of,
                               .arg = r->counts};
    json_t *out = overview_json(&o);
    json_decref(held);
    return out;
}

static void answer_health(struct retry *r, struct http_ticket ticket)
{
    char why[TROUBLE_BYTES];
    trouble(r, why);
    bool healthy = why[0] == '\0';
    json_t *body = json_object();
    json_object_set_new(body, "status", json_string(healthy ? "ok" : "unavailable"));
    if (!healthy)
        json_object_set_new(body, "reason", reply_text(why));
    reply_json(r->server, ticket, healthy ? 200 : 503, body);
}

static void answer_public(struct retry *r, const struct http_request *request,
                          struct http_ticket ticket)
{
    const struct console_file *file = console_find(request->path);
    bool is_health = strcmp(request->path, "/healthz") == 0;
    struct reply_error error = {.status = 404, .text = "there is nothing at this path"};
    bool is_get = strcmp(request->method, "GET") == 0 || strcmp(request->method, "HEAD") == 0;
    if ((file || is_health) && !is_get) {
        error = (struct reply_error){
            .status = 405, .text = "this path takes GET", .header = {"Allow", "GET, HEAD"}};
        reply_error(r->server, ticket, &error);
    } else if (is_health) {
        answer_health(r, ticket);
    } else if (file) {
        reply_bytes(r->server, ticket, 200, file->content_type, file->data, file->len);
    } else {
        reply_error(r->server, ticket, &error);
    }
}

static void on_request(void *arg, const struct http_request *request, struct http_ticket ticket)
{
    static const struct reply_error misdirected = {
        .status = 421, .text = "this Host is not one of retry.listen; use the address"};
    struct retry *r = arg;
    const json_t *listen = conf_value(worker_conf(r->worker), "retry.listen");
    bool is_tcp = request->peer_uid == (uid_t)-1; /* no browser comes by the Unix socket */
    if (is_tcp && !host_check_allowed(http_request_header(request, "Host"), listen))
        reply_error(r->server, ticket, &misdirected);
    else if (strncmp(request->path, "/api/", 5) == 0 || strcmp(request->path, "/metrics") == 0)
        api_handle(r->api, request, ticket);
    else
        answer_public(r, request, ticket);
}

static void be_ready(struct retry *r)
{
    if (!r->is_ready)
        worker_ready(r->worker);
    r->is_ready = true;
}

static void on_queues(void *arg)
{
    struct retry *r = arg;
    r->queues_open = true;
    if (r->letters_open)
        be_ready(r);
}

static void on_letters(void *arg)
{
    struct retry *r = arg;
    r->letters_open = true;
    if (r->queues_open)
        be_ready(r);
}

static void on_advice(void *arg, const char *text)
{
    struct retry *r = arg;
    worker_note(r->worker, "%s", text);
}

static void on_ready_time(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    be_ready(arg);
}

static int accept_all(void *state)
{
    struct retry *r = state;
    for (size_t i = 0; i < worker_listener_count(r->worker); i++) {
        struct worker_listener l = worker_listener_at(r->worker, i);
        if (http_server_listen(r->server, l.fd, l.address) != 0)
            return -1;
    }
    return 0;
}

static void on_drain_look(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct retry *r = arg;
    if (http_server_pending(r->server) == 0 && http_server_connections(r->server) == 0 &&
        api_pending(r->api) == 0 && redriver_running(r->redriver) == 0 &&
        !errands_drain(r->dead_letters->errands))
        worker_drained(r->worker);
}

static void on_gate_send(void *arg, json_t *msg)
{
    struct retry *r = arg;
    worker_send(r->worker, msg);
}

/* Also while the redriver does not exist yet. */
static void on_gates_changed(void *arg)
{
    struct retry *r = arg;
    if (r->redriver)
        redriver_hold(r->redriver);
}

static void retry_message(void *state, const json_t *msg)
{
    struct retry *r = state;
    if (strcmp(message_kind(msg), "gate") == 0)
        gatekeeper_take(r->gates, msg, clock_mono_ms());
}

static void *retry_start(struct worker *w)
{
    static const struct gatekeeper_callbacks gate_callbacks = {on_gate_send, on_gates_changed};
    struct retry *r = xcalloc(1, sizeof(*r));
    const struct http_server_options options = {
        .max_headers_bytes = 8192,
        .max_body_bytes = 65536,
        .max_connections = (int)conf_int(worker_conf(w), "retry.max_connections"),
        .max_pending = (int)conf_int(worker_conf(w), "retry.max_connections"),
        .max_held_bytes = (size_t)4 * 1024 * 1024,
        .request_deadline_ms = 10000,
        .idle_timeout_s = 60,
        .retry_after_s = 5,
    };
    r->worker = w;
    r->started_ms = clock_mono_ms();
    r->server = http_server_new(worker_base(w), &options, on_request, r);
    r->ready = event_new(worker_base(w), -1, 0, on_ready_time, r);
    r->drained = event_new(worker_base(w), -1, EV_PERSIST, on_drain_look, r);
    assert(r->ready && r->drained);
    r->counts = counts_new(worker_base(w), worker_aws(w), worker_conf(w), on_queues, r);
    const struct dead_letters_callbacks callbacks = {on_letters, on_advice, r};
    r->dead_letters = dead_letters_new(worker_base(w), worker_aws(w), worker_conf(w),
                                       worker_tokens(w), &callbacks);
    if (!r->dead_letters)
        return NULL;
    r->gates = gatekeeper_new(&gate_callbacks, r);
    r->redriver = redriver_new(r->dead_letters, r->gates);
    const struct api_options api = {.server = r->server,
                                    .dead_letters = r->dead_letters,
                                    .redriver = r->redriver,
                                    .conf = worker_conf(w),
                                    .base = worker_base(w),
                                    .overview = overview,
                                    .arg = r};
    r->api = api_new(&api);
    struct timeval latest = {.tv_sec = READY_MS / 1000};
    event_add(r->ready, &latest);
    return r;
}

static void retry_check(void *state, struct checkup *c)
{
    const struct retry *r = state;
    counts_check(r->counts, c);
    dead_letters_check(r->dead_letters, c);
}

static const char *retry_object(void *state, const char *path, bool *open_out)
{
    const struct retry *r = state;
    if (strncmp(path, "queues.", 7) == 0)
        return counts_error(r->counts, path + 7, open_out);
    if (strcmp(path, "dead_letters") == 0)
        return dead_letters_bucket_error(r->dead_letters, open_out);
    return dead_letters_table_error(r->dead_letters, open_out);
}

static void retry_drain(void *state, int64_t deadline_mono_ms)
{
    struct retry *r = state;
    api_drain(r->api);
    redriver_drain(r->redriver, deadline_mono_ms);
    http_server_drain(r->server, DRAIN_GRACE_MS);
    struct timeval look = {.tv_usec = DRAIN_LOOK_MS * 1000L};
    event_add(r->drained, &look);
}

static void retry_beat(void *state, json_t *beat)
{
    const struct retry *r = state;
    const struct redrive_counters c = redriver_counters(r->redriver);
    const struct acknowledge_counters acknowledged = errands_counters(r->dead_letters->errands);
    json_object_set_new(beat, "in_flight",
                        json_integer((json_int_t)http_server_pending(r->server)));
    json_object_set_new(beat, "counters",
                        json_pack("{s:I,s:I,s:I,s:I,s:I}", "redriven", (json_int_t)c.redriven,
                                  "redrive_failed", (json_int_t)c.failed, "parked",
                                  (json_int_t)c.parked, "acknowledged",
                                  (json_int_t)acknowledged.acknowledged, "acknowledge_failed",
                                  (json_int_t)acknowledged.failed));
    json_object_set_new(beat, "gauges",
                        json_pack("{s:I,s:I}", "connections",
                                  (json_int_t)http_server_connections(r->server), "redrives",
                                  (json_int_t)redriver_running(r->redriver)));
    json_object_set_new(beat, "waiting", waiting(r));
}

static bool retry_healthy(void *state, char *reason, size_t reason_size)
{
    char why[TROUBLE_BYTES];
    trouble(state, why);
    snprintf(reason, reason_size, "%s", why);
    return why[0] == '\0';
}

int main(int argc, char **argv)
{
    static const struct worker_role role = {.name = "retry",
                                            .start = retry_start,
                                            .drain = retry_drain,
                                            .beat = retry_beat,
                                            .healthy = retry_healthy,
                                            .accept = accept_all,
                                            .object = retry_object,
                                            .message = retry_message,
                                            .check = retry_check};
    return worker_main(argc, argv, &role);
}

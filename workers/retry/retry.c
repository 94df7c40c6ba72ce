/* The retry role's listener: the status page and a health answer. */
#include <assert.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "common/conf/conf.h"
#include "workers/http_server.h"
#include "workers/retry/console.h"
#include "workers/retry/counts.h"
#include "workers/retry/host_check.h"
#include "workers/retry/page.h"
#include "workers/worker.h"

#define READY_MS 3000       /* ready then, whatever the queues do */
#define DRAIN_GRACE_MS 2000 /* for keep-alive clients to come back and be told to go */
#define DRAIN_LOOK_MS 50
#define TROUBLE_BYTES 256

struct retry {
    struct worker *worker;      /* borrowed: the process's */
    struct http_server *server; /* own */
    struct counts *counts;      /* own */
    struct event *ready;        /* own: the latest moment */
    struct event *drained;      /* own: looks whether all are gone */
    int64_t started_ms;
};

static const struct http_reply_header secured[] = {
    {"Content-Security-Policy", "default-src 'none'; style-src 'self'; base-uri 'none'; "
                                "form-action 'none'; frame-ancestors 'none'"},
    {"X-Content-Type-Options", "nosniff"},
    {"X-Frame-Options", "DENY"},
    {"Referrer-Policy", "no-referrer"},
    {"Cache-Control", "no-store"},
};

#define SECURED_COUNT (sizeof(secured) / sizeof(secured[0]))

static void answer(struct retry *r, struct http_ticket ticket, int status, const char *content_type,
                   const void *body, size_t len)
{
    struct http_reply reply = {.status = status,
                               .content_type = content_type,
                               .headers = secured,
                               .header_count = SECURED_COUNT,
                               .body = body,
                               .body_len = len};
    http_server_reply(r->server, ticket, &reply);
}

static void answer_json(struct retry *r, struct http_ticket ticket, int status, const char *text)
{
    answer(r, ticket, status, "application/json", text, strlen(text));
}

/* What the page calls trouble: a queue that is not open yet. */
static void trouble(const struct retry *r, char out[TROUBLE_BYTES])
{
    json_t *waiting = counts_waiting(r->counts);
    const char *first = json_string_value(json_array_get(waiting, 0));
    snprintf(out, TROUBLE_BYTES, "%s", first ? first : "");
    json_decref(waiting);
}

static const struct counts_entry *count_of(const void *arg, const char *queue)
{
    return counts_of(arg, queue);
}

static void answer_page(struct retry *r, struct http_ticket ticket)
{
    char why[TROUBLE_BYTES];
    struct buf html = {0};
    trouble(r, why);
    struct page page = {.conf = worker_conf(r->worker),
                        .trouble = why,
                        .uptime_s = (clock_mono_ms() - r->started_ms) / 1000,
                        .count = count_of,
                        .arg = r->counts};
    page_render(&page, &html);
    answer(r, ticket, 200, "text/html; charset=utf-8", html.data, html.len);
    buf_free(&html);
}

static void answer_health(struct retry *r, struct http_ticket ticket)
{
    char why[TROUBLE_BYTES];
    trouble(r, why);
    bool healthy = why[0] == '\0';
    json_t *body = json_pack("{s:s,s:s*}", "status", healthy ? "ok" : "unavailable", "reason",
                             healthy ? NULL : why);
    char *text = json_dumps(body, JSON_COMPACT);
    answer_json(r, ticket, healthy ? 200 : 503, text ? text : "{\"status\":\"unavailable\"}");
    free(text);
    json_decref(body);
}

static void answer_style(struct retry *r, struct http_ticket ticket)
{
    const struct console_file *file = console_find("/style.css");
    answer(r, ticket, 200, file->content_type, file->data, file->len);
}

static void answer_wrong_method(struct retry *r, struct http_ticket ticket)
{
    static const char body[] = "{\"error\":\"this path takes GET\"}";
    struct http_reply_header headers[SECURED_COUNT + 1];
    memcpy(headers, secured, sizeof(secured));
    headers[SECURED_COUNT] = (struct http_reply_header){"Allow", "GET, HEAD"};
    struct http_reply reply = {.status = 405,
                               .content_type = "application/json",
                               .headers = headers,
                               .header_count = SECURED_COUNT + 1,
                               .body = body,
                               .body_len = sizeof(body) - 1};
    http_server_reply(r->server, ticket, &reply);
}

static const struct {
    const char *path;
    void (*answer)(struct retry *r, struct http_ticket ticket);
} routes[] = {
    {"/", answer_page},
    {"/style.css", answer_style},
    {"/healthz", answer_health},
};

static void on_request(void *arg, const struct http_request *request, struct http_ticket ticket)
{
    struct retry *r = arg;
    const json_t *listen = conf_value(worker_conf(r->worker), "retry.listen");
    if (!host_check_allowed(http_request_header(request, "Host"), listen)) {
        answer_json(r, ticket, 421,
                    "{\"error\":\"this Host is not one of retry.listen; use the address\"}");
        return;
    }
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        if (strcmp(routes[i].path, request->path) != 0)
            continue;
        if (strcmp(request->method, "GET") == 0 || strcmp(request->method, "HEAD") == 0)
            routes[i].answer(r, ticket);
        else
            answer_wrong_method(r, ticket);
        return;
    }
    answer_json(r, ticket, 404, "{\"error\":\"there is nothing at this path\"}");
}

static void be_ready(void *arg)
{
    worker_ready(((struct retry *)arg)->worker);
}

static void on_ready_time(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    be_ready(arg);
}

static int listen_all(struct retry *r)
{
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
    if (http_server_pending(r->server) == 0 && http_server_connections(r->server) == 0)
        worker_drained(r->worker);
}

static void *retry_start(struct worker *w)
{
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
    r->counts = counts_new(worker_base(w), worker_aws(w), worker_conf(w), be_ready, r);
    struct timeval latest = {.tv_sec = READY_MS / 1000};
    event_add(r->ready, &latest);
    return listen_all(r) == 0 ? r : NULL;
}

static void retry_drain(void *state, int64_t deadline_mono_ms)
{
    (void)deadline_mono_ms;
    struct retry *r = state;
    http_server_drain(r->server, DRAIN_GRACE_MS);
    struct timeval look = {.tv_usec = DRAIN_LOOK_MS * 1000L};
    event_add(r->drained, &look);
}

static void retry_beat(void *state, json_t *beat)
{
    const struct retry *r = state;
    json_object_set_new(beat, "in_flight",
                        json_integer((json_int_t)http_server_pending(r->server)));
    json_object_set_new(
        beat, "gauges",
        json_pack("{s:I}", "connections", (json_int_t)http_server_connections(r->server)));
    json_object_set_new(beat, "waiting", counts_waiting(r->counts));
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
                                            .healthy = retry_healthy};
    return worker_main(argc, argv, &role);
}

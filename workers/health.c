#include "workers/health.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/xalloc.h"
#include "workers/http_server.h"
#include "workers/metrics.h"

#define PATH "/healthz"
#define METRICS_PATH "/metrics"

struct health {
    struct http_server *server; /* own */
    health_report *report;
    void *arg;
};

static const struct http_server_options limits = {
    .max_headers_bytes = 8192,
    .max_body_bytes = 1024,
    .max_connections = 32,
    .max_pending = 32,
    .max_held_bytes = (size_t)32 * 1024,
    .request_deadline_ms = 5000,
    .idle_timeout_s = 30,
    .retry_after_s = 1,
};

static void answer_report(struct health *h, struct http_ticket ticket)
{
    bool healthy = false;
    json_t *report = h->report(h->arg, &healthy);
    char *text = json_dumps(report, JSON_COMPACT);
    json_decref(report);
    http_server_reply_json(h->server, ticket, healthy ? 200 : 503, text ? text : "{}");
    free(text);
}

static void answer_metrics(struct health *h, struct http_ticket ticket)
{
    bool healthy = false;
    json_t *report = h->report(h->arg, &healthy);
    const char *state = json_string_value(json_object_get(report, "state"));
    struct metrics *m = metrics_new();
    const struct metrics_worker w = {
        .name = json_string_value(json_object_get(report, "worker")),
        .role = json_string_value(json_object_get(report, "role")),
        .up = state && strcmp(state, "ready") == 0,
        .healthy = healthy,
        .restarts = -1, /* only the supervisor counts them */
        .account = report,
    };
    metrics_add_worker(m, &w);
    char *text = metrics_text(m);
    struct http_reply reply = {.status = 200,
                               .content_type = METRICS_CONTENT_TYPE,
                               .body = text,
                               .body_len = strlen(text)};
    http_server_reply(h->server, ticket, &reply);
    free(text);
    metrics_free(m);
    json_decref(report);
}

static void on_request(void *arg, const struct http_request *request, struct http_ticket ticket)
{
    struct health *h = arg;
    bool is_metrics = strcmp(request->path, METRICS_PATH) == 0;
    if (!is_metrics && strcmp(request->path, PATH) != 0) {
        http_server_reply_json(h->server, ticket, 404,
                               "{\"error\":\"only " PATH " and " METRICS_PATH " are here\"}");
        return;
    }
    if (strcmp(request->method, "GET") == 0 || strcmp(request->method, "HEAD") == 0) {
        (is_metrics ? answer_metrics : answer_report)(h, ticket);
        return;
    }
    static const struct http_reply_header allow = {.name = "Allow", .value = "GET, HEAD"};
    static const char body[] = "{\"error\":\"this path takes GET\"}";
    struct http_reply reply = {.status = 405,
                               .content_type = "application/json",
                               .headers = &allow,
                               .header_count = 1,
                               .body = body,
                               .body_len = sizeof(body) - 1};
    http_server_reply(h->server, ticket, &reply);
}

struct health *health_new(struct event_base *base, int fd, health_report *report, void *arg)
{
    struct health *h = xcalloc(1, sizeof(*h));
    h->report = report;
    h->arg = arg;
    h->server = http_server_new(base, &limits, on_request, h);
    if (http_server_listen(h->server, fd, "health socket") != 0) {
        health_free(h);
        return NULL;
    }
    return h;
}

void health_close(struct health *h)
{
    http_server_drain(h->server, 0);
}

void health_free(struct health *h)
{
    if (!h)
        return;
    http_server_free(h->server);
    free(h);
}

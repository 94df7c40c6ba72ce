#include "workers/retry/api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "common/conf/conf.h"
#include "workers/metrics.h"
#include "workers/retry/auth.h"
#include "workers/retry/dlq_key.h"
#include "workers/retry/held.h"
#include "workers/retry/inquiry.h"
#include "workers/retry/letter.h"
#include "workers/retry/listing.h"
#include "workers/retry/params.h"
#include "workers/retry/redrive.h"
#include "workers/retry/reply.h"
#include "workers/retry/scrape.h"
#include "workers/retry/sweep.h"
#include "workers/retry/trace.h"

#define SWEEPS_MAX 8         /* at once */
#define CALLS_MAX 64         /* other requests at once that read dead letters */
#define ANSWER_MARGIN_MS 750 /* of max_redrive_s, for the answer itself */

struct call { /* an answer owed */
    TAILQ_ENTRY(call) link;
    struct api *api; /* borrowed */
    struct http_ticket ticket;
    struct sweep *sweep;     /* borrowed: frees itself; NULL where it is none */
    struct letter *letter;   /* own */
    struct inquiry *inquiry; /* own */
    char who[AUTH_WHO_BYTES];
};

struct api {
    struct api_options o;
    struct auth *auth; /* own */
    TAILQ_HEAD(, call) calls;
    size_t pending, sweeps;
    bool draining;
};

struct asked { /* a request that is allowed */
    struct api *api;
    const struct http_request *request;
    struct http_ticket ticket;
    const char *rest; /* of the path, percent-encoded */
    const char *who;
};

struct api *api_new(const struct api_options *options)
{
    struct api *api = xcalloc(1, sizeof(*api));
    api->o = *options;
    api->auth = auth_new(options->conf, geteuid());
    TAILQ_INIT(&api->calls);
    return api;
}

static void call_free(struct call *c)
{
    TAILQ_REMOVE(&c->api->calls, c, link);
    c->api->pending--;
    c->api->sweeps -= c->sweep != NULL;
    letter_free(c->letter);
    if (c->inquiry)
        inquiry_cancel(c->inquiry);
    free(c);
}

void api_free(struct api *api)
{
    if (!api)
        return;
    while (!TAILQ_EMPTY(&api->calls))
        call_free(TAILQ_FIRST(&api->calls));
    auth_free(api->auth);
    free(api);
}

size_t api_pending(const struct api *api)
{
    return api->pending;
}

void api_drain(struct api *api)
{
    struct call *c;
    api->draining = true;
    TAILQ_FOREACH(c, &api->calls, link)
    {
        if (c->sweep)
            sweep_stop(c->sweep);
    }
}

/* ---- answers ---- */

static void refuse(const struct api *api, struct http_ticket ticket, int status, const char *text,
                   const char *field)
{
    const struct reply_error error = {.status = status, .text = text, .field = field};
    reply_error(api->o.server, ticket, &error);
}

static void refuse_busy(const struct asked *a, const char *text)
{
    const struct reply_error error = {.status = 503, .text = text, .header = {"Retry-After", "5"}};
    reply_error(a->api->o.server, a->ticket, &error);
}

static void refuse_params(const struct asked *a, const struct params_fault *fault)
{
    char *text = *fault->field ? xasprintf("%s %s", fault->field, fault->why) : xstrdup(fault->why);
    refuse(a->api, a->ticket, 400, text, *fault->field ? fault->field : NULL);
    free(text);
}

static struct call *call_new(const struct asked *a)
{
    struct call *c = xcalloc(1, sizeof(*c));
    c->api = a->api;
    c->ticket = a->ticket;
    snprintf(c->who, sizeof(c->who), "%s", a->who);
    TAILQ_INSERT_TAIL(&a->api->calls, c, link);
    a->api->pending++;
    return c;
}

static void answer_call(void *arg, int status, json_t *body)
{
    struct call *c = arg;
    reply_json(c->api->o.server, c->ticket, status, body);
    call_free(c);
}

static void end_call(struct call *c, int status, const char *text)
{
    refuse(c->api, c->ticket, status, text, NULL);
    call_free(c);
}

static bool may_read(const struct asked *a)
{
    if (a->api->pending < CALLS_MAX)
        return true;
    refuse_busy(a, "too many requests at once");
    return false;
}

static struct params *query_params(const struct asked *a, enum params_form form)
{
    struct params_fault fault = {0};
    struct params *p =
        params_from_query(form, a->api->o.dead_letters->prefix, a->request->query, &fault);
    if (!p)
        refuse_params(a, &fault);
    return p;
}

/* ---- the requests ---- */

static void post_retry(const struct asked *a)
{
    struct api *api = a->api;
    struct params_fault fault = {0};
    struct params *p = params_from_body(PARAMS_REDRIVE, api->o.dead_letters->prefix,
                                        a->request->body, a->request->body_len, &fault);
    if (!p) {
        refuse_params(a, &fault);
        return;
    }
    if (api->sweeps >= SWEEPS_MAX || api->draining) {
        params_free(p);
        refuse_busy(a, api->draining ? "the service is stopping"
                                     : "too many requests redrive at once");
        return;
    }
    struct call *c = call_new(a);
    int64_t until_ms =
        clock_mono_ms() + conf_int(api->o.conf, "retry.max_redrive_s") * 1000 - ANSWER_MARGIN_MS;
    api->sweeps++;
    c->sweep =
        sweep_start(api->o.dead_letters, api->o.redriver, p, a->who, until_ms, answer_call, c);
}

static void get_events(const struct asked *a)
{
    struct params *p = may_read(a) ? query_params(a, PARAMS_LIST) : NULL;
    if (p)
        listing_events(a->api->o.dead_letters, p, answer_call, call_new(a));
}

static void get_summary(const struct asked *a)
{
    struct params *p = may_read(a) ? query_params(a, PARAMS_NONE) : NULL;
    if (p)
        listing_summary(a->api->o.dead_letters, answer_call, call_new(a));
    params_free(p);
}

/* The key in the path; NULL after a refusal. */
static char *key_in_path(const struct asked *a)
{
    char *key = params_decode(a->rest, strlen(a->rest), false);
    if (key && dlq_key_parse(a->api->o.dead_letters->prefix, key, NULL))
        return key;
    free(key);
    refuse(a->api, a->ticket, 404,
           "this is not the key of a dead letter: PREFIXyear=…/month=…/day=…/hour=…/TRACE.json",
           "key");
    return NULL;
}

static struct call *call_for_key(const struct asked *a)
{
    struct params *none = may_read(a) ? query_params(a, PARAMS_NONE) : NULL;
    char *key = none ? key_in_path(a) : NULL;
    params_free(none);
    if (!key)
        return NULL;
    struct call *c = call_new(a);
    c->letter = letter_new(a->api->o.dead_letters, key);
    free(key);
    return c;
}

static void on_event(void *arg, enum letter_answer answer, const char *text)
{
    struct call *c = arg;
    const struct letter *l = c->letter;
    if (answer == LETTER_GONE) {
        end_call(c, 404, "there is no such dead letter");
    } else if (answer != LETTER_OK) {
        end_call(c, answer == LETTER_UNREADABLE ? 502 : 503, text);
    } else {
        /* The bytes as they are stored, with the key as their first member. */
        struct buf body = {0};
        const char *brace = memchr(l->bytes, '{', l->len);
        size_t at = (size_t)(brace - l->bytes) + 1;
        buf_printf(&body, "{\"key\":\"%s\",", l->key);
        buf_append(&body, l->bytes + at, l->len - at);
        reply_bytes(c->api->o.server, c->ticket, 200, "application/json", body.data, body.len);
        buf_free(&body);
        call_free(c);
    }
}

static void get_event(const struct asked *a)
{
    struct call *c = call_for_key(a);
    if (c)
        letter_read(c->letter, on_event, c);
}

static void on_dropped(void *arg, enum letter_answer answer, const char *text)
{
    struct call *c = arg;
    const char *trace_id = c->letter->object ? c->letter->object->trace_id : "";
    if (answer == LETTER_OK) {
        log_info("audit: drop by %s trace=%s key=%s", c->who, trace_id, c->letter->key);
        json_t *body = json_object();
        json_object_set_new(body, "dropped", json_string(c->letter->key));
        json_object_set_new(body, "trace_id", reply_text(trace_id));
        answer_call(c, 200, body);
    } else {
        end_call(c, answer == LETTER_CHANGED ? 409 : 503, text);
    }
}

static void on_read_to_drop(void *arg, enum letter_answer answer, const char *text)
{
    struct call *c = arg;
    if (answer == LETTER_GONE)
        end_call(c, 404, "there is no such dead letter");
    else if (answer == LETTER_TROUBLE)
        end_call(c, 503, text);
    else if (answer == LETTER_OK && dead_letters_held(c->letter->object))
        end_call(c, 409, "in progress: it is being redriven");
    else
        letter_delete(c->letter, on_dropped, c);
}

static void delete_event(const struct asked *a)
{
    struct call *c = call_for_key(a);
    if (c)
        letter_read(c->letter, on_read_to_drop, c);
}

static void get_trace(const struct asked *a)
{
    const struct dead_letters *d = a->api->o.dead_letters;
    struct params *p = may_read(a) ? query_params(a, PARAMS_TRACE) : NULL;
    char *id = p ? params_decode(a->rest, strlen(a->rest), false) : NULL;
    if (!p)
        return;
    if (!id || (*id && !dlq_key_is_trace(id))) {
        refuse(a->api, a->ticket, 404, "this is no trace id", "trace_id");
    } else if (!p->source != !p->event_id || (!*id && !p->source)) {
        refuse(a->api, a->ticket, 400, "give a trace id, or both source and event_id",
               p->source ? "event_id" : "source");
    } else if (p->source && !dead_letters_source(d, p->source)) {
        refuse(a->api, a->ticket, 400, "source is not in the configuration", "source");
    } else {
        trace_start(d, id, p, answer_call, call_new(a));
        p = NULL;
    }
    params_free(p);
    free(id);
}

static void inquire(const struct asked *a, inquiry_cb *done)
{
    if (!may_read(a))
        return;
    struct call *c = call_new(a);
    char *path = xasprintf("%s/control.sock", conf_str(a->api->o.conf, "run_dir"));
    c->inquiry = inquiry_start(a->api->o.base, path, done, c);
    free(path);
}

static void on_sources(void *arg, const json_t *answer, const char *why)
{
    struct call *c = arg;
    c->inquiry = NULL;
    answer_call(c, 200, c->api->o.overview(c->api->o.arg, answer, why));
}

static void get_sources(const struct asked *a)
{
    inquire(a, on_sources);
}

static void on_metrics(void *arg, const json_t *answer, const char *why)
{
    struct call *c = arg;
    c->inquiry = NULL;
    if (!answer) {
        end_call(c, 503, why);
        return;
    }
    json_t *held = held_list(c->api->o.conf, answer, clock_wall_ms());
    char *text = scrape_text(c->api->o.conf, answer, held);
    json_decref(held);
    reply_bytes(c->api->o.server, c->ticket, 200, METRICS_CONTENT_TYPE, text, strlen(text));
    free(text);
    call_free(c);
}

static void get_metrics(const struct asked *a)
{
    inquire(a, on_metrics);
}

/* ---- which request it is ---- */

static const struct route {
    const char *method;
    const char *path;
    bool takes_rest; /* whatever follows belongs to it */
    enum auth_role needed;
    void (*handle)(const struct asked *a);
} routes[] = {
    {"POST", "/api/v1/dlq/retry", false, AUTH_REDRIVE, post_retry},
    {"GET", "/api/v1/dlq/events", false, AUTH_READ, get_events},
    {"GET", "/api/v1/dlq/events/", true, AUTH_READ, get_event},
    {"DELETE", "/api/v1/dlq/events/", true, AUTH_ADMIN, delete_event},
    {"GET", "/api/v1/dlq/summary", false, AUTH_READ, get_summary},
    {"GET", "/api/v1/trace", false, AUTH_READ, get_trace},
    {"GET", "/api/v1/trace/", true, AUTH_READ, get_trace},
    {"GET", "/api/v1/sources", false, AUTH_READ, get_sources},
    {"GET", "/metrics", false, AUTH_READ, get_metrics},
};

#define ROUTES (sizeof(routes) / sizeof(routes[0]))

static bool is_at(const struct route *route, const char *path)
{
    size_t len = strlen(route->path);
    return route->takes_rest ? strncmp(path, route->path, len) == 0 && path[len]
                             : strcmp(path, route->path) == 0;
}

static const struct route *find_route(const char *method, const char *path)
{
    if (strcmp(method, "HEAD") == 0)
        method = "GET";
    for (size_t i = 0; i < ROUTES; i++)
        if (is_at(&routes[i], path) && strcmp(routes[i].method, method) == 0)
            return &routes[i];
    return NULL;
}

static void refuse_route(const struct api *api, const char *path, struct http_ticket ticket)
{
    struct buf allow = {0};
    for (size_t i = 0; i < ROUTES; i++) {
        bool get = strcmp(routes[i].method, "GET") == 0;
        if (is_at(&routes[i], path))
            buf_printf(&allow, "%s%s%s", allow.len ? ", " : "", routes[i].method,
                       get ? ", HEAD" : "");
    }
    struct reply_error error = {.status = 404, .text = "there is nothing at this path"};
    if (allow.len) {
        error = (struct reply_error){.status = 405,
                                     .text = "this path does not take that method",
                                     .header = {"Allow", allow.data}};
    }
    reply_error(api->o.server, ticket, &error);
    buf_free(&allow);
}

/* ---- who asks, and from where ---- */

bool api_origin_allowed(const char *origin, const char *host)
{
    if (!origin)
        return true;
    size_t scheme = strncasecmp(origin, "http://", 7) == 0    ? 7
                    : strncasecmp(origin, "https://", 8) == 0 ? 8
                                                              : 0;
    return scheme && host && strcasecmp(origin + scheme, host) == 0;
}

bool api_is_json(const char *content_type)
{
    static const char json[] = "application/json";
    size_t len = sizeof(json) - 1;
    return content_type && strncasecmp(content_type, json, len) == 0 &&
           strchr("; \t", content_type[len]); /* its end too */
}

/* False after a refusal. */
static bool is_from_us(const struct api *api, const struct http_request *request,
                       struct http_ticket ticket)
{
    if (strcmp(request->method, "GET") == 0 || strcmp(request->method, "HEAD") == 0)
        return true;
    if (!api_origin_allowed(http_request_header(request, "Origin"),
                            http_request_header(request, "Host"))) {
        refuse(api, ticket, 403, "another site's page may not do this", NULL);
        return false;
    }
    if (strcmp(request->method, "POST") == 0 &&
        !api_is_json(http_request_header(request, "Content-Type"))) {
        refuse(api, ticket, 415, "send Content-Type: application/json", NULL);
        return false;
    }
    return true;
}

static void refuse_auth(const struct api *api, const struct auth_verdict *v, enum auth_role needed,
                        struct http_ticket ticket)
{
    char text[128];
    char after[16];
    struct reply_error error = {.status = v->status, .text = text};
    if (v->status == 401) {
        snprintf(text, sizeof(text), "send Authorization: Bearer TOKEN, one of retry.tokens");
        error.header = (struct http_reply_header){"WWW-Authenticate", "Bearer realm=\"sluice\""};
    } else if (v->status == 429) {
        snprintf(text, sizeof(text), "too many wrong tokens: wait");
        snprintf(after, sizeof(after), "%d", v->retry_after_s);
        error.header = (struct http_reply_header){"Retry-After", after};
    } else {
        snprintf(text, sizeof(text), "this needs a token with the role %s", auth_role_word(needed));
    }
    reply_error(api->o.server, ticket, &error);
}

void api_handle(struct api *api, const struct http_request *request, struct http_ticket ticket)
{
    const struct route *route = find_route(request->method, request->path);
    if (!route) {
        refuse_route(api, request->path, ticket);
        return;
    }
    if (!is_from_us(api, request, ticket))
        return;
    const struct auth_request who = {
        .authorization = http_request_header(request, "Authorization"),
        .peer_uid = request->peer_uid,
        .listener = request->listener,
        .needed = route->needed,
    };
    struct auth_verdict v = auth_judge(api->auth, &who, clock_mono_ms());
    if (v.status) {
        refuse_auth(api, &v, route->needed, ticket);
        return;
    }
    const struct asked asked = {
        .api = api,
        .request = request,
        .ticket = ticket,
        .rest = request->path + strlen(route->path),
        .who = v.who,
    };
    route->handle(&asked);
}

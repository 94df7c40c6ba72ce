#include "workers/http_server.h"

#include <assert.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/http_struct.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "workers/http_accept.h"
#include "workers/http_answer.h"
#include "workers/http_conns.h"
#include "workers/http_guard.h"

#define REQUESTS_PER_CONNECTION 1000
#define FIELDS_MAX 128
#define NO_SLOT HTTP_CONN_NO_SLOT

/* What is refused without the handler; the rest is counted under 0. */
static const int refusals[] = {0, 400, 408, 411, 413, 417, 501, 503};
#define REFUSALS (sizeof(refusals) / sizeof(refusals[0]))

struct listener {
    SLIST_ENTRY(listener) link;
    struct http_server *server; /* borrowed: owns us */
    const char *address;        /* borrowed from the caller */
    struct evhttp *http;        /* own: one for each listener, so that a request knows its own */
    struct evhttp_bound_socket *bound; /* owned by http; NULL once draining */
    struct evconnlistener *accepting;  /* owned by bound */
};

struct slot {
    uint32_t generation;
    bool used;
    uint32_t next_free;
    struct http_server *server;     /* borrowed: owns us */
    struct evhttp_request *request; /* evhttp's; it stays while its answer is owed */
    struct http_conn *conn;         /* borrowed from the server's table */
    size_t held_bytes;
    struct event *watch; /* own: the client's end, where on_gone was asked for */
    void (*gone)(void *arg, struct http_ticket ticket);
    void *gone_arg;
};

SLIST_HEAD(listener_list, listener);

struct http_server {
    struct event_base *base; /* borrowed: the process's loop */
    struct http_server_options options;
    http_handler *handler;
    void *arg;
    struct http_conns *conns; /* own */
    struct listener_list listeners;
    struct slot *slots; /* own: max_pending of them */
    uint32_t first_free;
    size_t pending;
    size_t held_bytes;
    int64_t refused[REFUSALS];
    bool draining;
};

/* ---- slots ---- */

static struct slot *slot_of(struct http_server *s, struct http_ticket ticket)
{
    if (ticket.slot >= (uint32_t)s->options.max_pending)
        return NULL;
    struct slot *slot = &s->slots[ticket.slot];
    return slot->used && slot->generation == ticket.generation ? slot : NULL;
}

static struct http_ticket ticket_of(const struct slot *slot)
{
    return (struct http_ticket){.slot = (uint32_t)(slot - slot->server->slots),
                                .generation = slot->generation};
}

static struct slot *take_slot(struct http_server *s, struct http_conn *conn,
                              struct evhttp_request *request, size_t held_bytes)
{
    assert(s->first_free != NO_SLOT);
    struct slot *slot = &s->slots[s->first_free];
    s->first_free = slot->next_free;
    slot->used = true;
    slot->conn = conn;
    slot->request = request;
    slot->held_bytes = held_bytes;
    s->pending++;
    s->held_bytes += held_bytes;
    http_conn_owes(conn, (uint32_t)(slot - s->slots));
    return slot;
}

static void free_slot(struct slot *slot)
{
    struct http_server *s = slot->server;
    if (slot->watch)
        event_free(slot->watch);
    slot->watch = NULL;
    slot->gone = NULL;
    slot->used = false;
    slot->generation++;
    slot->request = NULL;
    slot->conn = NULL;
    s->pending--;
    s->held_bytes -= slot->held_bytes;
    slot->next_free = s->first_free;
    s->first_free = (uint32_t)(slot - s->slots);
}

/* ---- answers ---- */

static void on_answered(struct evhttp_request *request, void *arg)
{
    (void)request;
    http_conn_answered(arg);
}

static void answer(struct http_server *s, struct http_conn *conn, struct evhttp_request *request,
                   const struct http_reply *reply)
{
    bool last = s->draining || http_conn_requests(conn) >= REQUESTS_PER_CONNECTION;
    http_conn_answering(conn);
    if (evhttp_request_get_command(request) == EVHTTP_REQ_CONNECT)
        http_conn_end(conn);
    evhttp_request_set_on_complete_cb(request, on_answered, conn);
    http_answer_send(request, reply, last);
}

int http_server_reply(struct http_server *s, struct http_ticket ticket,
                      const struct http_reply *reply)
{
    struct slot *slot = slot_of(s, ticket);
    if (!slot)
        return -1;
    struct http_conn *conn = slot->conn;
    struct evhttp_request *request = slot->request;
    free_slot(slot);
    answer(s, conn, request, reply);
    return 0;
}

int http_server_reply_json(struct http_server *s, struct http_ticket ticket, int status,
                           const char *json_text)
{
    struct http_reply reply = {.status = status,
                               .content_type = "application/json",
                               .body = json_text,
                               .body_len = strlen(json_text)};
    return http_server_reply(s, ticket, &reply);
}

static size_t refusal_of(int status)
{
    for (size_t i = 0; i < REFUSALS; i++)
        if (refusals[i] == status)
            return i;
    return 0;
}

int64_t http_server_refused(const struct http_server *s, int status)
{
    return s->refused[refusal_of(status)];
}

static void refuse(struct http_server *s, struct http_conn *conn, struct evhttp_request *request,
                   int status, const char *why)
{
    char body[256];
    snprintf(body, sizeof(body), "{\"error\":\"%s\"}", why);
    char retry_after[16];
    snprintf(retry_after, sizeof(retry_after), "%d", s->options.retry_after_s);
    struct http_reply_header header = {.name = "Retry-After", .value = retry_after};
    struct http_reply reply = {.status = status,
                               .content_type = "application/json",
                               .headers = &header,
                               .header_count = status == 503,
                               .body = body,
                               .body_len = strlen(body),
                               .close = status != 503};
    s->refused[refusal_of(status)]++;
    if (reply.close)
        http_conn_linger(conn);
    answer(s, conn, request, &reply);
}

#define NO_ROOM "too many bytes are waiting to be stored"

/* The body of what is refused before on_request is asked. */
static const char *on_refusal(void *arg, int status)
{
    struct http_server *s = arg;
    s->refused[refusal_of(status)]++;
    switch (status) {
    case 400:
        return "{\"error\":\"the request is malformed, or its header is too long\"}";
    case 408:
        return "{\"error\":\"the request did not arrive in time\"}";
    case 413:
        return "{\"error\":\"the body is too large, or its chunks are malformed\"}";
    case 417:
        return "{\"error\":\"only Expect: 100-continue is known\"}";
    case 501:
        return "{\"error\":\"the method is not known\"}";
    case 503:
        return "{\"error\":\"" NO_ROOM "\"}";
    default:
        return "{\"error\":\"the request was refused\"}";
    }
}

/* ---- requests ---- */

static size_t room(void *arg)
{
    const struct http_server *s = arg;
    return s->options.max_held_bytes - s->held_bytes;
}

static const char *method_name(enum evhttp_cmd_type command)
{
    static const struct {
        enum evhttp_cmd_type command;
        const char *name;
    } methods[] = {
        {EVHTTP_REQ_GET, "GET"},     {EVHTTP_REQ_POST, "POST"},     {EVHTTP_REQ_HEAD, "HEAD"},
        {EVHTTP_REQ_PUT, "PUT"},     {EVHTTP_REQ_DELETE, "DELETE"}, {EVHTTP_REQ_OPTIONS, "OPTIONS"},
        {EVHTTP_REQ_TRACE, "TRACE"}, {EVHTTP_REQ_PATCH, "PATCH"},   {EVHTTP_REQ_CONNECT, "CONNECT"},
    };
    for (size_t i = 0; i < sizeof(methods) / sizeof(methods[0]); i++) {
        if (methods[i].command == command)
            return methods[i].name;
    }
    return "";
}

/* evhttp reads no body for these. */
static bool is_bodiless(const struct evhttp_request *request)
{
    return evhttp_request_get_command(request) &
           (EVHTTP_REQ_HEAD | EVHTTP_REQ_TRACE | EVHTTP_REQ_CONNECT);
}

static enum http_guard_verdict guard(struct evhttp_request *request, const char **why_out)
{
    struct http_guard_field fields[FIELDS_MAX];
    size_t count = 0;
    const struct evkeyval *kv = NULL;
    TAILQ_FOREACH(kv, evhttp_request_get_input_headers(request), next)
    {
        if (count == FIELDS_MAX) {
            *why_out = "too many header fields";
            return HTTP_GUARD_MALFORMED;
        }
        fields[count++] = (struct http_guard_field){.name = kv->key, .value = kv->value};
    }
    struct http_guard_request r = {.major = request->major,
                                   .minor = request->minor,
                                   .target = evhttp_request_get_uri(request),
                                   .fields = fields,
                                   .field_count = count,
                                   .bodiless = is_bodiless(request)};
    return http_guard_check(&r, why_out);
}

static void hand_over(struct http_server *s, const struct listener *l, struct slot *slot)
{
    struct evhttp_request *raw = slot->request;
    struct evbuffer *input = evhttp_request_get_input_buffer(raw);
    size_t body_len = evbuffer_get_length(input);
    const char *target = evhttp_request_get_uri(raw);
    size_t path_len = strcspn(target, "?");
    char *path = xmemdup(target, path_len + 1);
    path[path_len] = '\0';
    struct http_ticket ticket = ticket_of(slot);
    struct http_request request = {
        .method = method_name(evhttp_request_get_command(raw)),
        .path = path,
        .query = target[path_len] ? target + path_len + 1 : "",
        .body = body_len ? (const void *)evbuffer_pullup(input, -1) : "",
        .body_len = body_len,
        .peer_uid = http_conn_peer_uid(slot->conn),
        .listener = l->address,
        .internal = raw,
    };
    assert(request.body);
    s->handler(s->arg, &request, ticket);
    free(path);
    /* The role has copied what it needs: a held request need not keep its bytes twice. */
    slot = slot_of(s, ticket);
    if (slot)
        evbuffer_drain(input, body_len);
}

static void on_request(struct evhttp_request *request, void *arg)
{
    const struct listener *l = arg;
    struct http_server *s = l->server;
    struct http_conn *conn = http_conns_find(s->conns, evhttp_request_get_connection(request));
    http_conn_arrived(conn);
    const char *why = NULL;
    enum http_guard_verdict verdict = guard(request, &why);
    size_t body_len = evbuffer_get_length(evhttp_request_get_input_buffer(request));
    if (verdict == HTTP_GUARD_MALFORMED)
        refuse(s, conn, request, 400, why);
    else if (verdict == HTTP_GUARD_LENGTH_REQUIRED)
        refuse(s, conn, request, 411, why);
    else if (s->pending >= (size_t)s->options.max_pending)
        refuse(s, conn, request, 503, "too many requests are waiting for an answer");
    else if (s->held_bytes + body_len > s->options.max_held_bytes)
        refuse(s, conn, request, 503, NO_ROOM);
    else
        hand_over(s, l, take_slot(s, conn, request, body_len));
}

const char *http_request_header(const struct http_request *request, const char *name)
{
    struct evhttp_request *raw = (struct evhttp_request *)(uintptr_t)request->internal;
    return evhttp_find_header(evhttp_request_get_input_headers(raw), name);
}

void http_request_each_header(const struct http_request *request,
                              void (*each)(void *arg, const char *name, const char *value),
                              void *arg)
{
    struct evhttp_request *raw = (struct evhttp_request *)(uintptr_t)request->internal;
    const struct evkeyval *kv = NULL;
    TAILQ_FOREACH(kv, evhttp_request_get_input_headers(raw), next)
    {
        each(arg, kv->key, kv->value);
    }
}

/* ---- clients that leave ---- */

static const struct http_reply gone_reply = {.status = 503, .close = true};

/* Edge-triggered: bytes that a client sends ahead must neither end the request nor wake us again
 * and again. evhttp reads nothing while it is owed an answer, so nobody else watches. */
static void on_watch(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    struct slot *slot = arg;
    struct http_server *s = slot->server;
    struct pollfd end = {.fd = (int)fd, .events = POLLRDHUP};
    if (poll(&end, 1, 0) <= 0)
        return;
    struct http_ticket ticket = ticket_of(slot);
    void (*gone)(void *, struct http_ticket) = slot->gone;
    event_free(slot->watch);
    slot->watch = NULL;
    gone(slot->gone_arg, ticket);
    http_server_reply(s, ticket, &gone_reply); /* lets evhttp close what is left */
}

void http_server_on_gone(struct http_server *s, struct http_ticket ticket,
                         void (*gone)(void *arg, struct http_ticket ticket), void *arg)
{
    struct slot *slot = slot_of(s, ticket);
    if (!slot || slot->watch)
        return;
    slot->gone = gone;
    slot->gone_arg = arg;
    slot->watch = event_new(s->base, http_conn_fd(slot->conn),
                            EV_READ | EV_CLOSED | EV_ET | EV_PERSIST, on_watch, slot);
    if (!slot->watch || event_add(slot->watch, NULL) != 0)
        log_debug("a client's leaving will be noticed only at its answer");
}

/* evhttp gave up a connection that owes an answer: nothing of ours may touch the request again. */
static void on_lost(void *arg, uint32_t index)
{
    struct http_server *s = arg;
    struct slot *slot = &s->slots[index];
    struct http_ticket ticket = ticket_of(slot);
    void (*gone)(void *, struct http_ticket) = slot->gone;
    void *gone_arg = slot->gone_arg;
    free_slot(slot);
    if (gone)
        gone(gone_arg, ticket);
}

/* ---- listeners ---- */

static void update_accepting(void *arg)
{
    struct http_server *s = arg;
    bool room = http_conns_count(s->conns) < (size_t)s->options.max_connections;
    struct listener *l = NULL;
    SLIST_FOREACH(l, &s->listeners, link)
    {
        if (!l->bound)
            continue;
        if (room)
            evconnlistener_enable(l->accepting);
        else
            evconnlistener_disable(l->accepting);
    }
}

static struct bufferevent *on_connection(struct event_base *base, void *arg)
{
    (void)base;
    struct http_server *s = arg;
    return http_conns_open(s->conns);
}

static struct evhttp *make_evhttp(struct http_server *s, struct listener *l)
{
    const struct http_server_options *o = &s->options;
    struct evhttp *http = evhttp_new(s->base);
    assert(http);
    evhttp_set_max_headers_size(http, (ev_ssize_t)o->max_headers_bytes);
    evhttp_set_max_body_size(http, (ev_ssize_t)o->max_body_bytes);
    evhttp_set_timeout(http, o->idle_timeout_s);
    evhttp_set_default_content_type(http, NULL);
    /* All that evhttp knows: what a path does not take is answered 405 by us. */
    evhttp_set_allowed_methods(http, EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_HEAD |
                                         EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE | EVHTTP_REQ_OPTIONS |
                                         EVHTTP_REQ_TRACE | EVHTTP_REQ_CONNECT | EVHTTP_REQ_PATCH);
    evhttp_set_bevcb(http, on_connection, s);
    evhttp_set_gencb(http, on_request, l);
    return http;
}

int http_server_listen(struct http_server *s, int fd, const char *address)
{
    struct evconnlistener *accepting = http_accept_open(s->base, fd, address);
    if (!accepting)
        return -1;
    struct listener *l = xcalloc(1, sizeof(*l));
    l->server = s;
    l->address = address;
    l->http = make_evhttp(s, l);
    l->accepting = accepting;
    l->bound = evhttp_bind_listener(l->http, accepting);
    assert(l->bound);
    http_accept_bear_errors(accepting);
    SLIST_INSERT_HEAD(&s->listeners, l, link);
    update_accepting(s);
    return 0;
}

/* ---- the server ---- */

struct http_server *http_server_new(struct event_base *base,
                                    const struct http_server_options *options,
                                    http_handler *handler, void *arg)
{
    struct http_server *s = xcalloc(1, sizeof(*s));
    s->base = base;
    s->options = *options;
    s->handler = handler;
    s->arg = arg;
    SLIST_INIT(&s->listeners);
    assert(options->max_pending > 0 && options->max_connections > 0);
    s->slots = xcalloc((size_t)options->max_pending, sizeof(*s->slots));
    for (int i = 0; i < options->max_pending; i++) {
        s->slots[i].server = s;
        s->slots[i].next_free = i + 1 < options->max_pending ? (uint32_t)i + 1 : NO_SLOT;
    }
    struct http_conns_options conns = {.deadline_ms = options->request_deadline_ms,
                                       .most = (size_t)options->max_connections,
                                       .retry_after_s = options->retry_after_s,
                                       .refusal = on_refusal,
                                       .room = room,
                                       .changed = update_accepting,
                                       .lost = on_lost,
                                       .arg = s};
    s->conns = http_conns_new(base, &conns);
    return s;
}

void http_server_drain(struct http_server *s, int grace_ms)
{
    if (s->draining)
        return;
    s->draining = true;
    struct listener *l = NULL;
    SLIST_FOREACH(l, &s->listeners, link)
    {
        evhttp_del_accept_socket(l->http,
                                 l->bound); /* frees the listener, which closes its socket */
        l->bound = NULL;
        l->accepting = NULL;
    }
    http_conns_drain(s->conns, grace_ms);
}

size_t http_server_pending(const struct http_server *s)
{
    return s->pending;
}

size_t http_server_connections(const struct http_server *s)
{
    return http_conns_count(s->conns);
}

void http_server_free(struct http_server *s)
{
    if (!s)
        return;
    assert(s->pending == 0);
    http_server_drain(s, 0);
    while (!SLIST_EMPTY(&s->listeners)) {
        struct listener *l = SLIST_FIRST(&s->listeners);
        SLIST_REMOVE_HEAD(&s->listeners, link);
        evhttp_free(l->http);
        free(l);
    }
    http_conns_free(s->conns);
    free(s->slots);
    free(s);
}

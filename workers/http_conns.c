#include "workers/http_conns.h"

#include <assert.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "workers/http_linger.h"

#define BUCKETS 256
#define SWEEP_MS 250
#define DRAINING_SWEEP_MS 50
/* While nobody else can be accepted. */
#define CROWDED_SILENT_MS 500
#define CROWDED_DEADLINE_PART 5

enum state {
    FRESH,   /* accepted, nothing has come */
    READING, /* a request is arriving */
    OWING,   /* the handler owes an answer: never cut */
    WRITING, /* the answer is being written */
    IDLE,    /* between two requests: evhttp's inactivity timeout ends it, a crowd sooner */
};

struct http_conn {
    LIST_ENTRY(http_conn) link;
    struct http_conns *conns;           /* borrowed: owns us */
    struct bufferevent *bev;            /* a reference of our own */
    struct evhttp_connection *evcon;    /* borrowed from the first request on, until its close */
    struct evbuffer_cb_entry *on_input; /* lives in bev's buffers */
    struct evbuffer_cb_entry *on_output;
    struct event *refused; /* own; NULL until evhttp refuses a request by itself */
    enum state state;
    int64_t since_ms; /* of the state, except that READING goes on from FRESH */
    unsigned requests;
    size_t arriving_bytes; /* of the request that is arriving; counted in conns */
    uint32_t slot;
    uid_t peer_uid;
    bool peer_known;
    bool ending; /* nothing more is read from it */
};

LIST_HEAD(conn_list, http_conn);

struct http_conns {
    struct event_base *base; /* borrowed: the process's loop */
    struct http_conns_options options;
    struct event *sweep;        /* own */
    struct http_linger *linger; /* own */
    struct conn_list buckets[BUCKETS];
    size_t count;
    size_t arriving_bytes; /* sum over all connections */
    struct event *relief;  /* own: makes room, once evhttp has seen what came */
    bool draining;
    int64_t drain_at_ms;
    bool freeing;
};

static struct conn_list *bucket_of(struct http_conns *conns, const struct bufferevent *bev)
{
    return &conns->buckets[((uintptr_t)bev >> 6) % BUCKETS];
}

static void set_state(struct http_conn *c, enum state state)
{
    c->state = state;
    c->since_ms = clock_mono_ms();
}

static void set_arriving(struct http_conn *c, size_t bytes)
{
    c->conns->arriving_bytes -= c->arriving_bytes;
    c->conns->arriving_bytes += bytes;
    c->arriving_bytes = bytes;
}

/* The last thing that happens to a connection. */
static void forget(struct http_conn *c)
{
    struct http_conns *conns = c->conns;
    LIST_REMOVE(c, link);
    conns->count--;
    set_arriving(c, 0);
    uint32_t slot = c->slot;
    if (c->evcon)
        evhttp_connection_set_closecb(c->evcon, NULL, NULL);
    evbuffer_remove_cb_entry(bufferevent_get_input(c->bev), c->on_input);
    evbuffer_remove_cb_entry(bufferevent_get_output(c->bev), c->on_output);
    if (c->refused)
        event_free(c->refused);
    bufferevent_decref(c->bev);
    free(c);
    if (slot != HTTP_CONN_NO_SLOT)
        conns->options.lost(conns->options.arg, slot);
    if (!conns->freeing)
        conns->options.changed(conns->options.arg);
}

static void on_close(struct evhttp_connection *evcon, void *arg)
{
    (void)evcon;
    forget(arg);
}

static void on_input(struct evbuffer *buffer, const struct evbuffer_cb_info *info, void *arg)
{
    (void)buffer;
    struct http_conn *c = arg;
    if (info->n_added == 0)
        return;
    if (c->state == IDLE)
        set_state(c, READING);
    else if (c->state == FRESH)
        c->state = READING;
    if (c->state != READING)
        return;
    set_arriving(c, c->arriving_bytes + info->n_added);
    if (c->conns->arriving_bytes > c->conns->options.room(c->conns->options.arg))
        event_active(c->conns->relief, EV_TIMEOUT, 0);
}

/* An answer that evhttp has no part in, behind its status line. */
static void append_refusal(struct buf *out, const struct http_conns *conns, int status)
{
    char date[CLOCK_TEXT_BYTES];
    clock_http_date(clock_wall_ms(), date);
    const char *body = conns->options.refusal(conns->options.arg, status);
    buf_printf(out, "\r\nDate: %s\r\nContent-Type: application/json\r\nContent-Length: %zu\r\n",
               date, strlen(body));
    if (status == 503)
        buf_printf(out, "Retry-After: %d\r\n", conns->options.retry_after_s);
    buf_printf(out, "Connection: close\r\n\r\n%s", body);
}

/* evhttp has put its own HTML page into the output; nothing of it is on the wire yet, because the
 * loop polls for writability only after this turn's active events. */
static void replace_page(struct http_conn *c, struct evbuffer *output)
{
    char line[16];
    ev_ssize_t got = evbuffer_copyout(output, line, sizeof(line) - 1);
    line[got > 0 ? got : 0] = '\0';
    if (strncmp(line, "HTTP/1.", 7) != 0 || strlen(line) < 12)
        return;
    long status = strtol(line + 9, NULL, 10);
    if (status < 400)
        return; /* 100 Continue */
    struct evbuffer_ptr end = evbuffer_search_eol(output, NULL, NULL, EVBUFFER_EOL_CRLF_STRICT);
    if (end.pos < 0 || end.pos > 100)
        return;
    char status_line[101] = {0};
    evbuffer_copyout(output, status_line, (size_t)end.pos);
    struct buf answer = {0};
    buf_puts(&answer, status_line);
    append_refusal(&answer, c->conns, (int)status);
    set_state(c, WRITING);
    http_conn_linger(c);
    evbuffer_drain(output, evbuffer_get_length(output));
    evbuffer_add(output, answer.data, answer.len);
    buf_free(&answer);
}

static void on_refused(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct http_conn *c = arg;
    struct evbuffer *output = bufferevent_get_output(c->bev);
    evbuffer_unfreeze(output, 1); /* after its first write, libevent bars even reading from it */
    replace_page(c, output);
    evbuffer_freeze(output, 1);
}

static void on_output(struct evbuffer *buffer, const struct evbuffer_cb_info *info, void *arg)
{
    (void)buffer;
    struct http_conn *c = arg;
    if (info->n_added == 0 || c->state == WRITING)
        return;
    set_arriving(c, 0); /* refused: nobody is to be turned away for it */
    if (!c->refused)
        c->refused = event_new(c->conns->base, -1, 0, on_refused, c);
    if (c->refused)
        event_active(c->refused, EV_TIMEOUT, 0);
}

/* evhttp clears the callbacks when it frees a connection. Its descriptor is closed then, and the
 * number may belong to somebody else already. */
static bool let_go(const struct http_conn *c)
{
    bufferevent_data_cb on_read = NULL;
    bufferevent_data_cb on_write = NULL;
    bufferevent_event_cb on_event = NULL;
    bufferevent_getcb(c->bev, &on_read, &on_write, &on_event, NULL);
    return !on_read && !on_write && !on_event;
}

static struct http_conn *fattest(struct http_conns *conns)
{
    struct http_conn *most = NULL;
    struct http_conn *c = NULL;
    for (size_t i = 0; i < BUCKETS; i++) {
        LIST_FOREACH(c, &conns->buckets[i], link)
        {
            if (c->arriving_bytes > (most ? most->arriving_bytes : 0))
                most = c;
        }
    }
    return most;
}

/* evhttp writes nothing for a request that it still reads, so the answer goes straight to the
 * socket, which is empty; then evhttp is told that the client is gone. */
static void turn_away(struct http_conn *c, int status)
{
    struct buf answer = {0};
    buf_printf(&answer, "HTTP/1.1 %d %s", status,
               status == 503 ? "Service Unavailable" : "Request Timeout");
    append_refusal(&answer, c->conns, status);
    ssize_t n = send(http_conn_fd(c), answer.data, answer.len, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (n < (ssize_t)answer.len)
        log_debug("a client that was turned away does not read its answer");
    buf_free(&answer);
    set_arriving(c, 0);
    http_conn_linger(c);
    bufferevent_trigger_event(c->bev, BEV_EVENT_READING | BEV_EVENT_EOF, 0);
}

static void on_relief(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct http_conns *conns = arg;
    while (conns->arriving_bytes > conns->options.room(conns->options.arg)) {
        struct http_conn *c = fattest(conns);
        if (let_go(c))
            forget(c);
        else
            turn_away(c, 503);
    }
}

/* How long a connection may stay in its state; a pending answer is never cut. */
static int64_t patience_ms(const struct http_conns *conns, enum state state, bool crowded)
{
    int64_t deadline_ms = conns->options.deadline_ms;
    switch (state) {
    case FRESH:
        return crowded && CROWDED_SILENT_MS < deadline_ms ? CROWDED_SILENT_MS : deadline_ms;
    case READING:
        return crowded ? deadline_ms / CROWDED_DEADLINE_PART : deadline_ms;
    case WRITING:
        return deadline_ms;
    case IDLE:
        return crowded ? CROWDED_SILENT_MS : INT64_MAX;
    case OWING:
        break;
    }
    return INT64_MAX;
}

/* Bytes that came after evhttp last looked: not silent. */
static bool has_unread(const struct http_conn *c)
{
    char byte;
    return recv(http_conn_fd(c), &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

static bool is_over(const struct http_conns *conns, const struct http_conn *c, int64_t now,
                    bool crowded)
{
    bool silent = c->state == FRESH || c->state == IDLE;
    bool unwanted = silent && conns->draining && now >= conns->drain_at_ms;
    bool late = now - c->since_ms >= patience_ms(conns, c->state, crowded);
    return (late || unwanted) && !(silent && has_unread(c));
}

static void sweep(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct http_conns *conns = arg;
    int64_t now = clock_mono_ms();
    bool crowded = conns->count >= conns->options.most;
    for (size_t i = 0; i < BUCKETS; i++) {
        struct http_conn *next = NULL;
        for (struct http_conn *c = LIST_FIRST(&conns->buckets[i]); c; c = next) {
            next = LIST_NEXT(c, link);
            if (let_go(c))
                forget(c);
            else if (!is_over(conns, c, now, crowded))
                continue;
            else if (c->state == READING)
                turn_away(c, 408);
            else
                shutdown(http_conn_fd(c), SHUT_RDWR); /* evhttp sees the end and cleans up */
        }
    }
    conns->options.changed(conns->options.arg);
}

static void start_sweep(struct http_conns *conns, int every_ms)
{
    struct timeval every = {.tv_usec = every_ms * 1000L};
    event_add(conns->sweep, &every);
}

struct http_conns *http_conns_new(struct event_base *base, const struct http_conns_options *o)
{
    struct http_conns *conns = xcalloc(1, sizeof(*conns));
    conns->base = base;
    conns->options = *o;
    for (size_t i = 0; i < BUCKETS; i++)
        LIST_INIT(&conns->buckets[i]);
    conns->linger = http_linger_new(base);
    conns->sweep = event_new(base, -1, EV_PERSIST, sweep, conns);
    conns->relief = event_new(base, -1, 0, on_relief, conns);
    assert(conns->sweep && conns->relief);
    start_sweep(conns, SWEEP_MS);
    return conns;
}

void http_conns_free(struct http_conns *conns)
{
    if (!conns)
        return;
    conns->freeing = true;
    for (size_t i = 0; i < BUCKETS; i++) {
        struct http_conn *next = NULL;
        for (struct http_conn *c = LIST_FIRST(&conns->buckets[i]); c; c = next) {
            next = LIST_NEXT(c, link);
            forget(c);
        }
    }
    event_free(conns->sweep);
    event_free(conns->relief);
    http_linger_free(conns->linger);
    free(conns);
}

struct bufferevent *http_conns_open(struct http_conns *conns)
{
    struct bufferevent *bev = bufferevent_socket_new(conns->base, -1, 0);
    if (!bev)
        return NULL;
    struct http_conn *c = xcalloc(1, sizeof(*c));
    c->conns = conns;
    c->bev = bev;
    c->slot = HTTP_CONN_NO_SLOT;
    bufferevent_incref(bev);
    c->on_input = evbuffer_add_cb(bufferevent_get_input(bev), on_input, c);
    c->on_output = evbuffer_add_cb(bufferevent_get_output(bev), on_output, c);
    assert(c->on_input && c->on_output);
    set_state(c, FRESH);
    LIST_INSERT_HEAD(bucket_of(conns, bev), c, link);
    conns->count++;
    conns->options.changed(conns->options.arg);
    return bev;
}

struct http_conn *http_conns_find(struct http_conns *conns, struct evhttp_connection *evcon)
{
    struct bufferevent *bev = evhttp_connection_get_bufferevent(evcon);
    struct http_conn *c = NULL;
    LIST_FOREACH(c, bucket_of(conns, bev), link)
    {
        if (c->bev == bev)
            break;
    }
    assert(c);
    if (!c->evcon) {
        c->evcon = evcon;
        evhttp_connection_set_closecb(evcon, on_close, c);
    }
    return c;
}

size_t http_conns_count(const struct http_conns *conns)
{
    return conns->count;
}

void http_conns_drain(struct http_conns *conns, int grace_ms)
{
    conns->draining = true;
    conns->drain_at_ms = clock_mono_ms() + grace_ms;
    start_sweep(conns, DRAINING_SWEEP_MS);
}

void http_conn_arrived(struct http_conn *c)
{
    c->requests++;
    set_state(c, OWING);
    set_arriving(c, 0);
}

void http_conn_owes(struct http_conn *c, uint32_t slot)
{
    c->slot = slot;
}

void http_conn_answering(struct http_conn *c)
{
    c->slot = HTTP_CONN_NO_SLOT;
    set_state(c, WRITING);
}

void http_conn_end(struct http_conn *c)
{
    c->ending = true;
}

void http_conn_linger(struct http_conn *c)
{
    http_linger_add(c->conns->linger, http_conn_fd(c));
}

void http_conn_answered(struct http_conn *c)
{
    struct evbuffer *input = bufferevent_get_input(c->bev);
    if (c->ending) {
        evbuffer_drain(input, evbuffer_get_length(input));
        shutdown(http_conn_fd(c), SHUT_RDWR);
    }
    size_t pipelined = evbuffer_get_length(input);
    set_state(c, pipelined > 0 ? READING : IDLE);
    set_arriving(c, pipelined);
}

unsigned http_conn_requests(const struct http_conn *c)
{
    return c->requests;
}

int http_conn_fd(const struct http_conn *c)
{
    return (int)bufferevent_getfd(c->bev);
}

uid_t http_conn_peer_uid(struct http_conn *c)
{
    if (!c->peer_known) {
        struct ucred peer = {0};
        socklen_t len = sizeof(peer);
        int family = 0;
        socklen_t family_len = sizeof(family);
        int fd = http_conn_fd(c);
        bool is_unix = getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &family_len) == 0 &&
                       family == AF_UNIX &&
                       getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) == 0;
        c->peer_uid = is_unix ? peer.uid : (uid_t)-1;
        c->peer_known = true;
    }
    return c->peer_uid;
}

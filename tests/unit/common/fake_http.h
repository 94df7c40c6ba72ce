#ifndef TESTS_UNIT_COMMON_FAKE_HTTP_H
#define TESTS_UNIT_COMMON_FAKE_HTTP_H

/* A scripted HTTP server in the test's own event loop. The n-th request gets the n-th step, the
 * last step repeats. What came is kept as text. */
#include <arpa/inet.h>
#include <assert.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/unix_socket.h"
#include "common/base/xalloc.h"

#define FAKE_MAX 64

struct fake_step {
    int status;          /* 0: `raw` is sent as it is (NULL: nothing at all) */
    const char *body;    /* or NULL for none */
    const char *headers; /* lines with CRLF, or NULL */
    const char *raw;
    bool close; /* after it; else the connection stays open */
};

struct fake_http {
    struct event_base *base;
    struct evconnlistener *listener;
    char url[64];
    const struct fake_step *steps;
    size_t step_count;
    char *requests[FAKE_MAX]; /* own: head, and body behind the empty line */
    int64_t at_ms[FAKE_MAX];
    size_t request_count;
    size_t connection_count;
    struct bufferevent *connections[FAKE_MAX];
};

static void fake_close(struct fake_http *s, struct bufferevent *bev)
{
    for (size_t i = 0; i < FAKE_MAX; i++) {
        if (s->connections[i] == bev)
            s->connections[i] = NULL;
    }
    bufferevent_free(bev);
}

static void fake_written(struct bufferevent *bev, void *arg)
{
    fake_close(arg, bev);
}

static void fake_event(struct bufferevent *bev, short what, void *arg)
{
    if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
        fake_close(arg, bev);
}

static void fake_answer(struct fake_http *s, struct bufferevent *bev)
{
    size_t n = s->request_count - 1;
    const struct fake_step *step = &s->steps[n < s->step_count ? n : s->step_count - 1];
    struct evbuffer *out = bufferevent_get_output(bev);
    if (step->status) {
        const char *body = step->body ? step->body : "";
        evbuffer_add_printf(out, "HTTP/1.1 %d X\r\nContent-Length: %zu\r\n%s\r\n%s", step->status,
                            strlen(body), step->headers ? step->headers : "", body);
    } else if (step->raw) {
        evbuffer_add(out, step->raw, strlen(step->raw));
    }
    if (!step->close)
        return;
    if (evbuffer_get_length(out))
        bufferevent_setcb(bev, NULL, fake_written, fake_event, s);
    else
        fake_close(s, bev);
}

/* The length of a whole request at the start of text, or 0. */
static size_t fake_whole(const char *text, size_t len)
{
    const char *end = memmem(text, len, "\r\n\r\n", 4);
    if (!end)
        return 0;
    size_t head = (size_t)(end - text) + 4, body = 0;
    for (const char *p = text; p < end; p = (char *)memchr(p, '\n', len) + 1) {
        if (!strncasecmp(p, "content-length:", 15))
            body = strtoul(p + 15, NULL, 10);
    }
    return head + body <= len ? head + body : 0;
}

static void fake_read(struct bufferevent *bev, void *arg)
{
    struct fake_http *s = arg;
    struct evbuffer *in = bufferevent_get_input(bev);
    size_t len = evbuffer_get_length(in);
    const char *text = (const char *)evbuffer_pullup(in, -1);
    size_t whole = text ? fake_whole(text, len) : 0;
    if (!whole)
        return;
    assert(s->request_count < FAKE_MAX);
    char *copy = xcalloc(1, whole + 1);
    memcpy(copy, text, whole);
    evbuffer_drain(in, whole);
    s->at_ms[s->request_count] = clock_mono_ms();
    s->requests[s->request_count++] = copy;
    fake_answer(s, bev);
}

static void fake_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *a, int len,
                        void *arg)
{
    (void)l;
    (void)a;
    (void)len;
    struct fake_http *s = arg;
    struct bufferevent *bev = bufferevent_socket_new(s->base, fd, BEV_OPT_CLOSE_ON_FREE);
    for (size_t i = 0; i < FAKE_MAX; i++) {
        if (!s->connections[i]) {
            s->connections[i] = bev;
            break;
        }
    }
    s->connection_count++;
    bufferevent_setcb(bev, fake_read, NULL, fake_event, s);
    bufferevent_enable(bev, EV_READ | EV_WRITE);
}

static struct fake_http *fake_on_fd(struct event_base *base, int fd, const struct fake_step *steps,
                                    size_t step_count)
{
    struct fake_http *s = xcalloc(1, sizeof(*s));
    s->base = base;
    s->steps = steps;
    s->step_count = step_count;
    evutil_make_socket_nonblocking(fd);
    s->listener = evconnlistener_new(base, fake_accept, s, LEV_OPT_CLOSE_ON_FREE, 0, fd);
    assert(s->listener);
    strcpy(s->url, "http://store.local");
    return s;
}

static __attribute__((unused)) struct fake_http *
fake_unix(struct event_base *base, const char *path, const struct fake_step *steps, size_t count)
{
    int fd = unix_socket_listen(path, 0600);
    assert(fd >= 0);
    return fake_on_fd(base, fd, steps, count);
}

static __attribute__((unused)) struct fake_http *
fake_tcp(struct event_base *base, const struct fake_step *steps, size_t count)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in sin = {.sin_family = AF_INET};
    socklen_t len = sizeof(sin);
    sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int rc = bind(fd, (struct sockaddr *)&sin, len);
    rc = rc ? rc : listen(fd, 64);
    rc = rc ? rc : getsockname(fd, (struct sockaddr *)&sin, &len);
    assert(fd >= 0 && rc == 0);
    struct fake_http *s = fake_on_fd(base, fd, steps, count);
    snprintf(s->url, sizeof(s->url), "http://127.0.0.1:%d", ntohs(sin.sin_port));
    return s;
}

static void fake_free(struct fake_http *s)
{
    for (size_t i = 0; i < FAKE_MAX; i++) {
        if (s->connections[i])
            bufferevent_free(s->connections[i]);
        free(s->requests[i]);
    }
    evconnlistener_free(s->listener);
    free(s);
}

static __attribute__((unused)) const char *fake_body(const struct fake_http *s, size_t n)
{
    assert(n < s->request_count);
    return strstr(s->requests[n], "\r\n\r\n") + 4;
}

/* The value of a request's header (malloc), or NULL. */
static __attribute__((unused)) char *fake_header(const struct fake_http *s, size_t n,
                                                 const char *name)
{
    assert(n < s->request_count);
    const char *end = strstr(s->requests[n], "\r\n\r\n");
    for (const char *p = strstr(s->requests[n], "\r\n"); p < end; p = strstr(p, "\r\n")) {
        p += 2;
        size_t len = strlen(name);
        if (!strncasecmp(p, name, len) && p[len] == ':') {
            p += len + 1 + strspn(p + len + 1, " ");
            return xasprintf("%.*s", (int)strcspn(p, "\r"), p);
        }
    }
    return NULL;
}

/* Turns the loop until *count reaches wanted; fails the test after 10 s. */
static __attribute__((unused)) void run_until(struct event_base *base, const int *count, int wanted)
{
    int64_t deadline = clock_mono_ms() + 60000;
    struct timeval tick = {.tv_usec = 5000};
    while (*count < wanted && clock_mono_ms() < deadline) {
        event_base_loopexit(base, &tick);
        event_base_dispatch(base);
    }
    assert_true(*count >= wanted);
}

/* Turns the loop for so long: for showing that something does not happen. */
static __attribute__((unused)) void run_ms(struct event_base *base, int ms)
{
    struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
    event_base_loopexit(base, &tv);
    event_base_dispatch(base);
}

#endif

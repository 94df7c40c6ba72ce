#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "workers/http_server.h"

/* A server and its clients in one process and on one loop: every wait turns the loop until what is
 * waited for has come, or fails the test at its deadline. */

#define PATIENCE_MS 30000
#define HELD_MAX 16

struct fixture {
    struct event_base *base;
    struct http_server *server;
    struct http_server_options options;
    uint16_t port;
    struct http_ticket held[HELD_MAX];
    size_t held_count;
    struct http_ticket last;
    unsigned requests;
    unsigned gone;
    char path[64];
    char query[64];
    char method[16];
    struct buf body;
    uid_t uid;
    char listener[64];
    unsigned headers;
};

static const struct http_server_options usual = {
    .max_headers_bytes = 8192,
    .max_body_bytes = 1000,
    .max_connections = 20,
    .max_pending = 8,
    .max_held_bytes = 2000,
    .request_deadline_ms = 5000,
    .idle_timeout_s = 20,
    .retry_after_s = 7,
};

static void on_gone(void *arg, struct http_ticket ticket)
{
    struct fixture *fx = arg;
    fx->gone++;
    fx->last = ticket;
}

static void count_header(void *arg, const char *name, const char *value)
{
    (void)name;
    (void)value;
    (*(unsigned *)arg)++;
}

static void handler(void *arg, const struct http_request *request, struct http_ticket ticket)
{
    struct fixture *fx = arg;
    fx->requests++;
    fx->last = ticket;
    fx->uid = request->peer_uid;
    snprintf(fx->path, sizeof(fx->path), "%s", request->path);
    snprintf(fx->query, sizeof(fx->query), "%s", request->query);
    snprintf(fx->method, sizeof(fx->method), "%s", request->method);
    snprintf(fx->listener, sizeof(fx->listener), "%s", request->listener);
    buf_reset(&fx->body);
    buf_append(&fx->body, request->body, request->body_len);
    fx->headers = 0;
    http_request_each_header(request, count_header, &fx->headers);
    if (strcmp(request->path, "/hold") == 0 || strcmp(request->path, "/poll") == 0) {
        assert_true(fx->held_count < HELD_MAX);
        fx->held[fx->held_count++] = ticket;
        if (strcmp(request->path, "/poll") == 0)
            http_server_on_gone(fx->server, ticket, on_gone, fx);
        return;
    }
    struct http_reply_header headers[] = {{"X-Echo", "yes"}, {"X-Bad", "a\r\nX-Smuggled: 1"}};
    struct http_reply reply = {.status = 200,
                               .content_type = "text/plain",
                               .headers = headers,
                               .header_count = strcmp(request->path, "/bad-header") == 0 ? 2 : 1,
                               .body = request->body_len ? request->body : "hello",
                               .body_len = request->body_len ? request->body_len : 5,
                               .close = strcmp(request->path, "/close") == 0};
    assert_int_equal(http_server_reply(fx->server, ticket, &reply), 0);
    assert_int_equal(http_server_reply(fx->server, ticket, &reply), -1);
}

static int listen_tcp(uint16_t *port_out)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(listen(fd, 1024), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    *port_out = ntohs(a.sin_port);
    return fd;
}

static void start(struct fixture *fx, const struct http_server_options *options)
{
    memset(fx, 0, sizeof(*fx));
    fx->options = *options;
    fx->base = event_base_new();
    fx->server = http_server_new(fx->base, options, handler, fx);
    int fd = listen_tcp(&fx->port);
    assert_int_equal(http_server_listen(fx->server, fd, "tcp"), 0);
}

static void turn(struct fixture *fx)
{
    event_base_loop(fx->base, EVLOOP_NONBLOCK);
}

static void release(struct fixture *fx)
{
    for (size_t i = 0; i < fx->held_count; i++)
        http_server_reply_json(fx->server, fx->held[i], 200, "{}");
    fx->held_count = 0;
}

static void stop(struct fixture *fx)
{
    release(fx);
    http_server_free(fx->server);
    turn(fx);
    event_base_free(fx->base);
    buf_free(&fx->body);
}

/* Turns the loop, at most a millisecond at a time, while the condition does not hold. */
#define WAIT_FOR(fx, condition)                                                                    \
    do {                                                                                           \
        int64_t until_ = clock_mono_ms() + PATIENCE_MS;                                            \
        while (!(condition)) {                                                                     \
            if (clock_mono_ms() > until_)                                                          \
                fail_msg("waited in vain for %s", #condition);                                     \
            pause_loop(fx);                                                                        \
        }                                                                                          \
    } while (0)

static void pause_loop(struct fixture *fx)
{
    struct timeval tick = {.tv_usec = 1000};
    event_base_loopexit(fx->base, &tick);
    event_base_loop(fx->base, EVLOOP_ONCE);
}

static int dial(const struct fixture *fx)
{
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons(fx->port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return fd;
}

static void put_bytes(int fd, const char *data, size_t len)
{
    assert_int_equal(send(fd, data, len, MSG_NOSIGNAL), (ssize_t)len);
}

static void put(int fd, const char *text)
{
    put_bytes(fd, text, strlen(text));
}

/* How much of it the socket took. */
static size_t send_some(int fd, const char *data, size_t len)
{
    ssize_t n = send(fd, data, len, MSG_NOSIGNAL);
    return n > 0 ? (size_t)n : 0;
}

/* 1 bytes came, 0 nothing now, -1 the connection is over. */
static int pull(int fd, struct buf *in)
{
    char part[4096];
    ssize_t n = recv(fd, part, sizeof(part), 0);
    if (n > 0)
        buf_append(in, part, (size_t)n);
    return n > 0 ? 1 : n < 0 && errno == EAGAIN ? 0 : -1;
}

struct answer {
    int status; /* 0: none came */
    bool says_close;
    bool closed;
    size_t length;
    char *text; /* own: head and body */
    const char *body;
};

static void answer_free(struct answer *a)
{
    free(a->text);
    memset(a, 0, sizeof(*a));
}

static bool is_whole(const struct buf *in, bool head_only, size_t *length_out)
{
    const char *end = in->data ? strstr(in->data, "\r\n\r\n") : NULL;
    if (!end)
        return false;
    const char *length = strcasestr(in->data, "\r\nContent-Length:");
    *length_out = length && length < end ? strtoul(length + 17, NULL, 10) : 0;
    return head_only || (size_t)(in->data + in->len - (end + 4)) >= *length_out;
}

/* The next answer; rest keeps what came behind it. */
static struct answer get(struct fixture *fx, int fd, struct buf *rest, bool head_only)
{
    struct answer a = {0};
    int64_t until = clock_mono_ms() + PATIENCE_MS;
    while (!is_whole(rest, head_only, &a.length)) {
        if (pull(fd, rest) < 0) {
            a.closed = true;
            return a;
        }
        if (clock_mono_ms() > until)
            fail_msg("no answer");
        pause_loop(fx);
    }
    size_t head = (size_t)(strstr(rest->data, "\r\n\r\n") + 4 - rest->data);
    size_t whole = head + (head_only ? 0 : a.length);
    a.text = strndup(rest->data, whole);
    a.body = a.text + head;
    a.status = atoi(a.text + 9);
    a.says_close = strcasestr(a.text, "\r\nConnection: close") != NULL;
    struct buf left = {0};
    buf_append(&left, rest->data + whole, rest->len - whole);
    buf_free(rest);
    *rest = left;
    return a;
}

static struct answer ask(struct fixture *fx, int fd, const char *request)
{
    struct buf rest = {0};
    put(fd, request);
    struct answer a = get(fx, fd, &rest, strncmp(request, "HEAD", 4) == 0);
    assert_int_equal(rest.len, 0);
    buf_free(&rest);
    return a;
}

static void wait_end(struct fixture *fx, int fd)
{
    struct buf in = {0};
    WAIT_FOR(fx, pull(fd, &in) < 0);
    assert_int_equal(in.len, 0);
    buf_free(&in);
}

static void expect_status(struct fixture *fx, int fd, const char *request, int status)
{
    struct answer a = ask(fx, fd, request);
    assert_int_equal(a.status, status);
    answer_free(&a);
}

#define GET_NOW "GET /now HTTP/1.1\r\nHost: a\r\n\r\n"
#define GET_HOLD "GET /hold HTTP/1.1\r\nHost: a\r\n\r\n"
#define GET_POLL "GET /poll HTTP/1.1\r\nHost: a\r\n\r\n"

/* ---- malformed requests ---- */

struct malformed {
    const char *what;
    const char *raw; /* a second request follows each, and must not be served where it closes */
    size_t len;      /* 0: strlen(raw) */
    int status;
    bool closes;
};

#define P "POST /now HTTP/1.1\r\nHost: a\r\n"
#define G "GET /now HTTP/1.1\r\n"
#define NUL_ROW(text) text, sizeof(text) - 1

/* What evhttp lets through and the guard cannot see stands here too, with its 200, so that a change
 * of either is noticed. */
static const struct malformed rows[] = {
    /* framing */
    {"CL and TE", P "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 0, 400,
     true},
    {"TE and CL", P "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", 0, 400,
     true},
    {"CL twice, differing", P "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello", 0, 400, true},
    {"CL twice, same", P "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello", 0, 400, true},
    {"CL list", P "Content-Length: 5, 5\r\n\r\nhello", 0, 400, true},
    {"CL +5", P "Content-Length: +5\r\n\r\nhello", 0, 400, true},
    {"CL -5", P "Content-Length: -5\r\n\r\nhello", 0, 400, true},
    {"CL with VT", P "Content-Length: \v5\r\n\r\nhello", 0, 400, true},
    {"CL hexadecimal", P "Content-Length: 0x5\r\n\r\nhello", 0, 400, true},
    {"CL with letters", P "Content-Length: 5a\r\n\r\nhello", 0, 400, true},
    {"CL empty", P "Content-Length:\r\n\r\nhello", 0, 400, true},
    {"CL overflow", P "Content-Length: 99999999999999999999\r\n\r\nhello", 0, 413, true},
    {"CL of 16 digits", P "Content-Length: 0000000000000005\r\n\r\nhello", 0, 400, true},
    {"TE xchunked", P "Transfer-Encoding: xchunked\r\n\r\n", 0, 400, true},
    {"TE identity", P "Transfer-Encoding: identity\r\n\r\n", 0, 400, true},
    {"TE gzip, chunked", P "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 0, 400, true},
    {"TE twice", P "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n", 0,
     400, true},
    {"TE in HTTP/1.0",
     "POST /now HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 0, 400, true},
    {"chunked", P "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 0, 411, true},
    {"chunked with a trailer", P "Transfer-Encoding: chunked\r\n\r\n0\r\nX-Signature: x\r\n\r\n", 0,
     411, true},
    {"chunk size 0x5", P "Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n", 0, 411,
     true},
    {"chunk size junk", P "Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n", 0, 413,
     true},
    {"chunk too large", P "Transfer-Encoding: chunked\r\n\r\nffffff\r\n", 0, 413, true},
    /* names and values */
    {"blank before the colon", P "X-A : 1\r\n\r\n", 0, 400, true},
    {"CL with a blank before the colon", P "Content-Length : 5\r\n\r\nhello", 0, 400, true},
    {"empty name", P ": 1\r\n\r\n", 0, 400, true},
    {"name that is no token", P "X(A): 1\r\n\r\n", 0, 400, true},
    {"line without a colon", P "nonsense\r\n\r\n", 0, 400, true},
    {"control byte in a value", P "X-A: a\001b\r\n\r\n", 0, 400, true},
    {"DEL in a value", P "X-A: a\177b\r\n\r\n", 0, 400, true},
    {"bare CR in a value", P "X-A: a\rb\r\n\r\n", 0, 400, true},
    {"NUL in a value", NUL_ROW(P "X-A: a\0b\r\n\r\n"), 200, false},
    {"NUL in a name", NUL_ROW(P "X\0A: a\r\n\r\n"), 400, true},
    {"obs-fold", P "X-A: a\r\n b\r\n\r\n", 0, 200, false},
    {"fold before any field", "GET /now HTTP/1.1\r\n X-A: a\r\n\r\n", 0, 400, true},
    {"bare LF", "GET /now HTTP/1.1\nHost: a\n\n", 0, 200, false},
    /* Host */
    {"no Host", G "\r\n", 0, 400, true},
    {"Host twice", G "Host: a\r\nHost: b\r\n\r\n", 0, 400, true},
    {"Host empty", G "Host:\r\n\r\n", 0, 400, true},
    {"Host with a slash", G "Host: a/b\r\n\r\n", 0, 400, true},
    {"Host with user", G "Host: a@b\r\n\r\n", 0, 400, true},
    {"Host with a blank", G "Host: a b\r\n\r\n", 0, 400, true},
    {"Host list", G "Host: a, b\r\n\r\n", 0, 400, true},
    /* request line */
    {"blank in the target", "GET /a b HTTP/1.1\r\nHost: a\r\n\r\n", 0, 400, true},
    {"8 bit in the target", "GET /\xc3\xa4 HTTP/1.1\r\nHost: a\r\n\r\n", 0, 400, true},
    {"control byte in the target", "GET /\001 HTTP/1.1\r\nHost: a\r\n\r\n", 0, 400, true},
    {"fragment in the target", "GET /now#x HTTP/1.1\r\nHost: a\r\n\r\n", 0, 400, true},
    {"target without a slash", "GET now HTTP/1.1\r\nHost: a\r\n\r\n", 0, 400, true},
    {"absolute target", "GET http://a/now HTTP/1.1\r\nHost: a\r\n\r\n", 0, 400, true},
    {"OPTIONS *", "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 0, 400, true},
    {"CONNECT", "CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", 0, 400, true},
    {"no version", "GET /now\r\nHost: a\r\n\r\n", 0, 400, true},
    {"HTTP/2.0", "GET /now HTTP/2.0\r\nHost: a\r\n\r\n", 0, 400, true},
    {"HTTP/0.9", "GET /now HTTP/0.9\r\nHost: a\r\n\r\n", 0, 400, true},
    {"HTTP/01.1", "GET /now HTTP/01.1\r\nHost: a\r\n\r\n", 0, 200, false},
    {"HTTP/1.1 with junk", "GET /now HTTP/1.1x\r\nHost: a\r\n\r\n", 0, 400, true},
    {"http in small letters", "GET /now http/1.1\r\nHost: a\r\n\r\n", 0, 400, true},
    {"method in small letters", "get /now HTTP/1.1\r\nHost: a\r\n\r\n", 0, 501, true},
    {"unknown method", "BREW /now HTTP/1.1\r\nHost: a\r\n\r\n", 0, 501, true},
    {"HTTP/2 preface", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 0, 400, true},
    {"TLS client hello", "\x16\x03\x01\x02\x01\x01\r\n\r\n", 0, 400, true},
    {"garbage", "%%%%%%\r\n\r\n", 0, 400, true},
    {"HEAD with a body", "HEAD /now HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", 0, 400,
     true},
    {"TRACE with a body", "TRACE /now HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", 0,
     400, true},
    {"CONNECT with a body", "CONNECT /now HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", 0,
     400, true},
    {"HEAD with a chunked body",
     "HEAD /now HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 0, 411, true},
    {"GET with a body", "GET /now HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello", 0, 200,
     false},
    {"other expectation", P "Expect: the worst\r\nContent-Length: 5\r\n\r\nhello", 0, 417, true},
};

static void malformed_requests(void **state)
{
    (void)state;
    unsigned wrong = 0;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct fixture fx;
        start(&fx, &usual);
        int fd = dial(&fx);
        put_bytes(fd, rows[i].raw, rows[i].len ? rows[i].len : strlen(rows[i].raw));
        put(fd, GET_NOW);
        struct buf rest = {0};
        struct answer a = get(&fx, fd, &rest, strncmp(rows[i].raw, "HEAD", 4) == 0);
        struct answer second = {0};
        if (a.status && !a.says_close)
            second = get(&fx, fd, &rest, false);
        bool closes = second.status == 0;
        bool html = a.text && strcasestr(a.text, "<html");
        if (a.status != rows[i].status || closes != rows[i].closes || html ||
            (closes && fx.requests > 0)) {
            print_error("%s: status %d, %s%s, %u served\n%s\n", rows[i].what, a.status,
                        closes ? "closed" : "goes on", html ? ", html" : "", fx.requests,
                        a.text ? a.text : "");
            wrong++;
        }
        if (closes && !a.closed)
            wait_end(&fx, fd);
        answer_free(&a);
        answer_free(&second);
        buf_free(&rest);
        close(fd);
        stop(&fx);
    }
    assert_int_equal(wrong, 0);
}

/* ---- ordinary life ---- */

static void a_request_and_its_answer(void **state)
{
    (void)state;
    struct fixture fx;
    start(&fx, &usual);
    int fd = dial(&fx);
    struct answer a = ask(
        &fx, fd, "POST /now?a=b HTTP/1.1\r\nHost: a\r\nX-Y: z\r\nContent-Length: 5\r\n\r\nwords");
    assert_int_equal(a.status, 200);
    assert_string_equal(a.body, "words");
    assert_non_null(strstr(a.text, "\r\nX-Echo: yes\r\n"));
    assert_non_null(strstr(a.text, "\r\nDate: "));
    assert_false(a.says_close);
    assert_string_equal(fx.path, "/now");
    assert_string_equal(fx.query, "a=b");
    assert_string_equal(fx.method, "POST");
    assert_string_equal(fx.listener, "tcp");
    assert_int_equal(fx.headers, 3);
    assert_true(fx.uid == (uid_t)-1);
    answer_free(&a);
    a = ask(&fx, fd, "HEAD /now HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_int_equal(a.status, 200);
    assert_int_equal(a.length, 5);
    answer_free(&a);
    a = ask(&fx, fd, "GET /bad-header HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_int_equal(a.status, 200);
    assert_null(strcasestr(a.text, "smuggled"));
    answer_free(&a);
    a = ask(&fx, fd, "GET /close HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_true(a.says_close);
    answer_free(&a);
    wait_end(&fx, fd);
    WAIT_FOR(&fx, http_server_connections(fx.server) == 0);
    close(fd);
    stop(&fx);
}

static void pipelined_requests_in_order(void **state)
{
    (void)state;
    struct fixture fx;
    start(&fx, &usual);
    int fd = dial(&fx);
    struct buf rest = {0};
    put(fd, GET_HOLD "POST /now HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\ntwo"
                     "POST /now HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nthree");
    WAIT_FOR(&fx, fx.held_count == 1);
    for (int i = 0; i < 20; i++)
        turn(&fx);
    assert_int_equal(fx.requests, 1);
    assert_int_equal(http_server_reply_json(fx.server, fx.held[0], 202, "{}"), 0);
    static const char *const bodies[] = {"{}", "two", "three"};
    for (size_t i = 0; i < 3; i++) {
        struct answer a = get(&fx, fd, &rest, false);
        assert_int_equal(a.status, i == 0 ? 202 : 200);
        assert_string_equal(a.body, bodies[i]);
        answer_free(&a);
    }
    buf_free(&rest);
    close(fd);
    stop(&fx);
}

static void closes_after_a_thousand_requests(void **state)
{
    (void)state;
    struct fixture fx;
    start(&fx, &usual);
    int fd = dial(&fx);
    for (int i = 1; i <= 1000; i++) {
        struct answer a = ask(&fx, fd, GET_NOW);
        assert_int_equal(a.status, 200);
        assert_int_equal(a.says_close, i == 1000);
        answer_free(&a);
    }
    wait_end(&fx, fd);
    close(fd);
    stop(&fx);
}

static void unix_peers_are_known(void **state)
{
    (void)state;
    struct fixture fx;
    start(&fx, &usual);
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    snprintf(a.sun_path, sizeof(a.sun_path), "/tmp/http_server_test.%d.sock", (int)getpid());
    int listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(listening, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(listen(listening, 16), 0);
    assert_int_equal(http_server_listen(fx.server, listening, "unix:x"), 0);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    fcntl(fd, F_SETFL, O_NONBLOCK);
    expect_status(&fx, fd, GET_NOW, 200);
    assert_true(fx.uid == getuid());
    assert_string_equal(fx.listener, "unix:x");
    close(fd);
    stop(&fx);
    unlink(a.sun_path);
}

static void not_a_listening_socket(void **state)
{
    (void)state;
    struct fixture fx;
    start(&fx, &usual);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(http_server_listen(fx.server, fd, "stray"), -1);
    assert_int_equal(fcntl(fd, F_GETFD), -1);
    stop(&fx);
}

/* ---- sizes and counts ---- */

static void too_large_bodies(void **state)
{
    (void)state;
    struct fixture fx;
    start(&fx, &usual);
    struct buf rest = {0};
    /* by its length, before a byte of it has come */
    int fd = dial(&fx);
    struct answer a = ask(&fx, fd, "POST /now HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n");
    assert_int_equal(a.status, 413);
    assert_string_equal(a.body,
                        "{\"error\":\"the body is too large, or its chunks are malformed\"}");
    answer_free(&a);
    wait_end(&fx, fd);
    close(fd);
    /* by its chunks, of which no more are kept */
    fd = dial(&fx);
    put(fd, "POST /now HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    char chunk[610];
    memset(chunk, 'x', sizeof(chunk));
    memcpy(chunk, "258\r\n", 5);
    memcpy(chunk + 605, "\r\n", 2);
    put_bytes(fd, chunk, 607);
    put_bytes(fd, chunk, 607);
    a = get(&fx, fd, &rest, false);
    assert_int_equal(a.status, 413);
    answer_free(&a);
    close(fd);
    /* by its length, with the body on its way already: the answer is not lost in a reset */
    const size_t size = 40000000;
    char *whole = calloc(1, size);
    memset(whole, 'z', size);
    fd = dial(&fx);
    put(fd, "POST /now HTTP/1.1\r\nHost: a\r\nContent-Length: 40000000\r\n\r\n");
    size_t sent = 0;
    WAIT_FOR(&fx, (sent += send_some(fd, whole + sent, size - sent)) == size);
    a = get(&fx, fd, &rest, false);
    assert_int_equal(a.status, 413);
    answer_free(&a);
    free(whole);
    close(fd);
    /* the largest that fits */
    char post[1200];
    int head = snprintf(post, sizeof(post),
                        "POST /now HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n");
    memset(post + head, 'y', 1000);
    post[head + 1000] = '\0';
    fd = dial(&fx);
    expect_status(&fx, fd, post, 200);
    assert_int_equal(fx.body.len, 1000);
    close(fd);
    buf_free(&rest);
    stop(&fx);
}

static void refused_behind_an_answer(void **state)
{
    (void)state;
    struct fixture fx;
    start(&fx, &usual);
    int fd = dial(&fx);
    expect_status(&fx, fd, GET_NOW, 200);
    struct answer a = ask(&fx, fd, "what is this\r\n\r\n");
    assert_int_equal(a.status, 400);
    assert_int_equal(a.body[0], '{');
    assert_int_equal(http_server_refused(fx.server, 400), 1);
    answer_free(&a);
    close(fd);
    stop(&fx);
}

/* evhttp has said 100 by then. */
static void refused_after_100_continue(void **state)
{
    (void)state;
    static const char continued[] = "HTTP/1.1 100 Continue\r\n\r\n";
    struct fixture fx;
    start(&fx, &usual);
    int fd = dial(&fx);
    struct buf in = {0};
    put(fd, "POST /now HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
            "Transfer-Encoding: chunked\r\n\r\n");
    WAIT_FOR(&fx, pull(fd, &in) < 0 || in.len >= sizeof(continued) - 1);
    assert_string_equal(in.data, continued);
    buf_reset(&in);
    put(fd, "fffff\r\n");
    struct answer a = get(&fx, fd, &in, false);
    assert_int_equal(a.status, 413);
    assert_int_equal(a.body[0], '{');
    assert_int_equal(http_server_refused(fx.server, 413), 1);
    answer_free(&a);
    buf_free(&in);
    close(fd);
    stop(&fx);
}

static void too_long_headers(void **state)
{
    (void)state;
    struct fixture fx;
    struct http_server_options o = usual;
    o.max_held_bytes = 65536;
    start(&fx, &o);
    int fd = dial(&fx);
    char *fill = calloc(1, 9000);
    memset(fill, 'x', 8999);
    put(fd, "GET /now HTTP/1.1\r\nHost: a\r\nX-Long: ");
    put(fd, fill);
    struct buf rest = {0};
    struct answer a = get(&fx, fd, &rest, false);
    assert_int_equal(a.status, 400);
    answer_free(&a);
    close(fd);
    fd = dial(&fx);
    put(fd, "GET /now HTTP/1.1\r\nHost: a\r\n");
    for (int i = 0; i < 200; i++)
        put(fd, "a:\r\n");
    a = ask(&fx, fd, "\r\n");
    assert_int_equal(a.status, 400);
    assert_int_equal(fx.requests, 0);
    answer_free(&a);
    close(fd);
    free(fill);
    buf_free(&rest);
    stop(&fx);
}

static void pending_answers_are_bounded(void **state)
{
    (void)state;
    struct http_server_options o = usual;
    o.max_pending = 2;
    struct fixture fx;
    start(&fx, &o);
    int held[2];
    for (size_t i = 0; i < 2; i++) {
        held[i] = dial(&fx);
        put(held[i], GET_HOLD);
    }
    WAIT_FOR(&fx, http_server_pending(fx.server) == 2);
    int fd = dial(&fx);
    struct answer a = ask(&fx, fd, GET_NOW);
    assert_int_equal(a.status, 503);
    assert_non_null(strstr(a.text, "\r\nRetry-After: 7\r\n"));
    assert_false(a.says_close);
    answer_free(&a);
    release(&fx);
    expect_status(&fx, fd, GET_NOW, 200);
    assert_int_equal(http_server_pending(fx.server), 0);
    close(held[0]);
    close(held[1]);
    close(fd);
    stop(&fx);
}

static void held_bytes_are_bounded(void **state)
{
    (void)state;
    struct http_server_options o = usual;
    o.max_held_bytes = 1500;
    struct fixture fx;
    start(&fx, &o);
    char post[1200];
    int head = snprintf(post, sizeof(post),
                        "POST /hold HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n");
    memset(post + head, 'y', 1000);
    post[head + 1000] = '\0';
    int first = dial(&fx);
    put(first, post);
    WAIT_FOR(&fx, http_server_pending(fx.server) == 1);
    int fd = dial(&fx);
    struct answer a = ask(&fx, fd, post);
    assert_int_equal(a.status, 503);
    answer_free(&a);
    release(&fx);
    put(fd, post);
    WAIT_FOR(&fx, http_server_pending(fx.server) == 1);
    close(first);
    close(fd);
    stop(&fx);
}

/* Bodies that only half arrive are held too. The largest goes first, so that many who never finish
 * do not shut out an honest sender. */
static void arriving_bytes_are_bounded(void **state)
{
    (void)state;
    struct fixture fx;
    start(&fx, &usual);
    char text[1100];
    int fds[3];
    static const int sent[3] = {600, 800, 500}; /* of 1000, with a maximum of 2000 for all */
    for (size_t i = 0; i < 3; i++) {
        memset(text, 'y', sizeof(text));
        int head = snprintf(text, sizeof(text),
                            "POST /now HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n");
        text[head] = 'y';
        fds[i] = dial(&fx);
        put_bytes(fds[i], text, (size_t)(head + sent[i]));
        for (int j = 0; j < 20; j++)
            pause_loop(&fx);
    }
    struct buf rest = {0};
    struct answer a = get(&fx, fds[1], &rest, false);
    assert_int_equal(a.status, 503);
    assert_true(a.says_close);
    assert_non_null(strstr(a.text, "\r\nRetry-After: 7\r\n"));
    answer_free(&a);
    buf_free(&rest);
    wait_end(&fx, fds[1]);
    assert_int_equal(fx.requests, 0);
    assert_int_equal(http_server_refused(fx.server, 503), 1);
    int honest = dial(&fx);
    expect_status(&fx, honest, GET_NOW, 200);
    memset(text, 'y', sizeof(text));
    for (size_t i = 0; i < 3; i += 2) { /* who keeps sending is served */
        put_bytes(fds[i], text, (size_t)(1000 - sent[i]));
        a = get(&fx, fds[i], &rest, false);
        assert_int_equal(a.status, 200);
        answer_free(&a);
        buf_free(&rest);
    }
    for (size_t i = 0; i < 3; i++)
        close(fds[i]);
    close(honest);
    WAIT_FOR(&fx, http_server_connections(fx.server) == 0);
    /* nothing is left in the account: the whole room is there again */
    fds[0] = dial(&fx);
    fds[1] = dial(&fx);
    for (size_t i = 0; i < 2; i++) {
        int head = snprintf(text, sizeof(text),
                            "POST /now HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n");
        text[head] = 'y';
        put_bytes(fds[i], text, (size_t)(head + 900));
    }
    for (int j = 0; j < 50; j++)
        pause_loop(&fx);
    assert_int_equal(http_server_refused(fx.server, 503), 1);
    assert_int_equal(http_server_connections(fx.server), 2);
    close(fds[0]);
    close(fds[1]);
    stop(&fx);
}

static void refusals_are_counted(void **state)
{
    (void)state;
    static const struct {
        const char *request;
        int status;
    } cases[] = {
        {"POST /now HTTP/1.1\r\nContent-Length: 1\r\n\r\nx", 400},
        {"what is this\r\n\r\n", 400},
        {"POST /now HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 411},
        {"POST /now HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n", 413},
        {"POST /now HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nExpect: miracles\r\n\r\nx", 417},
        {"BREW /now HTTP/1.1\r\nHost: a\r\n\r\n", 501},
    };
    struct http_server_options o = usual;
    o.max_pending = 1;
    struct fixture fx;
    start(&fx, &o);
    int fd = dial(&fx);
    expect_status(&fx, fd, GET_NOW, 200);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int64_t before = http_server_refused(fx.server, cases[i].status);
        int bad = dial(&fx);
        expect_status(&fx, bad, cases[i].request, cases[i].status);
        assert_int_equal(http_server_refused(fx.server, cases[i].status), before + 1);
        close(bad);
    }
    int holder = dial(&fx);
    put(holder, GET_HOLD);
    WAIT_FOR(&fx, fx.held_count == 1);
    expect_status(&fx, fd, GET_NOW, 503);
    assert_int_equal(http_server_refused(fx.server, 503), 1);
    assert_int_equal(http_server_refused(fx.server, 0), 0);
    assert_int_equal(fx.requests, 2);
    close(fd);
    close(holder);
    stop(&fx);
}

static void connections_are_bounded(void **state)
{
    (void)state;
    struct http_server_options o = usual;
    o.max_connections = 5;
    struct fixture fx;
    start(&fx, &o);
    int fds[12];
    for (size_t i = 0; i < 12; i++)
        fds[i] = dial(&fx);
    WAIT_FOR(&fx, http_server_connections(fx.server) == 5);
    int64_t until = clock_mono_ms() + 600; /* more than two sweeps */
    while (clock_mono_ms() < until) {
        pause_loop(&fx);
        assert_in_range(http_server_connections(fx.server), 0, 5);
    }
    /* who waits in the backlog is served when others leave */
    for (size_t i = 0; i < 11; i++)
        close(fds[i]);
    expect_status(&fx, fds[11], GET_NOW, 200);
    close(fds[11]);
    WAIT_FOR(&fx, http_server_connections(fx.server) == 0);
    stop(&fx);
}

/* Who says nothing, or drips, must not keep the next sender out for the whole deadline. A pending
 * answer is kept. */
static void a_crowd_of_silent_clients_makes_room(void **state)
{
    (void)state;
    struct http_server_options o = usual;
    o.max_connections = 4;
    o.request_deadline_ms = 20000;
    struct fixture fx;
    start(&fx, &o);
    int holder = dial(&fx);
    int silent = dial(&fx);
    int dripper = dial(&fx);
    int keeper = dial(&fx);
    put(holder, GET_HOLD);
    put(dripper, "POST /now HTTP/1.1\r\n");
    expect_status(&fx, keeper, GET_NOW, 200);
    WAIT_FOR(&fx, http_server_pending(fx.server) == 1);
    int honest[3];
    int64_t began = clock_mono_ms();
    for (size_t i = 0; i < 3; i++) {
        honest[i] = dial(&fx);
        put(honest[i], GET_NOW);
    }
    struct buf in = {0};
    for (size_t i = 0; i < 3; i++) {
        struct answer a = get(&fx, honest[i], &in, false);
        assert_int_equal(a.status, 200);
        answer_free(&a);
    }
    assert_in_range(clock_mono_ms() - began, 0, 10000);
    wait_end(&fx, silent);
    wait_end(&fx, keeper);
    assert_int_equal(http_server_reply_json(fx.server, fx.held[0], 201, "{}"), 0);
    struct answer a = get(&fx, holder, &in, false);
    assert_int_equal(a.status, 201);
    answer_free(&a);
    buf_free(&in);
    for (size_t i = 0; i < 3; i++)
        close(honest[i]);
    close(holder);
    close(silent);
    close(dripper);
    close(keeper);
    stop(&fx);
}

static void no_descriptors_left(void **state)
{
    (void)state;
    const char *preload = getenv("LD_PRELOAD");
    if (preload && strstr(preload, "vgpreload"))
        skip(); /* valgrind plays the limit by accepting and closing */
    struct fixture fx;
    start(&fx, &usual);
    int waiting[3];
    for (size_t i = 0; i < 3; i++)
        waiting[i] = dial(&fx);
    struct rlimit before;
    getrlimit(RLIMIT_NOFILE, &before);
    struct rlimit low = {.rlim_cur = (rlim_t)waiting[2] + 1, .rlim_max = before.rlim_max};
    setrlimit(RLIMIT_NOFILE, &low);
    log_setup(LOG_LEVEL_ERROR, false);
    unsigned turns = 0;
    int64_t until = clock_mono_ms() + 500;
    while (clock_mono_ms() < until) {
        struct timeval left = {.tv_usec = 500000};
        event_base_loopexit(fx.base, &left);
        event_base_loop(fx.base, EVLOOP_ONCE);
        turns++;
    }
    assert_true(turns < 20); /* it does not spin */
    assert_int_equal(http_server_connections(fx.server), 0);
    setrlimit(RLIMIT_NOFILE, &before);
    for (size_t i = 0; i < 3; i++)
        expect_status(&fx, waiting[i], GET_NOW, 200);
    for (size_t i = 0; i < 3; i++)
        close(waiting[i]);
    stop(&fx);
}

/* ---- time ---- */

static void dripping_is_cut_holding_is_not(void **state)
{
    (void)state;
    struct http_server_options o = usual;
    o.request_deadline_ms = 700;
    struct fixture fx;
    start(&fx, &o);
    int holder = dial(&fx);
    int silent = dial(&fx);
    int dripper = dial(&fx);
    int keeper = dial(&fx);
    put(holder, GET_HOLD);
    put(dripper, "POST /now HTTP/1.1\r\nHost: a\r\nContent-Length: 900\r\n\r\n");
    expect_status(&fx, keeper, GET_NOW, 200);
    int64_t began = clock_mono_ms();
    int64_t cut = 0;
    int64_t next = 0;
    struct buf in = {0};
    while (!cut && clock_mono_ms() - began < PATIENCE_MS) {
        if (clock_mono_ms() >= next) {
            send(dripper, "x", 1, MSG_NOSIGNAL);
            next = clock_mono_ms() + 50;
        }
        if (pull(dripper, &in) < 0)
            cut = clock_mono_ms();
        pause_loop(&fx);
    }
    assert_in_range(cut - began, 600, PATIENCE_MS);
    assert_non_null(in.data);
    assert_int_equal(strncmp(in.data, "HTTP/1.1 408 ", 13), 0);
    assert_non_null(strstr(in.data, "\r\nConnection: close\r\n"));
    assert_int_equal(http_server_refused(fx.server, 408), 1);
    buf_reset(&in);
    wait_end(&fx, silent);
    WAIT_FOR(&fx, clock_mono_ms() - began > 1500);
    /* the pending answer and the idle keep-alive connection have outlived the deadline */
    assert_int_equal(http_server_pending(fx.server), 1);
    assert_int_equal(http_server_reply_json(fx.server, fx.held[0], 201, "{}"), 0);
    struct answer a = get(&fx, holder, &in, false);
    assert_int_equal(a.status, 201);
    answer_free(&a);
    expect_status(&fx, keeper, GET_NOW, 200);
    /* a request that begins on an idle connection has the deadline from its first byte */
    began = clock_mono_ms();
    expect_status(&fx, keeper, "GET /now HTTP/1.1\r\n", 408);
    assert_in_range(clock_mono_ms() - began, 600, PATIENCE_MS);
    wait_end(&fx, keeper);
    buf_free(&in);
    close(holder);
    close(silent);
    close(dripper);
    close(keeper);
    stop(&fx);
}

static void idle_connections_end(void **state)
{
    (void)state;
    struct http_server_options o = usual;
    o.idle_timeout_s = 1;
    struct fixture fx;
    start(&fx, &o);
    int fd = dial(&fx);
    expect_status(&fx, fd, GET_NOW, 200);
    int64_t began = clock_mono_ms();
    wait_end(&fx, fd);
    assert_in_range(clock_mono_ms() - began, 800, PATIENCE_MS);
    WAIT_FOR(&fx, http_server_connections(fx.server) == 0);
    close(fd);
    stop(&fx);
}

/* ---- clients that leave ---- */

static void tickets_are_good_once(void **state)
{
    (void)state;
    struct fixture fx;
    start(&fx, &usual);
    int fd = dial(&fx);
    put(fd, GET_HOLD);
    WAIT_FOR(&fx, fx.held_count == 1);
    struct http_ticket first = fx.held[0];
    assert_int_equal(http_server_reply_json(fx.server, first, 200, "{}"), 0);
    assert_int_equal(http_server_reply_json(fx.server, first, 200, "{}"), -1);
    struct buf rest = {0};
    struct answer a = get(&fx, fd, &rest, false);
    answer_free(&a);
    put(fd, GET_HOLD);
    WAIT_FOR(&fx, fx.held_count == 2);
    assert_int_equal(fx.held[1].slot, first.slot);
    assert_int_equal(http_server_reply_json(fx.server, first, 200, "{}"), -1);
    http_server_on_gone(fx.server, first, on_gone, &fx);
    assert_int_equal(http_server_pending(fx.server), 1);
    struct http_ticket wild = {.slot = 4000, .generation = 0};
    assert_int_equal(http_server_reply_json(fx.server, wild, 200, "{}"), -1);
    buf_free(&rest);
    close(fd);
    stop(&fx);
}

static void reset_by_client(int fd)
{
    struct linger hard = {.l_onoff = 1, .l_linger = 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
    close(fd);
}

static void client_gone_before_the_answer(void **state)
{
    (void)state;
    for (int reset = 0; reset < 2; reset++) {
        struct fixture fx;
        start(&fx, &usual);
        int fd = dial(&fx);
        put(fd, GET_HOLD);
        WAIT_FOR(&fx, fx.held_count == 1);
        if (reset)
            reset_by_client(fd);
        else
            close(fd);
        for (int i = 0; i < 20; i++)
            turn(&fx);
        assert_int_equal(http_server_pending(fx.server), 1);
        http_server_reply_json(fx.server, fx.held[0], 200, "{}");
        WAIT_FOR(&fx, http_server_connections(fx.server) == 0);
        fx.held_count = 0;
        stop(&fx);
    }
}

static void half_closed_clients_get_their_answer(void **state)
{
    (void)state;
    struct fixture fx;
    start(&fx, &usual);
    int fd = dial(&fx);
    put(fd, GET_HOLD);
    shutdown(fd, SHUT_WR);
    WAIT_FOR(&fx, fx.held_count == 1);
    release(&fx);
    struct buf rest = {0};
    struct answer a = get(&fx, fd, &rest, false);
    assert_int_equal(a.status, 200);
    answer_free(&a);
    buf_free(&rest);
    close(fd);
    stop(&fx);
}

enum leaving { CLOSES, RESETS, HALF_CLOSES, PIPELINES_AND_RESETS, PIPELINES_AND_CLOSES };

static void parked_polls_notice(void **state)
{
    (void)state;
    for (int how = CLOSES; how <= PIPELINES_AND_CLOSES; how++) {
        struct fixture fx;
        start(&fx, &usual);
        int fd = dial(&fx);
        put(fd, GET_POLL);
        WAIT_FOR(&fx, fx.held_count == 1);
        if (how == PIPELINES_AND_RESETS || how == PIPELINES_AND_CLOSES) {
            put(fd, GET_NOW);
            unsigned turns = 0;
            int64_t until = clock_mono_ms() + 100;
            while (clock_mono_ms() < until) {
                struct timeval left = {.tv_usec = 100000};
                event_base_loopexit(fx.base, &left);
                event_base_loop(fx.base, EVLOOP_ONCE);
                turns++;
            }
            assert_true(turns < 20);
            assert_int_equal(fx.gone, 0);
        }
        if (how == RESETS || how == PIPELINES_AND_RESETS)
            reset_by_client(fd);
        else if (how == HALF_CLOSES)
            shutdown(fd, SHUT_WR);
        else
            close(fd);
        WAIT_FOR(&fx, fx.gone == 1);
        assert_int_equal(http_server_pending(fx.server), 0);
        assert_int_equal(http_server_reply_json(fx.server, fx.held[0], 200, "{}"), -1);
        WAIT_FOR(&fx, http_server_connections(fx.server) == 0);
        assert_int_equal(fx.gone, 1);
        assert_int_equal(fx.requests, 1);
        fx.held_count = 0;
        if (how == HALF_CLOSES)
            close(fd);
        stop(&fx);
    }
}

static void an_answered_poll_is_not_called_back(void **state)
{
    (void)state;
    struct fixture fx;
    start(&fx, &usual);
    int fd = dial(&fx);
    put(fd, GET_POLL);
    WAIT_FOR(&fx, fx.held_count == 1);
    release(&fx);
    struct buf rest = {0};
    struct answer a = get(&fx, fd, &rest, false);
    assert_int_equal(a.status, 200);
    answer_free(&a);
    expect_status(&fx, fd, GET_NOW, 200); /* the connection is as good as before */
    close(fd);
    WAIT_FOR(&fx, http_server_connections(fx.server) == 0);
    assert_int_equal(fx.gone, 0);
    buf_free(&rest);
    stop(&fx);
}

/* ---- drain ---- */

static void drain_answers_and_closes(void **state)
{
    (void)state;
    struct fixture fx;
    start(&fx, &usual);
    int holder = dial(&fx);
    int idle = dial(&fx);
    int late = dial(&fx);
    put(holder, GET_HOLD);
    expect_status(&fx, idle, GET_NOW, 200);
    expect_status(&fx, late, GET_NOW, 200);
    WAIT_FOR(&fx, fx.held_count == 1);
    http_server_drain(fx.server, 2000);
    int64_t began = clock_mono_ms();
    struct sockaddr_in a4 = {.sin_family = AF_INET,
                             .sin_port = htons(fx.port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int refused = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(refused, (struct sockaddr *)&a4, sizeof(a4)), -1);
    close(refused);
    /* a keep-alive client that comes within the grace is served, and told to go */
    struct answer a = ask(&fx, late, GET_NOW);
    assert_int_equal(a.status, 200);
    assert_true(a.says_close);
    answer_free(&a);
    wait_end(&fx, late);
    wait_end(&fx, idle);
    assert_in_range(clock_mono_ms() - began, 1900, PATIENCE_MS);
    assert_int_equal(http_server_pending(fx.server), 1);
    release(&fx);
    struct buf rest = {0};
    a = get(&fx, holder, &rest, false);
    assert_int_equal(a.status, 200);
    assert_true(a.says_close);
    answer_free(&a);
    WAIT_FOR(&fx, http_server_connections(fx.server) == 0);
    buf_free(&rest);
    close(holder);
    close(idle);
    close(late);
    stop(&fx);
}

static void freeing_with_clients_connected(void **state)
{
    (void)state;
    struct fixture fx;
    start(&fx, &usual);
    int fresh = dial(&fx);
    int reading = dial(&fx);
    int idle = dial(&fx);
    put(reading, "GET /now HT");
    expect_status(&fx, idle, GET_NOW, 200);
    WAIT_FOR(&fx, http_server_connections(fx.server) == 3);
    stop(&fx);
    close(fresh);
    close(reading);
    close(idle);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(malformed_requests),
        cmocka_unit_test(a_request_and_its_answer),
        cmocka_unit_test(pipelined_requests_in_order),
        cmocka_unit_test(closes_after_a_thousand_requests),
        cmocka_unit_test(unix_peers_are_known),
        cmocka_unit_test(not_a_listening_socket),
        cmocka_unit_test(too_large_bodies),
        cmocka_unit_test(refused_behind_an_answer),
        cmocka_unit_test(refused_after_100_continue),
        cmocka_unit_test(too_long_headers),
        cmocka_unit_test(pending_answers_are_bounded),
        cmocka_unit_test(held_bytes_are_bounded),
        cmocka_unit_test(arriving_bytes_are_bounded),
        cmocka_unit_test(refusals_are_counted),
        cmocka_unit_test(connections_are_bounded),
        cmocka_unit_test(a_crowd_of_silent_clients_makes_room),
        cmocka_unit_test(no_descriptors_left),
        cmocka_unit_test(dripping_is_cut_holding_is_not),
        cmocka_unit_test(idle_connections_end),
        cmocka_unit_test(tickets_are_good_once),
        cmocka_unit_test(client_gone_before_the_answer),
        cmocka_unit_test(half_closed_clients_get_their_answer),
        cmocka_unit_test(parked_polls_notice),
        cmocka_unit_test(an_answered_poll_is_not_called_back),
        cmocka_unit_test(drain_answers_and_closes),
        cmocka_unit_test(freeing_with_clients_connected),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

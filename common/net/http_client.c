/* A call is one easy handle on the client's multi handle. libcurl tells us which descriptors to
 * watch and when to wake it; results are read after each wake, the handle is removed, and only then
 * the callback runs. So callbacks may start and cancel calls, and libcurl is never entered from
 * inside its own callbacks. */
#include "common/net/http_client.h"

#include <assert.h>
#include <curl/curl.h>
#include <errno.h>
#include <event2/event.h>
#include <openssl/x509_vfy.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include "common/base/xalloc.h"
#include "common/net/http_collect.h"
#include "common/net/http_request.h"
#include "common/net/socket_paths.h"

/* libcurl does not time a call that waits for a connection of its own; our guard does. It comes a
 * little later, so that libcurl's own words win where both are due. */
#define GUARD_MS 250
/* How long a server may take to notice that we have hung up. */
#define HANG_UP_MS 1000

struct call {
    TAILQ_ENTRY(call) link;
    struct http_client *client; /* borrowed: owns us */
    uint64_t id;
    CURL *easy;                 /* own */
    struct curl_slist *lines;   /* own: the request's header lines */
    struct event *guard;        /* own */
    struct http_collect answer; /* its buffers are owned */
    char error[CURL_ERROR_SIZE];
    char *refused; /* own: what the guard had against an address, or NULL */
    http_refuse_fn *refuse;
    void *refuse_arg;     /* borrowed until the end of the call */
    bool added;           /* on the multi handle */
    curl_socket_t socket; /* borrowed: libcurl's, while the call has one */
    bool secret;
    size_t body_len;
    http_answer_cb *done;
    void *arg;
};

struct watch { /* a descriptor of libcurl's that we watch */
    LIST_ENTRY(watch) link;
    struct event *event; /* own */
};

struct http_client {
    struct event_base *base; /* borrowed: the process's */
    CURLM *multi;            /* own */
    struct event *timer;     /* own: libcurl's one timer */
    TAILQ_HEAD(, call) calls;
    LIST_HEAD(, watch) watches;
    struct socket_paths *paths; /* own */
    uint64_t last_id;
    bool finishing; /* a callback runs: the client must not be freed now */
};

static struct timeval ms_to_timeval(int64_t ms)
{
    return (struct timeval){.tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000};
}

/* ---- the end of a call ---- */

static void wipe_answer(struct http_collect *answer)
{
    if (answer->body.data)
        explicit_bzero(answer->body.data, answer->body.cap);
}

static void call_free(struct call *call)
{
    if (call->added)
        curl_multi_remove_handle(call->client->multi, call->easy);
    TAILQ_REMOVE(&call->client->calls, call, link);
    curl_easy_cleanup(call->easy);
    for (struct curl_slist *line = call->secret ? call->lines : NULL; line; line = line->next)
        explicit_bzero(line->data, strlen(line->data));
    curl_slist_free_all(call->lines);
    event_free(call->guard);
    if (call->secret)
        wipe_answer(&call->answer);
    http_collect_free(&call->answer);
    free(call->refused);
    free(call);
}

static enum http_outcome outcome_of(const struct call *call, CURLcode code)
{
    long sent = 0;
    curl_easy_getinfo(call->easy, CURLINFO_REQUEST_SIZE, &sent);
    /* libcurl takes a head that was cut off for a whole one. */
    if (code == CURLE_OK)
        return call->answer.head_done ? HTTP_ANSWERED : HTTP_BROKEN;
    /* libcurl's way to say that one line of the head is longer than it takes. */
    if (call->answer.too_large || code == CURLE_OUT_OF_MEMORY)
        return HTTP_TOO_LARGE;
    if (sent == 0)
        return HTTP_UNREACHABLE;
    return code == CURLE_OPERATION_TIMEDOUT ? HTTP_TIMEOUT : HTTP_BROKEN;
}

static bool is_unknown_authority(long verified)
{
    return verified == X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT ||
           verified == X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN ||
           verified == X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY ||
           verified == X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE;
}

/* What to do about a failure that libcurl's words leave open, or NULL. */
static const char *fix_for(const struct call *call, CURLcode code)
{
    long verified = 0;
    curl_easy_getinfo(call->easy, CURLINFO_SSL_VERIFYRESULT, &verified);
    switch (code) {
    case CURLE_PEER_FAILED_VERIFICATION:
        return is_unknown_authority(verified) ? "name the authority that signed it in ca_file"
                                              : NULL;
    case CURLE_SSL_CACERT_BADFILE:
        return "ca_file must hold certificates in PEM form";
    case CURLE_SSL_CERTPROBLEM:
        return "cert_file and key_file must be a pair in PEM form, the key without a pass phrase";
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_UNSUPPORTED_PROTOCOL:
        return "check the URL's port, and whether it is http or https";
    default:
        return NULL;
    }
}

/* In words (malloc). */
static char *words_for(const struct call *call, enum http_outcome outcome, CURLcode code)
{
    if (outcome == HTTP_TOO_LARGE)
        return xstrdup("the answer is larger than allowed");
    if (code == CURLE_OK)
        return xstrdup("the connection ended inside the answer's head");
    if (outcome == HTTP_UNREACHABLE && call->refused)
        return xstrdup(call->refused);
    const char *what = call->error[0] ? call->error : curl_easy_strerror(code);
    const char *fix = fix_for(call, code);
    return fix ? xasprintf("%s: %s", what, fix) : xstrdup(what);
}

/* Runs the callback of a call that is over, and frees the call before it. */
static void finish(struct call *call, CURLcode code)
{
    struct http_client *client = call->client;
    long status = 0;
    if (call->added) {
        curl_multi_remove_handle(client->multi, call->easy);
        call->added = false;
    }
    curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    enum http_outcome outcome = outcome_of(call, code);
    bool answered = outcome == HTTP_ANSWERED;
    bool has_status = answered || (outcome == HTTP_TOO_LARGE && call->answer.head_done);
    struct http_collect got = call->answer;
    call->answer = (struct http_collect){0};
    buf_append(&got.body, "", 0);
    struct http_header *headers = http_collect_headers(&got);
    char *error = answered ? xstrdup("") : words_for(call, outcome, code);
    struct http_answer answer = {
        .outcome = outcome,
        .status = has_status ? (int)status : 0,
        .error = error,
        .body = got.body.data,
        .body_len = got.body.len,
        .first_byte_mono_ms = got.first_byte_mono_ms,
        .headers = headers,
        .header_count = got.header_count,
    };
    http_answer_cb *done = call->done;
    void *arg = call->arg;
    bool secret = call->secret;
    call_free(call);
    client->finishing = true;
    done(arg, &answer);
    client->finishing = false;
    free(error);
    free(headers);
    if (secret)
        wipe_answer(&got);
    http_collect_free(&got);
}

static void finish_completed(struct http_client *client)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(client->multi, &left))) {
        if (message->msg != CURLMSG_DONE)
            continue;
        CURLcode code = message->data.result;
        struct call *call = NULL;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&call);
        finish(call, code);
    }
}

static void on_guard(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct call *call = arg;
    if (call->added)
        strcpy(call->error, "no answer in time");
    finish(call, CURLE_OPERATION_TIMEDOUT);
}

/* ---- libcurl's descriptors and timer ---- */

static void on_ready(evutil_socket_t fd, short what, void *arg)
{
    struct http_client *client = arg;
    int flags = (what & EV_READ ? CURL_CSELECT_IN : 0) | (what & EV_WRITE ? CURL_CSELECT_OUT : 0);
    int running;
    curl_multi_socket_action(client->multi, fd, flags, &running);
    finish_completed(client);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct http_client *client = arg;
    int running;
    curl_multi_socket_action(client->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    finish_completed(client);
}

static int set_timer(CURLM *multi, long timeout_ms, void *arg)
{
    (void)multi;
    struct http_client *client = arg;
    if (timeout_ms < 0) {
        evtimer_del(client->timer);
    } else {
        struct timeval tv = ms_to_timeval(timeout_ms);
        evtimer_add(client->timer, &tv);
    }
    return 0;
}

static void unwatch(struct watch *watch)
{
    if (!watch)
        return;
    LIST_REMOVE(watch, link);
    event_free(watch->event);
    free(watch);
}

static int watch_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *known)
{
    struct http_client *client = arg;
    struct call *call = NULL;
    curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&call);
    if (call)
        call->socket = what == CURL_POLL_REMOVE ? CURL_SOCKET_BAD : fd;
    unwatch(known);
    if (what == CURL_POLL_REMOVE) {
        curl_multi_assign(client->multi, fd, NULL);
        return 0;
    }
    short events = (short)((what & CURL_POLL_IN ? EV_READ : 0) |
                           (what & CURL_POLL_OUT ? EV_WRITE : 0) | EV_PERSIST);
    struct watch *watch = xcalloc(1, sizeof(*watch));
    watch->event = event_new(client->base, fd, events, on_ready, client);
    assert(watch->event);
    event_add(watch->event, NULL);
    LIST_INSERT_HEAD(&client->watches, watch, link);
    curl_multi_assign(client->multi, fd, watch);
    return 0;
}

/* ---- what the answer brings ---- */

static size_t take_body(char *data, size_t size, size_t count, void *arg)
{
    struct call *call = arg;
    return http_collect_body(&call->answer, data, size * count) ? size * count : 0;
}

static size_t take_header_line(char *data, size_t size, size_t count, void *arg)
{
    struct call *call = arg;
    return http_collect_header_line(&call->answer, data, size * count) ? size * count : 0;
}

/* ---- starting a call ---- */

static void set_sinks(CURL *easy, struct call *call)
{
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, take_header_line);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, call);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->error);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, call);
}

/* The one place that sees the address which is dialled. */
static curl_socket_t open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct call *call = arg;
    (void)purpose;
    char *refused = call->refuse ? call->refuse(call->refuse_arg, &address->addr) : NULL;
    if (!refused)
        return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    free(call->refused);
    call->refused = refused;
    return CURL_SOCKET_BAD;
}

static void set_connecting(struct call *call, const struct http_call *what)
{
    call->refuse = what->refuse;
    call->refuse_arg = what->refuse_arg;
    curl_easy_setopt(call->easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(call->easy, CURLOPT_OPENSOCKETDATA, call);
}

/* Hands the call to libcurl; false (with call->error) where its Unix socket has no usable path. */
static bool launch(struct call *call, const struct http_call *what)
{
    struct http_client *client = call->client;
    if (what->unix_socket) {
        const char *path = socket_paths_fit(client->paths, what->unix_socket);
        if (!path) {
            snprintf(call->error, sizeof(call->error), "%s: %s", what->unix_socket,
                     strerror(errno));
            return false;
        }
        curl_easy_setopt(call->easy, CURLOPT_UNIX_SOCKET_PATH, path);
    }
    CURLMcode code = curl_multi_add_handle(client->multi, call->easy);
    assert(code == CURLM_OK);
    call->added = true;
    return true;
}

uint64_t http_client_send(struct http_client *client, const struct http_call *what,
                          http_answer_cb *done, void *arg)
{
    assert(what->timeout_ms > 0 && what->response_cap_bytes > 0);
    struct call *call = xcalloc(1, sizeof(*call));
    call->client = client;
    call->id = ++client->last_id;
    call->answer.cap_bytes = what->response_cap_bytes;
    call->socket = CURL_SOCKET_BAD;
    call->done = done;
    call->arg = arg;
    call->secret = what->secret;
    call->body_len = what->body_len;
    call->guard = evtimer_new(client->base, on_guard, call);
    call->easy = curl_easy_init();
    assert(call->guard && call->easy);
    TAILQ_INSERT_TAIL(&client->calls, call, link);
    call->lines = http_request_describe(call->easy, what);
    set_sinks(call->easy, call);
    set_connecting(call, what);
    struct timeval guard = ms_to_timeval(launch(call, what) ? what->timeout_ms + GUARD_MS : 0);
    evtimer_add(call->guard, &guard);
    return call->id;
}

static struct call *find(const struct http_client *client, uint64_t id)
{
    struct call *call;
    TAILQ_FOREACH(call, &client->calls, link)
    {
        if (call->id == id)
            return call;
    }
    return NULL;
}

void http_client_cancel(struct http_client *client, uint64_t id)
{
    struct call *call = find(client, id);
    if (call)
        call_free(call);
}

static bool is_sent(const struct call *call)
{
    long head = 0;
    curl_off_t body = 0;
    curl_easy_getinfo(call->easy, CURLINFO_REQUEST_SIZE, &head);
    curl_easy_getinfo(call->easy, CURLINFO_SIZE_UPLOAD_T, &body);
    return call->socket != CURL_SOCKET_BAD && head > 0 && (size_t)body == call->body_len;
}

bool http_client_hang_up(struct http_client *client, uint64_t id)
{
    const struct timeval patience = ms_to_timeval(HANG_UP_MS);
    struct call *call = find(client, id);
    if (!call)
        return false;
    if (!is_sent(call) || shutdown(call->socket, SHUT_WR) != 0) {
        call_free(call);
        return false;
    }
    evtimer_add(call->guard, &patience);
    return true;
}

/* ---- the client ---- */

struct http_client *http_client_new(struct event_base *base, long max_connections_per_host)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        abort();
    struct http_client *client = xcalloc(1, sizeof(*client));
    client->base = base;
    TAILQ_INIT(&client->calls);
    LIST_INIT(&client->watches);
    client->paths = socket_paths_new();
    client->timer = evtimer_new(base, on_timer, client);
    client->multi = curl_multi_init();
    assert(client->timer && client->multi);
    curl_multi_setopt(client->multi, CURLMOPT_SOCKETFUNCTION, watch_socket);
    curl_multi_setopt(client->multi, CURLMOPT_SOCKETDATA, client);
    curl_multi_setopt(client->multi, CURLMOPT_TIMERFUNCTION, set_timer);
    curl_multi_setopt(client->multi, CURLMOPT_TIMERDATA, client);
    curl_multi_setopt(client->multi, CURLMOPT_MAX_HOST_CONNECTIONS, max_connections_per_host);
    curl_multi_setopt(client->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
    return client;
}

void http_client_free(struct http_client *client)
{
    if (!client)
        return;
    assert(!client->finishing);
    while (!TAILQ_EMPTY(&client->calls))
        call_free(TAILQ_FIRST(&client->calls));
    curl_multi_cleanup(client->multi); /* calls watch_socket for what is still open */
    while (!LIST_EMPTY(&client->watches))
        unwatch(LIST_FIRST(&client->watches));
    event_free(client->timer);
    socket_paths_free(client->paths);
    free(client);
    curl_global_cleanup();
}

const char *http_answer_header(const struct http_answer *answer, const char *name)
{
    for (size_t i = 0; i < answer->header_count; i++) {
        if (!strcasecmp(answer->headers[i].name, name))
            return answer->headers[i].value;
    }
    return NULL;
}

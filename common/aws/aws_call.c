/* A call goes through attempts: wait for a signing key, sign, send, judge the answer, and wait
 * again where another attempt may help. One timer per call serves both waits. */
#include "common/aws/aws_call.h"

#include <assert.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "common/aws/answer.h"
#include "common/aws/clock_skew.h"
#include "common/aws/material.h"
#include "common/aws/retry_quota.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/noise.h"
#include "common/base/xalloc.h"

#define KEY_POLL_MS 50
#define ANSWER_CAP_BYTES 1048576
#define OWN_HEADERS_MAX 5 /* host, x-amz-date, content hash, token, authorization */

/* The answer that a key got which the service did not take. */
struct refusal {
    enum aws_class class;
    char code[96];
    char message[512];
    int64_t version;       /* of the key */
    int64_t until_mono_ms; /* no newer one is waited for after it */
};

/* What is known of a service from all calls to it. */
struct service {
    LIST_ENTRY(service) link;
    char *identity, *name; /* own */
    struct retry_quota quota;
    struct clock_skew skew;
};

struct call {
    TAILQ_ENTRY(call) link;
    struct aws_client *client; /* borrowed: owns us */
    struct service *service;   /* borrowed: the client's */
    uint64_t id;
    struct aws_endpoint endpoint;
    struct aws_request request; /* its strings and headers are owned, its body is borrowed */
    char *url;                  /* own: with path and query */
    char *host;                 /* own: as it goes on the wire */
    char body_hash[SIGV4_HEX_BYTES];
    int64_t deadline_mono_ms;
    int64_t started_mono_ms;
    int attempts;
    int64_t key_version;     /* of the last attempt's key */
    struct refusal *refusal; /* own: while a newer key is waited for; else NULL */
    bool was_refused;
    bool was_redated;
    bool hung_up;
    int retry_cost;      /* of the last retry, 0 before the first */
    uint64_t http_id;    /* 0: nothing is under way */
    struct event *timer; /* own */
    aws_reply_cb *done;
    aws_release_cb *release;
    void *arg;
};

struct aws_client {
    struct event_base *base;         /* borrowed: the process's */
    const struct material *material; /* borrowed: the worker's, outlives us */
    struct aws_key_hooks hooks;      /* its functions are NULL where nobody is asked */
    struct http_client *others;      /* own */
    struct http_client *polls;       /* own: a send never queues behind parked polls */
    TAILQ_HEAD(, call) calls;
    LIST_HEAD(, service) services;
    uint64_t last_id;
};

/* ---- the end ---- */

static void free_request(struct aws_request *r)
{
    for (size_t i = 0; i < r->header_count; i++) {
        free((char *)r->headers[i].name);
        free((char *)r->headers[i].value);
    }
    free((struct http_header *)r->headers);
    free((char *)r->method);
    free((char *)r->path);
    free((char *)r->query);
}

static struct http_client *transport(const struct call *call)
{
    return call->request.long_poll ? call->client->polls : call->client->others;
}

static void call_free(struct call *call)
{
    if (call->http_id)
        http_client_cancel(transport(call), call->http_id);
    TAILQ_REMOVE(&call->client->calls, call, link);
    event_free(call->timer);
    free_request(&call->request);
    free(call->url);
    free(call->host);
    free(call->refusal);
    if (call->release)
        call->release(call->arg);
    free(call);
}

/* Runs the callback. The id is void before it, so cancelling the call from inside does nothing. */
static void finish(struct call *call, struct aws_reply *reply)
{
    reply->attempts = call->attempts;
    call->id = 0;
    call->done(call->arg, reply);
    call_free(call);
}

static void finish_without_answer(struct call *call, enum aws_class class, const char *code,
                                  const char *message)
{
    struct aws_reply reply = {.class = class, .code = code, .message = message, .body = ""};
    finish(call, &reply);
}

/* ---- another attempt ---- */

static int64_t retry_hint_ms(const struct http_answer *answer)
{
    const char *text = http_answer_header(answer, "x-amz-retry-after");
    long hint = text ? strtol(text, NULL, 10) : 0;
    return hint > 0 ? hint : 0;
}

static void wait_ms(struct call *call, int64_t ms)
{
    struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000};
    evtimer_add(call->timer, &tv);
}

/* Whether the call goes on: then its timer is set. */
static bool retries(struct call *call, const struct http_answer *answer, enum aws_class class)
{
    if (!aws_worth_retry(class) || call->attempts >= call->request.max_attempts)
        return false;
    int64_t delay_ms = aws_retry_delay_ms(class, call->attempts, noise_01(), retry_hint_ms(answer));
    int cost = retry_quota_cost(class);
    if (clock_mono_ms() + delay_ms >= call->deadline_mono_ms ||
        !retry_quota_take(&call->service->quota, cost))
        return false;
    call->retry_cost = cost;
    wait_ms(call, delay_ms);
    return true;
}

/* ---- a key that is refused ---- */

static void attempt(struct call *call);

/* Whether the call goes on because there may be a newer key soon. Once a call. */
static bool waits_for_newer_key(struct call *call, const struct aws_reply *reply)
{
    if (!call->client->hooks.stale || call->was_refused || !answer_is_about_key(reply))
        return false;
    int64_t until = clock_mono_ms() + AWS_NEWER_KEY_WAIT_MS;
    struct refusal *r = xcalloc(1, sizeof(*r));
    r->class = reply->class;
    r->version = call->key_version;
    r->until_mono_ms = until < call->deadline_mono_ms ? until : call->deadline_mono_ms;
    snprintf(r->code, sizeof(r->code), "%s", reply->code);
    snprintf(r->message, sizeof(r->message), "%s", reply->message);
    call->refusal = r;
    call->was_refused = true;
    attempt(call);
    return true;
}

/* ---- a date that is refused ---- */

static void log_skew(const struct call *call)
{
    int64_t s = call->service->skew.offset_ms / 1000;
    log_warn("the clock of this host is %lld s %s that of %s at %s: requests are dated by theirs; "
             "set this host's clock",
             llabs((long long)s), s < 0 ? "ahead of" : "behind", call->service->name, call->host);
}

/* Looks at the service's clock where the request was refused: what was not had a good date,
 * whatever the Date of the answer, which a proxy may have written. Whether the call goes on because
 * its date was wrong: once a call. */
static bool is_redated(struct call *call, const struct aws_reply *reply)
{
    bool blamed = answer_is_about_clock(reply);
    if ((!blamed && reply->class != AWS_DENIED) ||
        !clock_skew_learn(&call->service->skew, clock_wall_ms(),
                          http_answer_header(reply->http, "Date"), blamed))
        return false;
    log_skew(call);
    if ((!blamed && !answer_gives_no_reason(reply)) || call->was_redated)
        return false;
    call->was_redated = true;
    attempt(call);
    return true;
}

/* A HEAD that is refused for its key says no more than that. */
static void report_key(const struct call *call, const struct aws_reply *reply)
{
    const struct aws_key_hooks *hooks = &call->client->hooks;
    if (hooks->stale && answer_gives_no_reason(reply))
        hooks->stale(hooks->arg, &call->endpoint, call->key_version);
}

static void on_answer(void *arg, const struct http_answer *http)
{
    struct call *call = arg;
    struct answer answer;
    call->http_id = 0;
    answer_read(&answer, &call->endpoint, &call->request, http);
    const struct aws_reply *reply = &answer.reply;
    if (reply->class == AWS_OK)
        retry_quota_return(&call->service->quota, call->retry_cost);
    bool goes_on = !call->hung_up && (is_redated(call, reply) || waits_for_newer_key(call, reply) ||
                                      retries(call, http, reply->class));
    if (!goes_on) {
        report_key(call, reply);
        finish(call, &answer.reply);
    }
    answer_free(&answer);
}

/* ---- an attempt ---- */

/* headers starts with everything to sign; the authorization is added behind (malloc, returned). */
static char *sign(const struct call *call, const struct sigv4_key *key, const char *amz_date,
                  struct http_header *headers, size_t *count)
{
    struct sigv4_header *to_sign = xcalloc(*count, sizeof(*to_sign));
    for (size_t i = 0; i < *count; i++)
        to_sign[i] = (struct sigv4_header){headers[i].name, headers[i].value};
    char *url_path = strchr(strstr(call->url, "://") + 3, '/');
    char *path = xasprintf("%.*s", (int)strcspn(url_path, "?"), url_path);
    struct sigv4_request request = {
        .method = call->request.method,
        .path = path,
        .query = call->request.query,
        .headers = to_sign,
        .header_count = *count,
        .payload_hash = call->body_hash,
    };
    char *authorization = sigv4_authorization(&request, key, amz_date);
    headers[(*count)++] = (struct http_header){"Authorization", authorization};
    free(path);
    free(to_sign);
    return authorization;
}

static void send_signed(struct call *call, const struct sigv4_key *key, const char *amz_date,
                        int64_t timeout_ms)
{
    const struct aws_request *r = &call->request;
    struct http_header *headers = xcalloc(r->header_count + OWN_HEADERS_MAX, sizeof(*headers));
    size_t count = 0;
    headers[count++] = (struct http_header){"Host", call->host};
    headers[count++] = (struct http_header){"X-Amz-Date", amz_date};
    if (!strcmp(call->endpoint.service, "s3"))
        headers[count++] = (struct http_header){"x-amz-content-sha256", call->body_hash};
    if (key->session_token)
        headers[count++] = (struct http_header){"X-Amz-Security-Token", key->session_token};
    for (size_t i = 0; i < r->header_count; i++)
        headers[count++] = r->headers[i];
    char *authorization = sign(call, key, amz_date, headers, &count);
    struct http_call http = {
        .method = r->method,
        .url = call->url,
        .unix_socket = call->endpoint.unix_socket,
        .tls = {.ca_file = call->endpoint.ca_file},
        .headers = headers,
        .header_count = count,
        .body = r->body,
        .body_len = r->body_len,
        .timeout_ms = timeout_ms,
        .response_cap_bytes = r->answer_cap_bytes ? r->answer_cap_bytes : ANSWER_CAP_BYTES,
    };
    call->attempts++;
    call->key_version = key->version;
    free(call->refusal);
    call->refusal = NULL;
    call->http_id = http_client_send(transport(call), &http, on_answer, call);
    free(authorization);
    free(headers);
}

/* The key, or NULL after asking for one. */
static const struct sigv4_key *usable(const struct call *call, const struct sigv4_key *key)
{
    const struct aws_key_hooks *hooks = &call->client->hooks;
    if (!key) {
        if (hooks->need)
            hooks->need(hooks->arg, &call->endpoint);
        return NULL;
    }
    if (!call->refusal || key->version != call->refusal->version)
        return key;
    hooks->stale(hooks->arg, &call->endpoint, key->version);
    return NULL;
}

/* Sends, or waits for a key. Never runs the callback before the deadline has passed. */
static void attempt(struct call *call)
{
    int64_t left_ms = call->deadline_mono_ms - clock_mono_ms();
    char amz_date[CLOCK_TEXT_BYTES], date[9];
    clock_amz_date(clock_wall_ms() + call->service->skew.offset_ms, amz_date);
    memcpy(date, amz_date, 8);
    date[8] = '\0';
    const struct aws_endpoint *e = &call->endpoint;
    const struct sigv4_key *key =
        material_signing_key(call->client->material, e->identity, e->region, e->service, date);
    key = usable(call, key);
    if (!key || left_ms <= 0)
        wait_ms(call, left_ms <= 0 ? 0 : left_ms < KEY_POLL_MS ? left_ms : KEY_POLL_MS);
    else
        send_signed(call, key, amz_date,
                    left_ms < call->request.timeout_ms ? left_ms : call->request.timeout_ms);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct call *call = arg;
    const struct refusal *r = call->refusal;
    const char *trouble = material_trouble(call->client->material, call->endpoint.identity);
    int64_t now_ms = clock_mono_ms();
    if (r && now_ms >= r->until_mono_ms)
        finish_without_answer(call, r->class, r->code, r->message);
    else if (!call->attempts && *trouble && now_ms - call->started_mono_ms >= AWS_TROUBLE_WAIT_MS)
        finish_without_answer(call, AWS_NO_KEY, "NoSigningKey", trouble);
    else if (now_ms < call->deadline_mono_ms)
        attempt(call);
    else if (call->attempts)
        finish_without_answer(call, AWS_TRANSIENT, "Timeout", "the deadline passed");
    else
        finish_without_answer(call, AWS_NO_KEY, "NoSigningKey",
                              *trouble ? trouble : "the keyring has published no signing key yet");
}

/* ---- starting ---- */

static struct aws_request copy_request(const struct aws_request *from)
{
    struct aws_request to = *from;
    struct http_header *headers = xcalloc(from->header_count + 1, sizeof(*headers));
    for (size_t i = 0; i < from->header_count; i++) {
        headers[i].name = xstrdup(from->headers[i].name);
        headers[i].value = xstrdup(from->headers[i].value);
    }
    to.headers = headers;
    to.method = xstrdup(from->method);
    to.path = xstrdup(from->path);
    to.query = xstrdup(from->query);
    return to;
}

static struct service *service_of(struct aws_client *client, const struct aws_endpoint *endpoint)
{
    struct service *service;
    LIST_FOREACH(service, &client->services, link)
    {
        if (strcmp(service->identity, endpoint->identity) == 0 &&
            strcmp(service->name, endpoint->service) == 0)
            return service;
    }
    service = xcalloc(1, sizeof(*service));
    service->identity = xstrdup(endpoint->identity);
    service->name = xstrdup(endpoint->service);
    retry_quota_init(&service->quota);
    LIST_INSERT_HEAD(&client->services, service, link);
    return service;
}

uint64_t aws_call(struct aws_client *client, const struct aws_endpoint *endpoint,
                  const struct aws_request *request, aws_reply_cb *done, aws_release_cb *release,
                  void *arg)
{
    assert(request->path[0] == '/' && request->timeout_ms > 0 && request->deadline_ms > 0 &&
           request->max_attempts > 0);
    struct call *call = xcalloc(1, sizeof(*call));
    call->client = client;
    call->service = service_of(client, endpoint);
    call->id = ++client->last_id;
    call->endpoint = *endpoint;
    call->request = copy_request(request);
    call->url = xasprintf("%s%s%s%s", endpoint->url, request->path, *request->query ? "?" : "",
                          request->query);
    call->host = sigv4_host(endpoint->url);
    sigv4_sha256_hex(request->body, request->body_len, call->body_hash);
    call->started_mono_ms = clock_mono_ms();
    call->deadline_mono_ms = call->started_mono_ms + request->deadline_ms;
    call->done = done;
    call->release = release;
    call->arg = arg;
    call->timer = evtimer_new(client->base, on_timer, call);
    assert(call->timer);
    TAILQ_INSERT_TAIL(&client->calls, call, link);
    attempt(call);
    return call->id;
}

static struct call *find(const struct aws_client *client, uint64_t id)
{
    struct call *call;
    TAILQ_FOREACH(call, &client->calls, link)
    {
        if (id && call->id == id)
            return call;
    }
    return NULL;
}

void aws_cancel(struct aws_client *client, uint64_t id)
{
    struct call *call = find(client, id);
    if (call)
        call_free(call);
}

bool aws_hang_up(struct aws_client *client, uint64_t id)
{
    struct call *call = find(client, id);
    if (!call)
        return false;
    call->hung_up = call->http_id && http_client_hang_up(transport(call), call->http_id);
    if (!call->hung_up) {
        call->http_id = 0;
        call_free(call);
        return false;
    }
    return true;
}

struct aws_client *aws_client_new(struct event_base *base, const struct material *material)
{
    struct aws_client *client = xcalloc(1, sizeof(*client));
    client->base = base;
    client->material = material;
    client->others = http_client_new(base, 0);
    client->polls = http_client_new(base, 0);
    TAILQ_INIT(&client->calls);
    LIST_INIT(&client->services);
    return client;
}

void aws_client_ask(struct aws_client *client, const struct aws_key_hooks *hooks)
{
    client->hooks = *hooks;
}

void aws_client_free(struct aws_client *client)
{
    if (!client)
        return;
    while (!TAILQ_EMPTY(&client->calls))
        call_free(TAILQ_FIRST(&client->calls));
    while (!LIST_EMPTY(&client->services)) {
        struct service *service = LIST_FIRST(&client->services);
        LIST_REMOVE(service, link);
        free(service->identity);
        free(service->name);
        free(service);
    }
    http_client_free(client->others);
    http_client_free(client->polls);
    free(client);
}

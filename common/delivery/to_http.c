#include <errno.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/egress.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "common/conf/conf.h"
#include "common/delivery/delivery_ids.h"
#include "common/delivery/delivery_type.h"
#include "common/delivery/http_headers.h"
#include "common/delivery/http_verdict.h"
#include "common/delivery/standard_webhooks.h"
#include "common/net/retry_after.h"

/* The `http` destination: a request per event, whose body is the event's exact bytes. What it is
 * called, how often it was tried and, where there are secrets, a signature are in the header;
 * http_verdict.h says what the answer means. Redirects are not followed, and only addresses that
 * egress.h lets through are dialled. At most max_running requests are under way, the others wait in
 * order. A client of its own for each destination: connections are not shared between different
 * guards and certificates. */

struct http_attempt;
TAILQ_HEAD(http_list, http_attempt);

struct http_destination {
    const char *name;           /* borrow */
    const json_t *conf;         /* borrow */
    struct http_client *client; /* own */
    struct buf *keys;           /* own array of own keys: of the signature */
    size_t key_count;
    struct ip_range *allowed; /* own */
    size_t allowed_count;
    int running;
    int max_running;
    struct http_list waiting; /* own: not sent */
};

struct http_attempt {
    TAILQ_ENTRY(http_attempt) link;
    struct http_destination *to;
    struct delivery *delivery;  /* borrow */
    const struct webhook *hook; /* borrow, until the end or the cancel */
    int attempt;
    uint64_t call; /* 0 while it waits */
};

/* ---- the destination ---- */

static void http_close(void *destination)
{
    struct http_destination *to = destination;
    http_client_free(to->client);
    for (size_t i = 0; i < to->key_count; i++) {
        if (to->keys[i].data)
            explicit_bzero(to->keys[i].data, to->keys[i].cap);
        buf_free(&to->keys[i]);
    }
    free(to->keys);
    free(to->allowed);
    free(to);
}

static int read_secrets(struct http_destination *to)
{
    const json_t *secrets = conf_value(to->conf, "secrets");
    size_t i;
    json_t *secret;
    to->keys = xcalloc(json_array_size(secrets) + 1, sizeof(*to->keys));
    json_array_foreach((json_t *)(uintptr_t)secrets, i, secret)
    {
        to->key_count++;
        if (standard_webhooks_key(json_string_value(secret), &to->keys[i])) {
            log_error("destination \"%s\": secrets[%zu] is not base64 behind \"whsec_\"", to->name,
                      i);
            return -1;
        }
    }
    return 0;
}

static int read_networks(struct http_destination *to)
{
    const json_t *networks = conf_value(to->conf, "allow_networks");
    size_t i;
    json_t *network;
    to->allowed = xcalloc(json_array_size(networks) + 1, sizeof(*to->allowed));
    json_array_foreach((json_t *)(uintptr_t)networks, i, network)
    {
        if (ip_range_parse(json_string_value(network), &to->allowed[to->allowed_count++])) {
            log_error("destination \"%s\": allow_networks[%zu] is not a network such as "
                      "\"10.0.0.0/8\"",
                      to->name, i);
            return -1;
        }
    }
    return 0;
}

/* libcurl reads the files when it connects; that they are missing is said now. */
static int check_files(const struct http_destination *to)
{
    static const char *const keys[] = {"ca_file", "cert_file", "key_file"};
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        const char *file = conf_str(to->conf, keys[i]);
        if (*file && access(file, R_OK)) {
            log_error("destination \"%s\": cannot read its %s \"%s\": %s", to->name, keys[i], file,
                      strerror(errno));
            return -1;
        }
    }
    return 0;
}

static void *http_open(struct event_base *base, const char *name, const json_t *conf)
{
    struct http_destination *to = xcalloc(1, sizeof(*to));
    to->name = name;
    to->conf = conf;
    to->max_running = (int)conf_int(conf, "max_running");
    to->client = http_client_new(base, 0);
    TAILQ_INIT(&to->waiting);
    if (read_secrets(to) || read_networks(to) || check_files(to)) {
        http_close(to);
        return NULL;
    }
    return to;
}

/* ---- a request ---- */

static char *refuse_address(void *arg, const struct sockaddr *from)
{
    const struct http_destination *to = arg;
    struct ip_address address;
    char text[IP_ADDRESS_TEXT_BYTES];
    if (ip_address_of(from, &address))
        return xstrdup("neither an IPv4 nor an IPv6 address");
    const char *what = egress_refusal(&address, to->allowed, to->allowed_count);
    if (!what)
        return NULL;
    ip_address_text(&address, text);
    if (egress_is_metadata(&address))
        return xasprintf("%s is %s", text, what);
    return xasprintf("%s is %s: add its network to destinations.%s.allow_networks", text, what,
                     to->name);
}

static void add_signature(struct http_headers *h, const struct http_attempt *a, const char *id)
{
    const struct http_destination *to = a->to;
    int64_t now_s = clock_wall_ms() / 1000;
    char timestamp[24];
    struct buf signature = {0};
    if (to->key_count == 0)
        return;
    snprintf(timestamp, sizeof(timestamp), "%lld", (long long)now_s);
    standard_webhooks_sign(to->keys, to->key_count, id, now_s, a->hook->body, a->hook->body_len,
                           &signature);
    http_headers_add_plain(h, "webhook-id", id);
    http_headers_add_plain(h, "webhook-timestamp", timestamp);
    http_headers_add_plain(h, "webhook-signature", signature.data);
    buf_free(&signature);
}

static void add_headers(struct http_headers *h, const struct http_attempt *a)
{
    const struct webhook *hook = a->hook;
    char traceparent[DELIVERY_IDS_TRACEPARENT_BYTES], number[16];
    const char *key = delivery_key(a->delivery);
    const char *name;
    json_t *value;
    snprintf(number, sizeof(number), "%d", a->attempt);
    delivery_ids_traceparent(hook->trace_id, a->attempt, traceparent);
    http_headers_add(h, "Content-Type", hook->content_type);
    http_headers_add_plain(h, "Idempotency-Key", key);
    http_headers_add_plain(h, "Sluice-Attempt", number);
    http_headers_add(h, "Sluice-Trace", hook->trace_id);
    http_headers_add(h, "Sluice-Source", hook->source);
    http_headers_add(h, "Sluice-Event-Id", hook->event_id);
    http_headers_add(h, "Sluice-Schema-Version", hook->schema_version);
    http_headers_add_plain(h, "traceparent", traceparent);
    add_signature(h, a, key);
    json_object_foreach((json_t *)(uintptr_t)conf_value(a->to->conf, "headers"), name, value)
    {
        http_headers_add_plain(h, name, json_string_value(value));
    }
}

static void send_waiting(struct http_destination *to);

static void note_retry_after(const struct http_attempt *a, const struct http_answer *answer)
{
    int cap_s = (int)conf_int(a->to->conf, "retry_after_cap_s");
    const char *value = http_answer_header(answer, "retry-after");
    const char *date = http_answer_header(answer, "date");
    delivery_set_retry_after(a->delivery, retry_after_s(value, date, clock_wall_ms(), cap_s));
}

static void on_answer(void *arg, const struct http_answer *answer)
{
    struct http_attempt *a = arg;
    struct http_destination *to = a->to;
    struct delivery *delivery = a->delivery;
    struct http_verdict v = http_verdict_of(answer->outcome, answer->status);
    note_retry_after(a, answer);
    if (v.of_destination)
        delivery_blame_destination(delivery);
    free(a);
    to->running--;
    send_waiting(to);
    char *words = v.verdict == DELIVERED ? xstrdup("") : http_verdict_words(answer);
    delivery_finish(delivery, v.verdict, v.class, words, answer->status);
    free(words);
}

static void send_request(struct http_attempt *a)
{
    struct http_destination *to = a->to;
    struct http_headers headers = {0};
    add_headers(&headers, a);
    const struct http_call call = {
        .method = conf_str(to->conf, "method"),
        .url = conf_str(to->conf, "url"),
        .headers = headers.list,
        .header_count = headers.count,
        .body = a->hook->body,
        .body_len = a->hook->body_len,
        .timeout_ms = conf_int(to->conf, "timeout_s") * 1000,
        .connect_timeout_ms = conf_int(to->conf, "connect_timeout_s") * 1000,
        .response_cap_bytes = (size_t)conf_int(to->conf, "max_response_bytes"),
        .tls = {.ca_file = conf_str(to->conf, "ca_file"),
                .cert_file = conf_str(to->conf, "cert_file"),
                .key_file = conf_str(to->conf, "key_file")},
        .refuse = refuse_address,
        .refuse_arg = to,
    };
    a->call = http_client_send(to->client, &call, on_answer, a);
    http_headers_free(&headers);
}

static void send_waiting(struct http_destination *to)
{
    struct http_attempt *a;
    while (to->running < to->max_running && (a = TAILQ_FIRST(&to->waiting))) {
        TAILQ_REMOVE(&to->waiting, a, link);
        to->running++;
        send_request(a);
    }
}

static void *http_start(void *destination, const struct webhook *hook, int attempt,
                        struct delivery *delivery)
{
    struct http_destination *to = destination;
    struct http_attempt *a = xcalloc(1, sizeof(*a));
    a->to = to;
    a->delivery = delivery;
    a->hook = hook;
    a->attempt = attempt;
    TAILQ_INSERT_TAIL(&to->waiting, a, link);
    send_waiting(to);
    return a;
}

static void http_cancel(void *attempt)
{
    struct http_attempt *a = attempt;
    struct http_destination *to = a->to;
    if (a->call) {
        http_client_cancel(to->client, a->call);
        to->running--;
    } else {
        TAILQ_REMOVE(&to->waiting, a, link);
    }
    free(a);
    send_waiting(to);
}

static bool http_waiting(const void *attempt)
{
    const struct http_attempt *a = attempt;
    return a->call == 0;
}

const struct delivery_type to_http_type = {
    .name = "http",
    .open = http_open,
    .close = http_close,
    .start = http_start,
    .cancel = http_cancel,
    .waiting = http_waiting,
};

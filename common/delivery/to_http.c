#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "common/conf/conf.h"
#include "common/delivery/delivery_ids.h"
#include "common/delivery/delivery_type.h"
#include "common/delivery/http_headers.h"
#include "common/delivery/http_target.h"
#include "common/delivery/standard_webhooks.h"

/* The `http` destination: a request per event, whose body is the event's exact bytes. What it is
 * called, how often it was tried and, where there are secrets, a signature are in the header;
 * http_verdict.h says what the answer means. Redirects are not followed. http_target.h bounds the
 * requests, guards the addresses and brings the access token. */

struct http_destination {
    const char *name;           /* borrow */
    const json_t *conf;         /* borrow */
    char *at;                   /* own: for the target */
    struct http_target *target; /* own */
    struct buf *keys;           /* own array of own keys: of the signature */
    size_t key_count;
};

struct http_attempt {
    struct http_destination *to;
    struct delivery *delivery;  /* borrow */
    const struct webhook *hook; /* borrow, until the end or the cancel */
    int attempt;
    struct http_exchange *exchange; /* own */
};

/* ---- the destination ---- */

static void http_close(void *destination)
{
    struct http_destination *to = destination;
    http_target_free(to->target);
    for (size_t i = 0; i < to->key_count; i++) {
        if (to->keys[i].data)
            explicit_bzero(to->keys[i].data, to->keys[i].cap);
        buf_free(&to->keys[i]);
    }
    free(to->keys);
    free(to->at);
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

static void *http_open(struct event_base *base, const char *name, const json_t *conf,
                       struct tokens *tokens)
{
    struct http_destination *to = xcalloc(1, sizeof(*to));
    to->name = name;
    to->conf = conf;
    to->at = xasprintf("destinations.%s", name);
    const struct http_target_config config = {
        .at = to->at,
        .conf = conf,
        .timeout_ms = conf_int(conf, "timeout_s") * 1000,
        .connect_timeout_ms = conf_int(conf, "connect_timeout_s") * 1000,
        .response_cap_bytes = (size_t)conf_int(conf, "max_response_bytes"),
        .max_running = (int)conf_int(conf, "max_running"),
        .tokens = tokens,
    };
    if (read_secrets(to) || !(to->target = http_target_new(base, &config))) {
        http_close(to);
        return NULL;
    }
    return to;
}

/* ---- a request ---- */

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

static void describe(const struct http_attempt *a, struct http_headers *h)
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

static void add_headers(void *arg, struct http_headers *h)
{
    const struct http_attempt *a = arg;
    delivery_handling(a->delivery, true);
    describe(a, h);
    delivery_handling(a->delivery, false);
}

static void on_end(void *arg, const struct http_end *end)
{
    struct http_attempt *a = arg;
    struct delivery *delivery = a->delivery;
    int cap_s = (int)conf_int(a->to->conf, "retry_after_cap_s");
    struct http_verdict v = http_end_verdict(end);
    delivery_set_retry_after(delivery, http_end_retry_after_s(end, cap_s));
    if (v.of_destination)
        delivery_blame_destination(delivery);
    free(a);
    char *words = http_end_words(end);
    delivery_finish(delivery, v.verdict, v.class, words, end->answer ? end->answer->status : 0);
    free(words);
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
    const struct http_request request = {
        .method = conf_str(to->conf, "method"),
        .url = conf_str(to->conf, "url"),
        .body = hook->body,
        .body_len = hook->body_len,
        .headers = add_headers,
    };
    a->exchange = http_target_send(to->target, &request, on_end, a);
    return a;
}

static void http_cancel(void *attempt)
{
    struct http_attempt *a = attempt;
    http_exchange_cancel(a->exchange);
    free(a);
}

static bool http_waiting(const void *attempt)
{
    const struct http_attempt *a = attempt;
    return !http_exchange_begun(a->exchange);
}

const struct delivery_type to_http_type = {
    .name = "http",
    .open = http_open,
    .close = http_close,
    .start = http_start,
    .cancel = http_cancel,
    .waiting = http_waiting,
};

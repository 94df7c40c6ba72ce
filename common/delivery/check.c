#include "common/delivery/check.h"

#include <assert.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/xalloc.h"
#include "common/conf/conf.h"
#include "common/delivery/http_target.h"
#include "common/webhook/url_template.h"

#define RETRY_AFTER_CAP_S 300

struct check {
    struct event_base *base; /* borrow */
    const json_t *conf;      /* borrow */
    char *at;                /* own: for the target */
    struct http_target *target;
};

struct check_call {
    const struct check *check; /* borrow */
    char trace_id[WEBHOOK_TRACE_BYTES];
    char *url;                      /* own; NULL: it cannot be asked */
    struct http_exchange *exchange; /* own */
    struct event *refusal;          /* own: reports that from the loop */
    char reason[URL_TEMPLATE_REASON_BYTES];
    check_cb *done;
    void *arg;
};

struct check *check_new(struct event_base *base, const char *name, const json_t *source,
                        struct tokens *tokens, bool *failed_out)
{
    const json_t *conf = conf_value(source, "check");
    if (!*conf_str(conf, "url"))
        return NULL;
    struct check *c = xcalloc(1, sizeof(*c));
    c->base = base;
    c->conf = conf;
    c->at = xasprintf("sources.%s.check", name);
    c->target = http_target_new_errand(base, c->at, conf, tokens);
    if (c->target)
        return c;
    *failed_out = true;
    check_free(c);
    return NULL;
}

void check_free(struct check *c)
{
    if (!c)
        return;
    http_target_free(c->target);
    free(c->at);
    free(c);
}

static void call_free(struct check_call *call)
{
    if (call->refusal)
        event_free(call->refusal);
    free(call->url);
    free(call);
}

static void finish(struct check_call *call, const struct check_result *result)
{
    check_cb *done = call->done;
    void *arg = call->arg;
    call_free(call);
    done(arg, result);
}

static void on_refusal(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct check_call *call = arg;
    char *error = xasprintf("check: %s", call->reason);
    const struct check_result result = {
        .outcome = {.verdict = DEAD, .class = "validation", .error = error}};
    finish(call, &result);
    free(error);
}

static bool is_absent(int status)
{
    return status == 404 || status == 410 || status == 422;
}

static void on_end(void *arg, const struct http_end *end)
{
    struct check_call *call = arg;
    struct http_verdict v = http_end_verdict(end);
    int status = end->answer ? end->answer->status : 0;
    char *words = http_end_words(end);
    char *error = xasprintf("check: %s", words);
    struct check_result result = {
        .passed = v.verdict == DELIVERED,
        .outcome = {.verdict = RETRY,
                    .class = end->token_trouble ? v.class : "check",
                    .error = error,
                    .status = status,
                    .of_destination = v.verdict == RETRY && v.of_destination,
                    .retry_after_s = http_end_retry_after_s(end, RETRY_AFTER_CAP_S)},
    };
    if (v.verdict == DEAD && is_absent(status)) {
        result.outcome.verdict = DEAD;
        result.outcome.class = "validation";
    }
    finish(call, &result);
    free(error);
    free(words);
}

static void add_headers(void *arg, struct http_headers *headers)
{
    const struct check_call *call = arg;
    http_headers_add_plain(headers, "Accept", "application/json");
    http_headers_add(headers, "Sluice-Trace", call->trace_id);
}

struct check_call *check_start(struct check *c, const struct webhook *hook, check_cb *done,
                               void *arg)
{
    struct check_call *call = xcalloc(1, sizeof(*call));
    call->check = c;
    memcpy(call->trace_id, hook->trace_id, sizeof(call->trace_id));
    call->done = done;
    call->arg = arg;
    call->url =
        url_template_fill(conf_str(c->conf, "url"), hook->body, hook->body_len, call->reason);
    if (!call->url) {
        call->refusal = event_new(c->base, -1, 0, on_refusal, call);
        assert(call->refusal);
        event_active(call->refusal, EV_TIMEOUT, 0);
        return call;
    }
    const struct http_request request = {.method = "GET", .url = call->url, .headers = add_headers};
    call->exchange = http_target_send(c->target, &request, on_end, call);
    return call;
}

void check_cancel(struct check_call *call)
{
    if (!call)
        return;
    if (call->exchange)
        http_exchange_cancel(call->exchange);
    call_free(call);
}

#include "workers/keyring/oauth.h"

#include <assert.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/egress.h"
#include "common/base/fault.h"
#include "common/base/log.h"
#include "common/base/noise.h"
#include "common/base/xalloc.h"
#include "common/conf/conf.h"
#include "common/ipc/message.h"
#include "common/net/http_client.h"
#include "common/net/retry_after.h"
#include "workers/keyring/oauth_plan.h"
#include "workers/keyring/oauth_token.h"
#include "workers/keyring/publication.h"

#define TIMEOUT_MS 10000
#define ANSWER_MAX_BYTES 65536
#define RETRY_AFTER_CAP_S 300
#define ENDPOINT_KEPT_MS ((int64_t)3600 * 1000)

/* One object under oauth. */
struct client {
    struct oauth *all;          /* borrow: owns us */
    const char *name;           /* borrow, of the configuration */
    const json_t *conf;         /* borrow */
    struct http_client *client; /* own: guards differ, so connections are not shared */
    struct ip_range *allowed;   /* own */
    size_t allowed_count;
    struct event *timer; /* own */
    struct oauth_plan plan;
    uint64_t call; /* 0: none is under way */
    struct buf form;
    char *endpoint; /* own: from the discovery document; NULL: to be asked for */
    int64_t endpoint_until_ms;
    int64_t asked_ms;
    int64_t last_version;
    int64_t expires_wall_ms;         /* of the published token; 0: none was */
    char why[OAUTH_TOKEN_WHY_BYTES]; /* why there is none; "" */
};

struct oauth {
    struct client *list; /* own */
    size_t count;
    oauth_publish_fn *publish;
    void *arg;
    int64_t requests; /* to token endpoints */
    int64_t failures; /* of them */
};

static void arm(struct client *c)
{
    int64_t now_ms = clock_mono_ms();
    int64_t due_ms = oauth_plan_due_ms(&c->plan, now_ms);
    if (c->call || due_ms == OAUTH_PLAN_NEVER) {
        event_del(c->timer);
        return;
    }
    int64_t in_ms = due_ms - now_ms;
    struct timeval in = {.tv_sec = in_ms / 1000, .tv_usec = in_ms % 1000 * 1000};
    event_add(c->timer, &in);
}

/* ---- publishing ---- */

/* Grows across restarts of this process too. */
static int64_t next_version(struct client *c)
{
    c->last_version = publication_version(c->last_version, clock_wall_ms());
    return c->last_version;
}

static void publish_token(struct client *c, const char *token)
{
    json_t *msg = message_new("material");
    json_object_set_new(msg, "kind", json_string("oauth"));
    json_object_set_new(msg, "identity", json_string(c->name));
    json_object_set_new(msg, "token", json_string(token));
    json_object_set_new(msg, "version", json_integer(next_version(c)));
    json_object_set_new(msg, "expires_at_ms", json_integer(c->expires_wall_ms));
    c->all->publish(c->all->arg, msg);
}

/* retry_ms: monotonic. */
static void publish_trouble(struct client *c, int64_t retry_ms)
{
    json_t *msg = message_new("material");
    json_object_set_new(msg, "kind", json_string("trouble"));
    json_object_set_new(msg, "service", json_string("oauth"));
    json_object_set_new(msg, "identity", json_string(c->name));
    json_object_set_new(msg, "error", json_string(c->why));
    json_object_set_new(msg, "version", json_integer(next_version(c)));
    json_object_set_new(msg, "retry_at_ms",
                        json_integer(clock_wall_ms() + retry_ms - clock_mono_ms()));
    c->all->publish(c->all->arg, msg);
}

/* ---- what came ---- */

static void failed(struct client *c, const char *why, bool lasting, int retry_after_seconds)
{
    int64_t now_ms = clock_mono_ms();
    bool news = strcmp(c->why, why) != 0;
    c->all->failures++;
    snprintf(c->why, sizeof(c->why), "%s", why);
    oauth_plan_failed(&c->plan, lasting, retry_after_seconds, now_ms, noise_bits());
    int64_t wait_ms = c->plan.not_before_ms - now_ms;
    if (news)
        log_error("no access token for oauth \"%s\": %s; next try in %lld s", c->name, why,
                  (long long)((wait_ms + 999) / 1000));
    publish_trouble(c, c->plan.not_before_ms);
    arm(c);
}

static void failed_answer(struct client *c, const struct http_answer *answer, const char *what)
{
    char why[OAUTH_TOKEN_WHY_BYTES], said[OAUTH_TOKEN_WHY_BYTES];
    bool lasting = false;
    int wait_s = 0;
    if (answer->status && answer->outcome == HTTP_ANSWERED) {
        lasting =
            oauth_token_refusal(c->conf, answer->status, answer->body, answer->body_len, said);
        wait_s =
            retry_after_s(http_answer_header(answer, "retry-after"),
                          http_answer_header(answer, "date"), clock_wall_ms(), RETRY_AFTER_CAP_S);
    } else {
        snprintf(said, sizeof(said), "%.200s", answer->error);
    }
    snprintf(why, sizeof(why), "%s: %.*s", what, (int)(sizeof(why) - 40), said);
    failed(c, why, lasting, wait_s);
}

static void took_token(struct client *c, const struct oauth_token *token)
{
    int64_t now_ms = clock_mono_ms();
    int64_t left_ms = c->asked_ms + token->lifetime_s * 1000 - now_ms;
    c->expires_wall_ms = clock_wall_ms() + left_ms;
    publish_token(c, token->text);
    oauth_plan_got(&c->plan, c->last_version, c->asked_ms, token->lifetime_s, now_ms, noise_bits());
    c->why[0] = '\0';
    log_info("access token for oauth \"%s\" lifetime_s=%lld", c->name,
             (long long)token->lifetime_s);
    arm(c);
}

static void on_token(void *arg, const struct http_answer *answer)
{
    struct client *c = arg;
    char why[OAUTH_TOKEN_WHY_BYTES];
    struct oauth_token token;
    c->call = 0;
    buf_wipe(&c->form);
    if (fault_point("keyring.token_answered"))
        log_warn("fault point keyring.token_answered");
    if (answer->outcome != HTTP_ANSWERED || answer->status != 200 ||
        oauth_token_is_refusal(answer->body, answer->body_len)) {
        c->endpoint_until_ms = 0; /* it may have moved */
        failed_answer(c, answer, "the token URL");
    } else if (oauth_token_parse(answer->body, answer->body_len, &token, why)) {
        failed(c, why, true, 0);
    } else {
        took_token(c, &token);
        explicit_bzero(token.text, strlen(token.text));
        free(token.text);
    }
}

/* ---- asking ---- */

static char *refuse_address(void *arg, const struct sockaddr *from)
{
    const struct client *c = arg;
    char *at = xasprintf("oauth.%s", c->name);
    char *refusal = egress_refuse_dial(from, c->allowed, c->allowed_count, at);
    free(at);
    return refusal;
}

static void send_call(struct client *c, struct http_call *call, http_answer_cb *done)
{
    call->timeout_ms = TIMEOUT_MS;
    call->response_cap_bytes = ANSWER_MAX_BYTES;
    call->tls.ca_file = conf_str(c->conf, "ca_file");
    call->secret = true;
    call->refuse = refuse_address;
    call->refuse_arg = c;
    c->call = http_client_send(c->client, call, done, c);
}

static void ask_for_token(struct client *c, const char *url)
{
    struct buf basic = {0};
    struct http_header headers[3] = {{"Content-Type", "application/x-www-form-urlencoded"},
                                     {"Accept", "application/json"}};
    size_t count = 2;
    if (oauth_token_basic(c->conf, &basic))
        headers[count++] = (struct http_header){"Authorization", basic.data};
    buf_wipe(&c->form);
    oauth_token_form(c->conf, &c->form);
    struct http_call call = {.method = "POST",
                             .url = url,
                             .headers = headers,
                             .header_count = count,
                             .body = c->form.data,
                             .body_len = c->form.len};
    c->all->requests++;
    c->asked_ms = clock_mono_ms(); /* the life of what comes is counted from here */
    send_call(c, &call, on_token);
    buf_wipe(&basic);
}

static void on_discovery(void *arg, const struct http_answer *answer)
{
    struct client *c = arg;
    char why[OAUTH_TOKEN_WHY_BYTES];
    c->call = 0;
    if (answer->outcome != HTTP_ANSWERED || answer->status != 200) {
        failed_answer(c, answer, "the discovery URL");
        return;
    }
    free(c->endpoint);
    c->endpoint = oauth_token_endpoint(c->conf, answer->body, answer->body_len, why);
    if (!c->endpoint) {
        failed(c, why, true, 0);
        return;
    }
    c->endpoint_until_ms = clock_mono_ms() + ENDPOINT_KEPT_MS;
    ask_for_token(c, c->endpoint);
}

static void discover(struct client *c)
{
    char *url = oauth_token_discovery_url(c->conf);
    const struct http_header accept = {"Accept", "application/json"};
    struct http_call call = {.method = "GET", .url = url, .headers = &accept, .header_count = 1};
    send_call(c, &call, on_discovery);
    free(url);
}

static void on_due(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct client *c = arg;
    int64_t now_ms = clock_mono_ms();
    if (c->call || oauth_plan_due_ms(&c->plan, now_ms) > now_ms)
        arm(c);
    else if (*conf_str(c->conf, "token_url"))
        ask_for_token(c, conf_str(c->conf, "token_url"));
    else if (c->endpoint && now_ms < c->endpoint_until_ms)
        ask_for_token(c, c->endpoint);
    else
        discover(c);
}

/* ---- what workers say ---- */

static struct client *find(struct oauth *o, const json_t *msg)
{
    const char *kind = json_string_value(json_object_get(msg, "kind"));
    const char *name = json_string_value(json_object_get(msg, "identity"));
    for (size_t i = 0; kind && name && strcmp(kind, "oauth") == 0 && i < o->count; i++)
        if (strcmp(o->list[i].name, name) == 0)
            return &o->list[i];
    return NULL;
}

static void take_stale(struct client *c, const json_t *msg)
{
    int64_t now_ms = clock_mono_ms();
    int64_t version = json_integer_value(json_object_get(msg, "version"));
    if (!oauth_plan_refused(&c->plan, version, now_ms, noise_bits()))
        return;
    log_warn("the access token of oauth \"%s\" was refused before its end", c->name);
    if (c->plan.not_before_ms <= now_ms)
        return;
    snprintf(c->why, sizeof(c->why),
             "tokens are given, but refused where they are used: correct scopes, or the client");
    publish_trouble(c, c->plan.not_before_ms);
}

/* Workers judge the token's end by the wall clock, which may have been set forward; our timers run
 * by the other. */
static void take_need(struct client *c)
{
    if (clock_wall_ms() >= c->expires_wall_ms)
        oauth_plan_ended(&c->plan);
    oauth_plan_need(&c->plan, clock_mono_ms());
}

void oauth_take(struct oauth *o, const json_t *msg)
{
    struct client *c = find(o, msg);
    if (!c)
        return;
    if (strcmp(message_kind(msg), "stale") == 0)
        take_stale(c, msg);
    else if (strcmp(message_kind(msg), "need") == 0)
        take_need(c);
    arm(c);
}

/* ---- all of them ---- */

struct oauth *oauth_new(struct event_base *base, const json_t *conf, oauth_publish_fn *publish,
                        void *arg)
{
    struct oauth *o = xcalloc(1, sizeof(*o));
    o->list = xcalloc(json_object_size(conf) + 1, sizeof(*o->list));
    o->publish = publish;
    o->arg = arg;
    const char *name;
    json_t *one;
    json_object_foreach((json_t *)(uintptr_t)conf, name, one)
    {
        struct client *c = &o->list[o->count++];
        c->all = o;
        c->name = name;
        c->conf = one;
        c->client = http_client_new(base, 0);
        c->timer = evtimer_new(base, on_due, c);
        assert(c->timer);
        oauth_plan_init(&c->plan);
        c->allowed = conf_networks(one, &c->allowed_count);
    }
    return o;
}

void oauth_free(struct oauth *o)
{
    if (!o)
        return;
    for (size_t i = 0; i < o->count; i++) {
        struct client *c = &o->list[i];
        http_client_free(c->client);
        event_free(c->timer);
        buf_wipe(&c->form);
        free(c->endpoint);
        free(c->allowed);
    }
    free(o->list);
    free(o);
}

void oauth_beat(const struct oauth *o, json_t *counters, json_t *waiting)
{
    json_object_set_new(counters, "token_requests", json_integer(o->requests));
    json_object_set_new(counters, "token_failures", json_integer(o->failures));
    for (size_t i = 0; i < o->count; i++) {
        const struct client *c = &o->list[i];
        if (!*c->why)
            continue;
        char *text = xasprintf("oauth %s: %s", c->name, c->why);
        json_array_append_new(waiting, json_string(text));
        free(text);
    }
}

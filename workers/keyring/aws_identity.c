#include "workers/keyring/aws_identity.h"

#include <assert.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/aws/clock_skew.h"
#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/noise.h"
#include "common/base/utf8.h"
#include "common/base/xalloc.h"
#include "common/ipc/message.h"
#include "workers/keyring/aws_chain.h"
#include "workers/keyring/aws_job.h"
#include "workers/keyring/aws_refresh.h"
#include "workers/keyring/publication.h"

#define CLOCK_STEP_MS 60000 /* less does not matter to when credentials are renewed */

struct scope {
    char region[64];
    char service[32];
};

struct aws_identity {
    struct aws_context context;
    struct clock_skew skew; /* the context's */
    struct scope scopes[AWS_SCOPES_MAX];
    size_t scope_count;
    struct aws_credentials credentials; /* own; no access key id: none */
    char source[160];                   /* where they came from */
    int64_t version;                    /* of the last credentials or trouble */
    int64_t credentials_version;        /* of the current ones */
    char published_date[9];
    struct aws_job *fetch; /* own; NULL: none under way */
    struct event *timer;   /* own: the next fetch */
    unsigned failures;     /* in a row; a forced renewal that brought nothing better counts too */
    bool is_forced;        /* the fetch: the current ones were refused */
    int64_t got_mono_ms;   /* when the current ones came */
    int64_t wall_less_mono_ms;   /* the two clocks, when they were fetched last */
    int64_t pause_until_mono_ms; /* no forced renewal before it */
    char trouble[512];           /* published; "": none */
    char failing[512];           /* why the last renewal failed; "": it did not */
    json_int_t published;
    json_int_t refreshes;
    json_int_t refresh_failures;
    void (*send)(void *arg, json_t *msg);
    void *arg;
};

static void on_fetched(void *arg, struct aws_result *result);

static bool has_credentials(const struct aws_identity *a)
{
    return a->credentials.access_key_id != NULL;
}

/* ---- publishing ---- */

static void publish_scope(struct aws_identity *a, const struct scope *scope)
{
    const struct publication p = {.identity = "aws",
                                  .region = scope->region,
                                  .service = scope->service,
                                  .access_key_id = a->credentials.access_key_id,
                                  .secret = a->credentials.secret,
                                  .token = a->credentials.token ? a->credentials.token : "",
                                  .version = a->credentials_version,
                                  .wall_ms = clock_wall_ms()};
    for (int day = -1; day <= 1; day++)
        a->send(a->arg, publication_item(&p, day));
    a->published += 3;
}

static void publish_all(struct aws_identity *a)
{
    publication_date(clock_wall_ms(), a->published_date);
    for (size_t i = 0; i < a->scope_count; i++)
        publish_scope(a, &a->scopes[i]);
}

static void publish_trouble(struct aws_identity *a, const char *text)
{
    if (strcmp(text, a->trouble) == 0)
        return;
    snprintf(a->trouble, sizeof(a->trouble), "%s", text);
    a->version = publication_version(a->version, clock_wall_ms());
    json_t *msg = message_new("material");
    json_object_set_new(msg, "kind", json_string("trouble"));
    json_object_set_new(msg, "identity", json_string("aws"));
    json_object_set_new(msg, "error", json_string(a->trouble));
    json_object_set_new(msg, "version", json_integer(a->version));
    a->send(a->arg, msg);
}

/* ---- fetching ---- */

static void fetch(struct aws_identity *a)
{
    if (a->fetch)
        return;
    evtimer_del(a->timer);
    a->fetch = aws_chain_start(&a->context, on_fetched, a);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    fetch(arg);
}

static void fetch_in(struct aws_identity *a, int64_t ms)
{
    const struct timeval tv = {.tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000};
    evtimer_add(a->timer, &tv);
}

static bool is_same(const struct aws_credentials *x, const struct aws_credentials *y)
{
    return x->access_key_id && strcmp(x->access_key_id, y->access_key_id) == 0 &&
           strcmp(x->secret, y->secret) == 0 &&
           strcmp(x->token ? x->token : "", y->token ? y->token : "") == 0;
}

static void schedule(struct aws_identity *a)
{
    int64_t expires_at_ms = a->credentials.expires_at_ms;
    if (expires_at_ms)
        fetch_in(a, aws_refresh_delay_ms(clock_wall_ms(), expires_at_ms, a->context.pace_ms,
                                         noise_01()));
}

static void log_found(const struct aws_identity *a)
{
    char until[CLOCK_TEXT_BYTES] = "no end";
    if (a->credentials.expires_at_ms)
        clock_rfc3339(a->credentials.expires_at_ms, until);
    log_info("AWS credentials from %s: access key %s, good until %s", a->source,
             a->credentials.access_key_id, until);
}

static int64_t backoff_ms(const struct aws_identity *a)
{
    return aws_refresh_backoff_ms(a->failures, a->context.pace_ms, noise_01());
}

static void take(struct aws_identity *a, struct aws_result *result)
{
    int64_t now_ms = clock_mono_ms();
    bool is_new = !is_same(&a->credentials, &result->credentials);
    aws_credentials_wipe(&a->credentials);
    a->credentials = result->credentials;
    result->credentials = (struct aws_credentials){0};
    snprintf(a->source, sizeof(a->source), "%.159s", result->why);
    a->failing[0] = '\0';
    a->refreshes++;
    a->failures = aws_refresh_failures(a->failures, a->is_forced, is_new, now_ms - a->got_mono_ms,
                                       a->context.pace_ms);
    a->is_forced = false;
    a->wall_less_mono_ms = clock_wall_ms() - now_ms;
    a->pause_until_mono_ms = now_ms + backoff_ms(a);
    if (is_new) {
        a->got_mono_ms = now_ms;
        a->version = publication_version(a->version, clock_wall_ms());
        a->credentials_version = a->version;
        log_found(a);
        publish_all(a);
    }
    publish_trouble(a, "");
    schedule(a);
}

static void fail(struct aws_identity *a, const struct aws_result *result)
{
    char before[sizeof(a->failing)];
    int64_t expires_at_ms = a->credentials.expires_at_ms;
    snprintf(before, sizeof(before), "%s", a->failing);
    /* What the texts of others hold may not be UTF-8. */
    char *why = utf8_safe(result->why, strlen(result->why), AWS_WHY_BYTES);
    snprintf(a->failing, sizeof(a->failing), "%s: %s",
             result->outcome == AWS_NOT_HERE ? "no AWS credentials" : "AWS credentials", why);
    free(why);
    a->failures++;
    a->refresh_failures++;
    int64_t wait_ms = backoff_ms(a);
    a->pause_until_mono_ms = clock_mono_ms() + wait_ms;
    if (strcmp(before, a->failing) != 0)
        log_error("%s", a->failing);
    if (!has_credentials(a) || (expires_at_ms && expires_at_ms <= clock_wall_ms()))
        publish_trouble(a, a->failing);
    fetch_in(a, wait_ms);
}

static void on_fetched(void *arg, struct aws_result *result)
{
    struct aws_identity *a = arg;
    a->fetch = NULL;
    if (result->outcome == AWS_FOUND)
        take(a, result);
    else
        fail(a, result);
}

/* ---- what is asked ---- */

static bool is_name(const char *text, size_t size)
{
    size_t len = strspn(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-");
    return len > 0 && len < size && !text[len];
}

/* The scope, added where it is new; NULL where it is none or there are too many. */
static struct scope *use_scope(struct aws_identity *a, const char *region, const char *service)
{
    struct scope *scope;
    for (size_t i = 0; i < a->scope_count; i++) {
        scope = &a->scopes[i];
        if (strcmp(scope->region, region) == 0 && strcmp(scope->service, service) == 0)
            return scope;
    }
    if (!is_name(region, sizeof(scope->region)) || !is_name(service, sizeof(scope->service)) ||
        a->scope_count == AWS_SCOPES_MAX) {
        log_warn("signing keys for service \"%s\" in region \"%s\" are not given: %s", service,
                 region, a->scope_count == AWS_SCOPES_MAX ? "too many are in use" : "no such name");
        return NULL;
    }
    scope = &a->scopes[a->scope_count++];
    snprintf(scope->region, sizeof(scope->region), "%s", region);
    snprintf(scope->service, sizeof(scope->service), "%s", service);
    return scope;
}

/* Fetches now, unless that is under way, or was just done and brought nothing that is taken. */
static void renew(struct aws_identity *a)
{
    if (a->fetch || clock_mono_ms() < a->pause_until_mono_ms)
        return;
    a->is_forced = true;
    fetch(a);
}

void aws_identity_need(struct aws_identity *a, const char *region, const char *service)
{
    const struct scope *scope = use_scope(a, region, service);
    if (!scope)
        return;
    if (has_credentials(a))
        publish_scope(a, scope);
    else if (!evtimer_pending(a->timer, NULL))
        fetch(a);
}

void aws_identity_stale(struct aws_identity *a, const char *region, const char *service,
                        int64_t version)
{
    const struct scope *scope = use_scope(a, region, service);
    if (!scope)
        return;
    if (has_credentials(a) && version != a->credentials_version)
        publish_scope(a, scope);
    else
        renew(a);
}

/* Where the wall clock was set, or the host has slept, the timer is wrong for credentials that
 * expire: a fetch tells how long they last. */
static void renew_after_step(struct aws_identity *a)
{
    int64_t now_ms = clock_mono_ms();
    int64_t step_ms = clock_wall_ms() - now_ms - a->wall_less_mono_ms;
    if (a->credentials.expires_at_ms && llabs(step_ms) >= CLOCK_STEP_MS &&
        now_ms >= a->pause_until_mono_ms)
        fetch(a);
}

void aws_identity_on_tick(struct aws_identity *a)
{
    char today[9];
    publication_date(clock_wall_ms(), today);
    if (has_credentials(a) && strcmp(today, a->published_date) != 0)
        publish_all(a);
    renew_after_step(a);
}

/* ---- what is told ---- */

const char *aws_identity_trouble(const struct aws_identity *a)
{
    return a->trouble;
}

void aws_identity_beat(const struct aws_identity *a, json_t *counters, json_t *gauges,
                       json_t *waiting)
{
    int64_t expires_at_ms = a->credentials.expires_at_ms;
    int64_t left_ms = expires_at_ms - clock_wall_ms();
    json_object_set_new(counters, "aws_published", json_integer(a->published));
    json_object_set_new(counters, "aws_refreshes", json_integer(a->refreshes));
    json_object_set_new(counters, "aws_refresh_failures", json_integer(a->refresh_failures));
    json_object_set_new(gauges, "aws_expires_in_seconds",
                        json_integer(!expires_at_ms ? -1
                                     : left_ms > 0  ? left_ms / 1000
                                                    : 0));
    if (*a->failing)
        json_array_append_new(waiting, json_string(a->failing));
}

struct aws_identity *aws_identity_new(const struct aws_context *context,
                                      void (*send)(void *arg, json_t *msg), void *arg)
{
    struct aws_identity *a = xcalloc(1, sizeof(*a));
    a->context = *context;
    a->context.skew = &a->skew;
    a->send = send;
    a->arg = arg;
    a->timer = evtimer_new(context->base, on_timer, a);
    assert(a->timer);
    return a;
}

void aws_identity_free(struct aws_identity *a)
{
    if (!a)
        return;
    aws_job_cancel(a->fetch);
    event_free(a->timer);
    aws_credentials_wipe(&a->credentials);
    free(a);
}

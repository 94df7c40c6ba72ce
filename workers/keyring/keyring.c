/* The keyring: the only worker that sees secrets of AWS-like identities. It publishes short-lived
 * keys and tokens through the supervisor; the secrets never leave this process. Here is who is told
 * what: each identity has a module of its own. */
#include <assert.h>
#include <event2/event.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include "common/base/xalloc.h"
#include "common/conf/conf.h"
#include "common/ipc/message.h"
#include "common/net/http_client.h"
#include "workers/keyring/aws_identity.h"
#include "workers/keyring/embedded_identity.h"
#include "workers/keyring/oauth.h"
#include "workers/worker.h"

#define TICK_S 10
#define PACE_MS 1000

struct keyring {
    struct worker *worker;              /* borrowed: the process's */
    struct embedded_identity *embedded; /* own */
    struct http_client *http;           /* own */
    struct aws_identity *aws;           /* own */
    struct oauth *oauth;                /* own */
    struct event *tick;                 /* own */
};

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct keyring *k = arg;
    embedded_identity_on_tick(k->embedded);
    aws_identity_on_tick(k->aws);
}

static void send_message(void *arg, json_t *msg)
{
    worker_send(((struct keyring *)arg)->worker, msg);
}

static struct aws_identity *make_aws(struct keyring *k)
{
    const json_t *conf = worker_conf(k->worker);
    const struct aws_context context = {.base = worker_base(k->worker),
                                        .http = k->http,
                                        .profile = conf_str(conf, "aws.profile"),
                                        .region = conf_str(conf, "aws.region"),
                                        .sts_endpoint_url = conf_str(conf, "aws.sts_endpoint_url"),
                                        .ca_file = conf_str(conf, "aws.ca_file"),
                                        .pace_ms = PACE_MS};
    return aws_identity_new(&context, send_message, k);
}

static void *keyring_start(struct worker *w)
{
    struct embedded_identity *embedded =
        embedded_identity_new(w, conf_str(worker_conf(w), "state_dir"));
    if (!embedded)
        return NULL;
    struct keyring *k = xcalloc(1, sizeof(*k));
    k->worker = w;
    k->embedded = embedded;
    k->http = http_client_new(worker_base(w), 0);
    k->aws = make_aws(k);
    k->oauth = oauth_new(worker_base(w), conf_value(worker_conf(w), "oauth"), send_message, k);
    k->tick = event_new(worker_base(w), -1, EV_PERSIST, on_tick, k);
    assert(k->tick);
    struct timeval every = {.tv_sec = TICK_S};
    event_add(k->tick, &every);
    worker_ready(w);
    return k;
}

static void keyring_drain(void *state, int64_t deadline_mono_ms)
{
    (void)deadline_mono_ms;
    struct keyring *k = state;
    event_free(k->tick);
    k->tick = NULL;
    oauth_free(k->oauth);
    k->oauth = NULL;
    aws_identity_free(k->aws);
    k->aws = NULL;
    http_client_free(k->http);
    k->http = NULL;
    embedded_identity_free(k->embedded);
    k->embedded = NULL;
    worker_drained(k->worker);
}

/* ---- what workers ask for ---- */

static void on_embedded(struct keyring *k, const json_t *msg, const char *what)
{
    (void)msg;
    if (strcmp(what, "need") == 0)
        embedded_identity_publish(k->embedded);
}

static void on_aws(struct keyring *k, const json_t *msg, const char *what)
{
    const char *region = json_string_value(json_object_get(msg, "region"));
    const char *service = json_string_value(json_object_get(msg, "service"));
    if (!region || !service)
        return;
    if (strcmp(what, "need") == 0)
        aws_identity_need(k->aws, region, service);
    else
        aws_identity_stale(k->aws, region, service,
                           json_integer_value(json_object_get(msg, "version")));
}

static void on_oauth(struct keyring *k, const json_t *msg, const char *what)
{
    (void)what;
    oauth_take(k->oauth, msg);
}

static void keyring_message(void *state, const json_t *msg)
{
    static const struct {
        const char *kind, *identity; /* of the item; NULL: any */
        void (*take)(struct keyring *k, const json_t *msg, const char *what);
    } takers[] = {
        {"sigv4", "embedded", on_embedded}, {"sigv4", "aws", on_aws}, {"oauth", NULL, on_oauth}};
    struct keyring *k = state;
    const char *what = message_kind(msg);
    const char *kind = json_string_value(json_object_get(msg, "kind"));
    const char *identity = json_string_value(json_object_get(msg, "identity"));
    if (!k->tick || !kind || !identity || (strcmp(what, "need") && strcmp(what, "stale")))
        return;
    for (size_t i = 0; i < sizeof(takers) / sizeof(takers[0]); i++) {
        const char *whose = takers[i].identity;
        if (strcmp(kind, takers[i].kind) == 0 && (!whose || strcmp(identity, whose) == 0))
            takers[i].take(k, msg, what);
    }
}

/* ---- what it says of itself ---- */

static void keyring_beat(void *state, json_t *beat)
{
    const struct keyring *k = state;
    json_t *counters = json_object(), *gauges = json_object(), *waiting = json_array();
    if (k->embedded)
        json_object_set_new(counters, "published",
                            json_integer(embedded_identity_published(k->embedded)));
    if (k->aws)
        aws_identity_beat(k->aws, counters, gauges, waiting);
    if (k->oauth)
        oauth_beat(k->oauth, counters, waiting);
    json_object_set_new(beat, "counters", counters);
    json_object_set_new(beat, "gauges", gauges);
    json_object_set_new(beat, "waiting", waiting);
}

static bool keyring_healthy(void *state, char *reason, size_t reason_size)
{
    const struct keyring *k = state;
    const char *trouble = k->aws ? aws_identity_trouble(k->aws) : "";
    snprintf(reason, reason_size, "%s", trouble);
    return !*trouble;
}

/* JSON values hold secrets for a moment when they are read. */
static void wiping_free(void *memory)
{
    if (!memory)
        return;
    explicit_bzero(memory, malloc_usable_size(memory));
    free(memory);
}

int main(int argc, char **argv)
{
    static const struct worker_role role = {.name = "keyring",
                                            .start = keyring_start,
                                            .drain = keyring_drain,
                                            .beat = keyring_beat,
                                            .healthy = keyring_healthy,
                                            .message = keyring_message};
    json_set_alloc_funcs(malloc, wiping_free);
    /* No look into memory and environment for others of this account, such as an exec destination,
     * and no core, wherever the system would send it. */
    prctl(PR_SET_DUMPABLE, 0);
    return worker_main(argc, argv, &role);
}

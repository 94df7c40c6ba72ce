/* The keyring: the only worker that sees secrets of AWS-like identities. It publishes short-lived
 * signing keys through the supervisor; the secret never leaves this process. Now: the static
 * identity of the embedded store. */
#include <assert.h>
#include <event2/event.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/fdio.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "common/conf/conf.h"
#include "workers/keyring/embedded_key.h"
#include "workers/keyring/publication.h"
#include "workers/worker.h"

#define LOOK_AT_DATE_S 60

struct keyring {
    struct worker *worker;    /* borrowed: the process's */
    struct embedded_key *key; /* own */
    struct event *daily;      /* own */
    char published_date[9];
    json_int_t published;
};

static void publish(struct keyring *k)
{
    struct publication p = {.identity = "embedded",
                            .region = "local",
                            .access_key_id = k->key->access_key_id,
                            .secret = k->key->secret,
                            .wall_ms = clock_wall_ms()};
    for (size_t i = 0; i < PUBLICATION_ITEMS; i++)
        worker_send(k->worker, publication_item(&p, i));
    k->published += PUBLICATION_ITEMS;
    publication_date(p.wall_ms, k->published_date);
    log_info("published signing keys of identity \"embedded\" around %s", k->published_date);
}

/* Tomorrow's keys are out since yesterday, so a minute late is in time. */
static void on_minute(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct keyring *k = arg;
    char today[9];
    publication_date(clock_wall_ms(), today);
    if (strcmp(today, k->published_date) != 0)
        publish(k);
}

static struct embedded_key *open_key(const char *state_dir)
{
    char reason[512];
    if (fdio_make_dirs(state_dir, 0750) != 0) {
        log_error("state directory \"%s\" cannot be made; create it for this user", state_dir);
        return NULL;
    }
    char *path = xasprintf("%s/embedded-key.json", state_dir);
    struct embedded_key *key = embedded_key_open(path, reason, sizeof(reason));
    if (!key)
        log_error("%s", reason);
    free(path);
    return key;
}

static void *keyring_start(struct worker *w)
{
    struct embedded_key *key = open_key(conf_str(worker_conf(w), "state_dir"));
    if (!key)
        return NULL;
    struct keyring *k = xcalloc(1, sizeof(*k));
    k->worker = w;
    k->key = key;
    publish(k);
    k->daily = event_new(worker_base(w), -1, EV_PERSIST, on_minute, k);
    assert(k->daily);
    struct timeval every = {.tv_sec = LOOK_AT_DATE_S};
    event_add(k->daily, &every);
    worker_ready(w);
    return k;
}

static void keyring_drain(void *state, int64_t deadline_mono_ms)
{
    (void)deadline_mono_ms;
    struct keyring *k = state;
    event_free(k->daily);
    k->daily = NULL;
    embedded_key_free(k->key);
    k->key = NULL;
    worker_drained(k->worker);
}

static void keyring_beat(void *state, json_t *beat)
{
    const struct keyring *k = state;
    json_object_set_new(beat, "counters", json_pack("{s:I}", "published", k->published));
}

/* JSON values hold the secret for a moment when the file is read. */
static void wiping_free(void *memory)
{
    if (!memory)
        return;
    explicit_bzero(memory, malloc_usable_size(memory));
    free(memory);
}

int main(int argc, char **argv)
{
    static const struct worker_role role = {
        .name = "keyring", .start = keyring_start, .drain = keyring_drain, .beat = keyring_beat};
    json_set_alloc_funcs(malloc, wiping_free);
    return worker_main(argc, argv, &role);
}

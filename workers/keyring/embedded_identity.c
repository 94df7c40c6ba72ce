#include "workers/keyring/embedded_identity.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/fdio.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "workers/keyring/embedded_key.h"
#include "workers/keyring/publication.h"
#include "workers/worker.h"

struct embedded_identity {
    struct worker *worker;    /* borrowed: the process's */
    struct embedded_key *key; /* own */
    int64_t version;
    char published_date[9];
    json_int_t published; /* keys */
};

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

void embedded_identity_publish(struct embedded_identity *e)
{
    static const char *const services[] = {"sqs", "s3", "dynamodb"};
    struct publication p = {.identity = "embedded",
                            .region = "local",
                            .access_key_id = e->key->access_key_id,
                            .secret = e->key->secret,
                            .token = "",
                            .version = e->version,
                            .wall_ms = clock_wall_ms()};
    for (size_t i = 0; i < sizeof(services) / sizeof(services[0]); i++) {
        p.service = services[i];
        for (int day = -1; day <= 1; day++)
            worker_send(e->worker, publication_item(&p, day));
        e->published += 3;
    }
    publication_date(p.wall_ms, e->published_date);
    log_info("published signing keys of identity \"embedded\" around %s", e->published_date);
}

/* Tomorrow's keys are out since yesterday, so a minute late is in time. */
void embedded_identity_on_tick(struct embedded_identity *e)
{
    char today[9];
    publication_date(clock_wall_ms(), today);
    if (strcmp(today, e->published_date) != 0)
        embedded_identity_publish(e);
}

json_int_t embedded_identity_published(const struct embedded_identity *e)
{
    return e->published;
}

struct embedded_identity *embedded_identity_new(struct worker *w, const char *state_dir)
{
    struct embedded_key *key = open_key(state_dir);
    if (!key)
        return NULL;
    struct embedded_identity *e = xcalloc(1, sizeof(*e));
    e->worker = w;
    e->key = key;
    e->version = publication_version(0, clock_wall_ms());
    embedded_identity_publish(e);
    return e;
}

void embedded_identity_free(struct embedded_identity *e)
{
    if (!e)
        return;
    embedded_key_free(e->key);
    free(e);
}

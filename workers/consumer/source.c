#include "workers/consumer/source.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "common/conf/conf.h"
#include "workers/consumer/advice.h"
#include "common/delivery/errands.h"
#include "workers/delivery_gate.h"

#define DAY_S 86400

struct named_destination {
    const char *name;                /* borrow */
    struct destination *destination; /* own */
};

struct sources {
    struct source *list; /* own */
    size_t count;
    struct named_destination *destinations; /* own */
    size_t destination_count;
    struct ledger_kills *kills; /* own; NULL where no source has a ledger */
};

static struct destination *destination_named(struct sources *all, struct event_base *base,
                                             const json_t *conf, const char *name,
                                             struct tokens *tokens)
{
    for (size_t i = 0; i < all->destination_count; i++)
        if (strcmp(all->destinations[i].name, name) == 0)
            return all->destinations[i].destination;
    const json_t *one = json_object_get(conf_value(conf, "destinations"), name);
    struct destination *d = one ? destination_new(base, name, one, tokens) : NULL;
    if (!d)
        return NULL;
    all->destinations =
        xrealloc(all->destinations, (all->destination_count + 1) * sizeof(*all->destinations));
    all->destinations[all->destination_count++] = (struct named_destination){name, d};
    return d;
}

static void read_gate(struct source *s, const json_t *conf)
{
    const json_t *one = json_object_get(conf_value(conf, "destinations"), s->destination_name);
    s->gate_key = delivery_gate_key(conf, s->name);
    if (!s->gate_key)
        return;
    bool is_http = one && strcmp(conf_str(one, "type"), "http") == 0;
    s->breaker_open_ms = delivery_gate_open_ms(conf, s->name);
    s->delivery_ms = is_http ? conf_int(one, "timeout_s") * 1000 : 0;
    s->delivery_ms += s->check ? conf_int(s->conf, "check.timeout_s") * 1000 : 0;
}

static int read_source(struct sources *all, struct event_base *base, const json_t *conf,
                       struct queues *queues, const struct sources_means *means, const char *name,
                       const json_t *one)
{
    struct source *s = &all->list[all->count++];
    s->name = name;
    s->conf = one;
    s->body_is_json = strcmp(conf_str(one, "body"), "json") == 0;
    s->base_s = (int)conf_int(one, "retry.base_s");
    s->cap_s = (int)conf_int(one, "retry.cap_s");
    s->max_retries = (int)conf_int(one, "retry.max_retries");
    s->visibility_s = (int)conf_int(one, "retry.visibility_s");
    s->wait_s = (int)conf_int(one, "retry.wait_s");
    s->age_limit_ms = conf_int(one, "retry.age_limit_s") * 1000;
    s->queue = queues_add(queues, conf_str(one, "queue"), true);
    s->inspection = queues_add(queues, conf_str(one, "inspection_queue"), false);
    const char *dead_letters = conf_str(one, "dead_letter.queue");
    s->dead_letters = *dead_letters ? queues_add(queues, dead_letters, false) : NULL;
    s->s3 = conf_bool(one, "dead_letter.s3");
    s->requeue = strcmp(conf_str(one, "retry.strategy"), "requeue") == 0;
    s->deliver_in_outage = strcmp(conf_str(conf, "ledger.outage"), "deliver") == 0;
    s->destination_name = conf_str(one, "destination");
    if (conf_bool(one, "ledger")) {
        const struct ledger_config config = {.table = conf_str(conf, "ledger.table"),
                                             .claim_ms = s->visibility_s * INT64_C(1000),
                                             .retention_s = conf_int(conf, "ledger.retention_s"),
                                             .role = "consumer"};
        s->ledger = ledger_new(means->client, means->ledger, &config);
        if (!all->kills)
            all->kills = ledger_kills_new(means->client, means->ledger, &config);
    }
    s->check = errands_check(means->errands, name);
    s->acknowledge = errands_acknowledge(means->errands, name);
    read_gate(s, conf);
    s->destination =
        destination_named(all, base, conf, conf_str(one, "destination"), means->tokens);
    if (s->destination)
        return 0;
    log_error("source \"%s\": destination \"%s\" cannot be used; correct destinations.%s", name,
              conf_str(one, "destination"), conf_str(one, "destination"));
    return -1;
}

struct sources *sources_new(struct event_base *base, const json_t *conf, struct queues *queues,
                            const struct sources_means *means)
{
    const json_t *list = conf_value(conf, "sources");
    struct sources *all = xcalloc(1, sizeof(*all));
    all->list = xcalloc(json_object_size(list) + 1, sizeof(*all->list));
    const char *name;
    json_t *one;
    json_object_foreach((json_t *)(uintptr_t)list, name, one)
    {
        if (read_source(all, base, conf, queues, means, name, one) == -1) {
            sources_free(all);
            return NULL;
        }
    }
    return all;
}

void sources_free(struct sources *all)
{
    if (!all)
        return;
    for (size_t i = 0; i < all->destination_count; i++)
        destination_free(all->destinations[i].destination);
    for (size_t i = 0; i < all->count; i++) {
        ledger_free(all->list[i].ledger);
        free(all->list[i].gate_key);
    }
    ledger_kills_free(all->kills);
    free(all->destinations);
    free(all->list);
    free(all);
}

void sources_limit_age(struct sources *all, const struct queue *queue)
{
    int64_t kept_s = queue->attributes.retention_s;
    int64_t limit_s = kept_s > 2 * DAY_S ? kept_s - DAY_S : kept_s / 2;
    for (size_t i = 0; i < all->count && kept_s > 0; i++) {
        struct source *s = &all->list[i];
        if (s->queue != queue)
            continue;
        s->age_limit_ms = conf_int(s->conf, "retry.age_limit_s") * 1000;
        if (s->age_limit_ms > limit_s * 1000)
            s->age_limit_ms = limit_s * 1000;
    }
}

static void tell(char *text, void (*each)(void *arg, const char *text), void *arg)
{
    if (text)
        each(arg, text);
    free(text);
}

void sources_advise(const struct sources *all, void (*each)(void *arg, const char *text), void *arg)
{
    for (size_t i = 0; i < all->count; i++) {
        const struct source *s = &all->list[i];
        const struct queue *q = s->queue, *dead = s->dead_letters;
        if (q->url)
            tell(advice_redrive(q->name, q->url, &q->attributes, s->max_retries), each, arg);
        if (q->url && dead && dead->url)
            tell(advice_retention(dead->name, dead->url, &dead->attributes, &q->attributes), each,
                 arg);
    }
}

size_t sources_count(const struct sources *all)
{
    return all->count;
}

const struct source *sources_at(const struct sources *all, size_t i)
{
    return &all->list[i];
}

bool sources_use_ledger(const struct sources *all)
{
    for (size_t i = 0; i < all->count; i++)
        if (all->list[i].ledger)
            return true;
    return false;
}

bool sources_use_s3(const struct sources *all)
{
    for (size_t i = 0; i < all->count; i++)
        if (all->list[i].s3)
            return true;
    return false;
}

const struct source *sources_of_queue(const struct sources *all, const struct queue *queue,
                                      const char *name)
{
    const struct source *first = NULL;
    for (size_t i = 0; i < all->count; i++) {
        const struct source *s = &all->list[i];
        if (s->queue != queue)
            continue;
        if (name && strcmp(s->name, name) == 0)
            return s;
        first = first ? first : s;
    }
    return first;
}

void sources_poll_times(const struct sources *all, const struct queue *queue, int *wait_s_out,
                        int *visibility_s_out)
{
    *wait_s_out = 20;
    *visibility_s_out = 0;
    for (size_t i = 0; i < all->count; i++) {
        const struct source *s = &all->list[i];
        if (s->queue != queue)
            continue;
        if (s->wait_s < *wait_s_out)
            *wait_s_out = s->wait_s;
        if (s->visibility_s > *visibility_s_out)
            *visibility_s_out = s->visibility_s;
    }
}

struct ledger_kills *sources_kills_of_queue(const struct sources *all, const struct queue *queue)
{
    for (size_t i = 0; i < all->count; i++)
        if (all->list[i].queue == queue && all->list[i].ledger)
            return all->kills;
    return NULL;
}

void sources_note_groups(const struct sources *all, const struct delivery_groups *groups)
{
    for (size_t i = 0; i < all->destination_count; i++)
        destination_note_groups(all->destinations[i].destination, groups);
}

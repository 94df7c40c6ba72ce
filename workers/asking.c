#include "workers/asking.h"

#include <assert.h>
#include <event2/event.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "common/base/xalloc.h"
#include "common/ipc/message.h"

#define REPEAT_S 1
#define NEEDED INT64_MIN /* in place of a version: the item is missing */

struct ask {
    TAILQ_ENTRY(ask) link;
    json_t *msg;     /* own */
    int64_t version; /* NEEDED, or the refused one */
};

struct asking {
    TAILQ_HEAD(, ask) asks; /* as many as there are items that this worker uses */
    struct event *timer;    /* own */
    void (*send)(void *arg, json_t *msg);
    void *arg;
};

static void on_second(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct asking *a = arg;
    struct ask *ask;
    TAILQ_FOREACH(ask, &a->asks, link)
    {
        a->send(a->arg, json_incref(ask->msg));
    }
}

struct asking *asking_new(struct event_base *base, void (*send)(void *arg, json_t *msg), void *arg)
{
    struct asking *a = xcalloc(1, sizeof(*a));
    TAILQ_INIT(&a->asks);
    a->send = send;
    a->arg = arg;
    a->timer = event_new(base, -1, EV_PERSIST, on_second, a);
    assert(a->timer);
    return a;
}

static void drop(struct asking *a, struct ask *ask)
{
    TAILQ_REMOVE(&a->asks, ask, link);
    json_decref(ask->msg);
    free(ask);
    if (TAILQ_EMPTY(&a->asks))
        event_del(a->timer);
}

void asking_free(struct asking *a)
{
    if (!a)
        return;
    while (!TAILQ_EMPTY(&a->asks))
        drop(a, TAILQ_FIRST(&a->asks));
    event_free(a->timer);
    free(a);
}

static bool is_about(const json_t *msg, const struct asking_item *item)
{
    const char *members[][2] = {{"kind", item->kind},
                                {"identity", item->identity},
                                {"region", item->region},
                                {"service", item->service}};
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        const char *text = json_string_value(json_object_get(msg, members[i][0]));
        if (strcmp(text ? text : "", members[i][1]) != 0)
            return false;
    }
    return true;
}

static struct ask *find(const struct asking *a, const struct asking_item *item)
{
    struct ask *ask;
    TAILQ_FOREACH(ask, &a->asks, link)
    {
        if (is_about(ask->msg, item))
            return ask;
    }
    return NULL;
}

static void add(struct asking *a, const char *what, const struct asking_item *item, int64_t version)
{
    const struct timeval every = {.tv_sec = REPEAT_S};
    struct ask *ask = xcalloc(1, sizeof(*ask));
    ask->version = version;
    ask->msg = json_pack("{s:s,s:s,s:s,s:s,s:s}", "t", what, "kind", item->kind, "identity",
                         item->identity, "region", item->region, "service", item->service);
    assert(ask->msg);
    if (version != NEEDED)
        json_object_set_new(ask->msg, "version", json_integer(version));
    if (TAILQ_EMPTY(&a->asks))
        event_add(a->timer, &every);
    TAILQ_INSERT_TAIL(&a->asks, ask, link);
    a->send(a->arg, json_incref(ask->msg));
}

void asking_need(struct asking *a, const struct asking_item *item)
{
    if (!find(a, item))
        add(a, "need", item, NEEDED);
}

void asking_stale(struct asking *a, const struct asking_item *item, int64_t version)
{
    struct ask *ask = find(a, item);
    if (ask && ask->version == version)
        return;
    if (ask)
        drop(a, ask);
    add(a, "stale", item, version);
}

void asking_answered(struct asking *a, const json_t *material)
{
    int64_t version = json_integer_value(json_object_get(material, "version"));
    struct ask *ask, *next;
    for (ask = TAILQ_FIRST(&a->asks); ask; ask = next) {
        next = TAILQ_NEXT(ask, link);
        const char *kind = json_string_value(json_object_get(ask->msg, "kind"));
        const char *identity = json_string_value(json_object_get(ask->msg, "identity"));
        const char *region = json_string_value(json_object_get(ask->msg, "region"));
        const char *service = json_string_value(json_object_get(ask->msg, "service"));
        const struct asking_item item = {kind, identity, region, service};
        if (is_about(material, &item) && ask->version != version)
            drop(a, ask);
    }
}

#include "supervisor/materials.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "common/base/clock.h"
#include "common/base/xalloc.h"
#include "common/ipc/channel.h"

struct item {
    TAILQ_ENTRY(item) link;
    json_t *msg; /* own */
};

struct materials {
    TAILQ_HEAD(, item) items;
    size_t count;
};

static const char *const group_members[] = {"kind", "identity", "region", "service"};

struct materials *materials_new(void)
{
    struct materials *m = xcalloc(1, sizeof *m);
    TAILQ_INIT(&m->items);
    return m;
}

/* A channel that has not written it yet may still hold the message; then the text goes unwiped. */
static void drop(struct materials *m, struct item *item)
{
    static const char *const secrets[] = {"key", "token"};
    for (size_t i = 0; i < sizeof secrets / sizeof secrets[0]; i++) {
        const char *text = json_string_value(json_object_get(item->msg, secrets[i]));
        if (text != NULL && item->msg->refcount == 1)
            explicit_bzero((char *)(uintptr_t)text, strlen(text));
    }
    TAILQ_REMOVE(&m->items, item, link);
    m->count--;
    json_decref(item->msg);
    free(item);
}

void materials_free(struct materials *m)
{
    if (m == NULL)
        return;
    while (!TAILQ_EMPTY(&m->items))
        drop(m, TAILQ_FIRST(&m->items));
    free(m);
}

static const char *member(const json_t *msg, const char *name)
{
    const char *text = json_string_value(json_object_get(msg, name));
    return text != NULL ? text : "";
}

static bool same_group(const json_t *a, const json_t *b)
{
    for (size_t i = 0; i < sizeof group_members / sizeof group_members[0]; i++) {
        if (strcmp(member(a, group_members[i]), member(b, group_members[i])) != 0)
            return false;
    }
    return true;
}

static const char *malformed(const json_t *msg)
{
    if (member(msg, "kind")[0] == '\0')
        return "it has no \"kind\"";
    if (member(msg, "identity")[0] == '\0')
        return "it has no \"identity\"";
    /* Written again it can be longer than it came ("1e9" becomes "1000000000.0"). */
    if (json_dumpb(msg, NULL, 0, JSON_COMPACT) > CHANNEL_PACKET_BYTES)
        return "it does not fit into a packet";
    const char *optional[] = {"region", "service", "date"};
    for (size_t i = 0; i < sizeof optional / sizeof optional[0]; i++) {
        const json_t *value = json_object_get(msg, optional[i]);
        if (value != NULL && !json_is_string(value))
            return "a member of its name is not a string";
    }
    return NULL;
}

/* Drops what the message replaces: the same date, and the one that came first where there are
 * enough. */
static void make_way(struct materials *m, const json_t *msg)
{
    struct item *first = NULL, *item, *next;
    size_t dates = 0;
    for (item = TAILQ_FIRST(&m->items); item != NULL; item = next) {
        next = TAILQ_NEXT(item, link);
        if (!same_group(item->msg, msg))
            continue;
        if (strcmp(member(item->msg, "date"), member(msg, "date")) == 0) {
            drop(m, item);
            continue;
        }
        dates++;
        if (first == NULL)
            first = item;
    }
    if (dates >= MATERIALS_DATES)
        drop(m, first);
}

int materials_put(struct materials *m, json_t *msg, const char **why_out)
{
    *why_out = malformed(msg);
    if (*why_out != NULL)
        return -1;
    make_way(m, msg);
    if (m->count >= MATERIALS_MAX_ITEMS) {
        *why_out = "too many items are kept already";
        return -1;
    }
    struct item *item = xcalloc(1, sizeof *item);
    item->msg = json_incref(msg);
    TAILQ_INSERT_TAIL(&m->items, item, link);
    m->count++;
    return 0;
}

void materials_each(const struct materials *m, void (*each)(void *arg, json_t *msg), void *arg)
{
    struct item *item;
    TAILQ_FOREACH(item, &m->items, link)
    each(arg, item->msg);
}

static bool is_current(const json_t *msg, const char *today, int64_t wall_ms)
{
    const char *date = member(msg, "date");
    const json_t *expires = json_object_get(msg, "expires_at_ms");
    return (date[0] == '\0' || strcmp(date, today) == 0) &&
           (!json_is_integer(expires) || json_integer_value(expires) > wall_ms);
}

size_t materials_answer(const struct materials *m, const json_t *need, int64_t wall_ms,
                        void (*each)(void *arg, json_t *msg), void *arg)
{
    char today[CLOCK_TEXT_BYTES];
    size_t count = 0;
    struct item *item;
    clock_amz_date(wall_ms, today);
    today[8] = '\0';
    TAILQ_FOREACH(item, &m->items, link)
    {
        if (!same_group(item->msg, need) || !is_current(item->msg, today, wall_ms))
            continue;
        each(arg, item->msg);
        count++;
    }
    return count;
}

size_t materials_count(const struct materials *m)
{
    return m->count;
}

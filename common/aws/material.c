#include "common/aws/material.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "common/base/xalloc.h"

#define DATES_KEPT 3
#define TROUBLES_MAX 16

struct item {
    TAILQ_ENTRY(item) link;
    char identity[32];
    struct sigv4_key key;
};

/* Of one identity; there are few, and they stay. */
struct trouble {
    TAILQ_ENTRY(trouble) link;
    char identity[32];
    char error[MATERIAL_TROUBLE_BYTES]; /* "": over */
};

struct material {
    TAILQ_HEAD(, item) items;
    TAILQ_HEAD(, trouble) troubles;
    size_t trouble_count;
};

struct material *material_new(void)
{
    struct material *m = xcalloc(1, sizeof(*m));
    TAILQ_INIT(&m->items);
    TAILQ_INIT(&m->troubles);
    return m;
}

static void item_free(struct item *item)
{
    if (item->key.session_token)
        explicit_bzero(item->key.session_token, strlen(item->key.session_token));
    free(item->key.session_token);
    explicit_bzero(item, sizeof(*item));
    free(item);
}

void material_free(struct material *m)
{
    if (!m)
        return;
    while (!TAILQ_EMPTY(&m->items)) {
        struct item *item = TAILQ_FIRST(&m->items);
        TAILQ_REMOVE(&m->items, item, link);
        item_free(item);
    }
    while (!TAILQ_EMPTY(&m->troubles)) {
        struct trouble *trouble = TAILQ_FIRST(&m->troubles);
        TAILQ_REMOVE(&m->troubles, trouble, link);
        free(trouble);
    }
    free(m);
}

/* ---- trouble ---- */

static struct trouble *find_trouble(const struct material *m, const char *identity)
{
    struct trouble *trouble;
    TAILQ_FOREACH(trouble, &m->troubles, link)
    {
        if (!strcmp(trouble->identity, identity))
            return trouble;
    }
    return NULL;
}

const char *material_trouble(const struct material *m, const char *identity)
{
    const struct trouble *trouble = find_trouble(m, identity);
    return trouble ? trouble->error : "";
}

static int put_trouble(struct material *m, const json_t *msg)
{
    const char *identity = json_string_value(json_object_get(msg, "identity"));
    const char *error = json_string_value(json_object_get(msg, "error"));
    struct trouble *trouble;
    if (!identity || !*identity || strlen(identity) >= sizeof(trouble->identity) || !error)
        return -1;
    trouble = find_trouble(m, identity);
    if (!trouble && m->trouble_count >= TROUBLES_MAX)
        return -1;
    if (!trouble) {
        trouble = xcalloc(1, sizeof(*trouble));
        strcpy(trouble->identity, identity);
        TAILQ_INSERT_HEAD(&m->troubles, trouble, link);
        m->trouble_count++;
    }
    snprintf(trouble->error, sizeof(trouble->error), "%s", error);
    return 0;
}

/* ---- keys ---- */

/* Copies a member that must be there, not empty, and fit. */
static bool take_text(const json_t *msg, const char *name, char *out, size_t size)
{
    const char *text = json_string_value(json_object_get(msg, name));
    if (!text || !*text || strlen(text) >= size)
        return false;
    strcpy(out, text);
    return true;
}

static bool take_key(const json_t *msg, unsigned char out[SIGV4_KEY_BYTES])
{
    const char *hex = json_string_value(json_object_get(msg, "key"));
    if (!hex || strlen(hex) != 2 * SIGV4_KEY_BYTES)
        return false;
    for (size_t i = 0; i < SIGV4_KEY_BYTES; i++) {
        char pair[3] = {hex[2 * i], hex[2 * i + 1], '\0'};
        if (!isxdigit((unsigned char)pair[0]) || !isxdigit((unsigned char)pair[1]))
            return false;
        out[i] = (unsigned char)strtoul(pair, NULL, 16);
    }
    return true;
}

static bool take_item(const json_t *msg, struct item *item)
{
    struct sigv4_key *key = &item->key;
    const char *kind = json_string_value(json_object_get(msg, "kind"));
    const json_t *token = json_object_get(msg, "token");
    if (!kind || strcmp(kind, "sigv4") || (token && !json_is_string(token)))
        return false;
    if (!take_text(msg, "identity", item->identity, sizeof(item->identity)) ||
        !take_text(msg, "region", key->region, sizeof(key->region)) ||
        !take_text(msg, "service", key->service, sizeof(key->service)) ||
        !take_text(msg, "date", key->date, sizeof(key->date)) || strlen(key->date) != 8 ||
        !take_text(msg, "access_key_id", key->access_key_id, sizeof(key->access_key_id)) ||
        !take_key(msg, key->key))
        return false;
    if (json_string_length(token))
        key->session_token = xstrdup(json_string_value(token));
    key->version = json_integer_value(json_object_get(msg, "version"));
    return true;
}

static bool same_scope(const struct item *a, const struct item *b)
{
    return !strcmp(a->identity, b->identity) && !strcmp(a->key.region, b->key.region) &&
           !strcmp(a->key.service, b->key.service);
}

/* Removes the item of this scope and date, or, with date NULL, the scope's one that came first
 * where there are more than the kept number: the newest are at the head. */
static void drop(struct material *m, const struct item *scope, const char *date)
{
    struct item *item, *found = NULL;
    size_t dates = 0;
    TAILQ_FOREACH(item, &m->items, link)
    {
        if (!same_scope(item, scope))
            continue;
        dates++;
        if (!date || !strcmp(item->key.date, date))
            found = item;
    }
    if (!found || (!date && dates <= DATES_KEPT))
        return;
    TAILQ_REMOVE(&m->items, found, link);
    item_free(found);
}

static int put_key(struct material *m, const json_t *msg)
{
    struct item *item = xcalloc(1, sizeof(*item));
    if (!take_item(msg, item)) {
        item_free(item);
        return -1;
    }
    drop(m, item, item->key.date);
    TAILQ_INSERT_HEAD(&m->items, item, link);
    drop(m, item, NULL);
    struct trouble *trouble = find_trouble(m, item->identity);
    if (trouble)
        trouble->error[0] = '\0';
    return 0;
}

int material_put(struct material *m, const json_t *msg)
{
    const char *kind = json_string_value(json_object_get(msg, "kind"));
    return kind && !strcmp(kind, "trouble") ? put_trouble(m, msg) : put_key(m, msg);
}

static bool has_scope(const struct item *item, const char *region, const char *service,
                      const char *date)
{
    return !strcmp(item->key.date, date) && !strcmp(item->key.region, region) &&
           !strcmp(item->key.service, service);
}

const struct sigv4_key *material_signing_key(const struct material *m, const char *identity,
                                             const char *region, const char *service,
                                             const char *date)
{
    const struct item *item;
    TAILQ_FOREACH(item, &m->items, link)
    {
        if (!strcmp(item->identity, identity) && has_scope(item, region, service, date))
            return &item->key;
    }
    return NULL;
}

const struct sigv4_key *material_key_by_id(const struct material *m, const char *identity,
                                           const char *access_key_id, const char *region,
                                           const char *service, const char *date)
{
    const struct item *item;
    TAILQ_FOREACH(item, &m->items, link)
    {
        if (!strcmp(item->identity, identity) && !strcmp(item->key.access_key_id, access_key_id) &&
            has_scope(item, region, service, date))
            return &item->key;
    }
    return NULL;
}

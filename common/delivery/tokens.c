#include "common/delivery/tokens.h"

#include <assert.h>
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "common/base/clock.h"
#include "common/base/xalloc.h"

#define SAY_IN_USE_MS 60000 /* how often the keyring is told that a token is in use */
#define WHY_BYTES 320

struct item {
    TAILQ_ENTRY(item) link;
    char *name;  /* own */
    char *token; /* own; NULL: none */
    int64_t version, expires_at_ms;
    char *trouble; /* own; NULL: none */
    int64_t retry_at_ms;
    bool used; /* somebody here wanted it */
    int64_t said_mono_ms;
};

struct token_wait {
    TAILQ_ENTRY(token_wait) link;
    struct tokens *all; /* borrow: holds us */
    struct item *item;  /* borrow: items stay */
    int64_t refused_version;
    int64_t until_mono_ms;
    struct event *event; /* own */
    token_cb *done;
    void *arg;
};

struct tokens {
    struct event_base *base; /* borrow */
    struct tokens_hooks hooks;
    TAILQ_HEAD(, item) items;
    TAILQ_HEAD(, token_wait) waits;
};

struct tokens *tokens_new(struct event_base *base, const struct tokens_hooks *hooks)
{
    struct tokens *t = xcalloc(1, sizeof(*t));
    t->base = base;
    t->hooks = *hooks;
    TAILQ_INIT(&t->items);
    TAILQ_INIT(&t->waits);
    return t;
}

static void drop_token(struct item *item)
{
    if (item->token)
        explicit_bzero(item->token, strlen(item->token));
    free(item->token);
    item->token = NULL;
}

void tokens_free(struct tokens *t)
{
    if (!t)
        return;
    assert(TAILQ_EMPTY(&t->waits));
    while (!TAILQ_EMPTY(&t->items)) {
        struct item *item = TAILQ_FIRST(&t->items);
        TAILQ_REMOVE(&t->items, item, link);
        drop_token(item);
        free(item->trouble);
        free(item->name);
        free(item);
    }
    free(t);
}

static struct item *item_of(struct tokens *t, const char *name)
{
    struct item *item;
    TAILQ_FOREACH(item, &t->items, link)
    {
        if (strcmp(item->name, name) == 0)
            return item;
    }
    item = xcalloc(1, sizeof(*item));
    item->name = xstrdup(name);
    item->said_mono_ms = INT64_MIN;
    TAILQ_INSERT_TAIL(&t->items, item, link);
    return item;
}

/* ---- what the keyring says ---- */

static void take_token(struct item *item, const json_t *msg, int64_t version)
{
    const char *token = json_string_value(json_object_get(msg, "token"));
    drop_token(item);
    item->token = token && *token ? xstrdup(token) : NULL;
    item->version = version;
    item->expires_at_ms = json_integer_value(json_object_get(msg, "expires_at_ms"));
    free(item->trouble);
    item->trouble = NULL;
}

static void take_trouble(struct item *item, const json_t *msg)
{
    const char *error = json_string_value(json_object_get(msg, "error"));
    free(item->trouble);
    item->trouble = error && *error ? xstrdup(error) : NULL;
    item->retry_at_ms = json_integer_value(json_object_get(msg, "retry_at_ms"));
}

bool tokens_put(struct tokens *t, const json_t *msg)
{
    const char *kind = json_string_value(json_object_get(msg, "kind"));
    const char *service = json_string_value(json_object_get(msg, "service"));
    const char *name = json_string_value(json_object_get(msg, "identity"));
    const json_t *version = json_object_get(msg, "version");
    if (!kind || !name || !json_is_integer(version))
        return false;
    struct token_wait *wait;
    if (strcmp(kind, "oauth") == 0)
        take_token(item_of(t, name), msg, json_integer_value(version));
    else if (strcmp(kind, "trouble") == 0 && service && strcmp(service, "oauth") == 0)
        take_trouble(item_of(t, name), msg);
    else
        return false;
    TAILQ_FOREACH(wait, &t->waits, link)
    {
        if (strcmp(wait->item->name, name) == 0)
            event_active(wait->event, EV_TIMEOUT, 0);
    }
    return true;
}

/* ---- those who wait ---- */

void token_wait_cancel(struct token_wait *wait)
{
    if (!wait)
        return;
    TAILQ_REMOVE(&wait->all->waits, wait, link);
    event_free(wait->event);
    free(wait);
}

static bool is_good(const struct token_wait *wait, int64_t wall_ms)
{
    const struct item *item = wait->item;
    return item->token && item->expires_at_ms > wall_ms && item->version != wait->refused_version;
}

/* Why there will be none; false where it may still come. */
static bool is_hopeless(const struct token_wait *wait, int64_t wall_ms, char why[WHY_BYTES])
{
    const struct item *item = wait->item;
    bool is_over = clock_mono_ms() >= wait->until_mono_ms;
    if (item->trouble)
        snprintf(why, WHY_BYTES, "no access token for oauth \"%s\": %s", item->name, item->trouble);
    else
        snprintf(why, WHY_BYTES, "no access token for oauth \"%s\" came in time", item->name);
    return is_over || (item->trouble && item->retry_at_ms > wall_ms);
}

static void on_event(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct token_wait *wait = arg;
    const struct item *item = wait->item;
    int64_t wall_ms = clock_wall_ms();
    char why[WHY_BYTES] = "";
    token_cb *done = wait->done;
    void *done_arg = wait->arg;
    if (is_good(wait, wall_ms)) {
        token_wait_cancel(wait);
        done(done_arg, item->token, item->version, "");
    } else if (is_hopeless(wait, wall_ms, why)) {
        token_wait_cancel(wait);
        done(done_arg, NULL, 0, why);
    } else {
        int64_t left_ms = wait->until_mono_ms - clock_mono_ms();
        struct timeval left = {.tv_sec = left_ms / 1000, .tv_usec = left_ms % 1000 * 1000};
        event_add(wait->event, &left);
    }
}

/* What is missing is asked for until it comes; what is here is only said to be in use. */
static void ask(struct token_wait *wait)
{
    const struct tokens_hooks *hooks = &wait->all->hooks;
    struct item *item = wait->item;
    int64_t now_ms = clock_mono_ms();
    item->used = true;
    if (item->token && item->version == wait->refused_version) {
        hooks->stale(hooks->arg, item->name, wait->refused_version);
    } else if (!is_good(wait, clock_wall_ms()) || item->said_mono_ms == INT64_MIN ||
               now_ms - item->said_mono_ms >= SAY_IN_USE_MS) {
        item->said_mono_ms = now_ms;
        hooks->need(hooks->arg, item->name);
    }
}

struct token_wait *tokens_wait(struct tokens *t, const char *name, int64_t refused_version,
                               int64_t timeout_ms, token_cb *done, void *arg)
{
    struct token_wait *wait = xcalloc(1, sizeof(*wait));
    wait->all = t;
    wait->item = item_of(t, name);
    wait->refused_version = refused_version;
    wait->until_mono_ms = clock_mono_ms() + timeout_ms;
    wait->done = done;
    wait->arg = arg;
    wait->event = evtimer_new(t->base, on_event, wait);
    assert(wait->event);
    TAILQ_INSERT_TAIL(&t->waits, wait, link);
    ask(wait);
    event_active(wait->event, EV_TIMEOUT, 0);
    return wait;
}

void tokens_waiting(const struct tokens *t, json_t *list)
{
    const struct item *item;
    TAILQ_FOREACH(item, &t->items, link)
    {
        if (!item->used || !item->trouble)
            continue;
        char *text = xasprintf("oauth %s: %s", item->name, item->trouble);
        json_array_append_new(list, json_string(text));
        free(text);
    }
}

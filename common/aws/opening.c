#include "common/aws/opening.h"

#include <assert.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/noise.h"
#include "common/base/xalloc.h"

#define FIRST_DELAY_MS 100
#define LAST_DELAY_MS 5000

struct opening {
    struct aws_client *client;     /* borrowed: the worker's, outlives us */
    struct obstacle_object object; /* its what and key are own */
    char *waiting;                 /* own; NULL once open */
    bool is_definite;              /* waiting will not help */
    struct event *timer;           /* own */
    int delay_ms;                  /* before the next attempt, at most */
    uint64_t call_id;              /* of the last call; 0: there was none */
    const struct opening_kind *kind;
    void *arg; /* own */
};

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct opening *o = arg;
    o->call_id = o->kind->ask(o->arg);
}

struct opening *opening_new(struct event_base *base, struct aws_client *client,
                            const struct obstacle_object *object, const struct opening_kind *kind,
                            void *arg)
{
    struct opening *o = xcalloc(1, sizeof(*o));
    o->client = client;
    o->object = *object;
    o->object.what = xstrdup(object->what);
    o->object.key = xstrdup(object->key);
    o->waiting = xasprintf("%s: opening it (key or store not there yet)", object->what);
    o->timer = evtimer_new(base, on_timer, o);
    assert(o->timer);
    o->delay_ms = FIRST_DELAY_MS;
    o->kind = kind;
    o->arg = arg;
    o->call_id = kind->ask(arg);
    return o;
}

void opening_free(struct opening *o)
{
    if (!o)
        return;
    if (o->call_id)
        aws_cancel(o->client, o->call_id);
    o->kind->drop(o->arg);
    event_free(o->timer);
    free((char *)(uintptr_t)o->object.what);
    free((char *)(uintptr_t)o->object.key);
    free(o->waiting);
    free(o);
}

void opening_goes_on(struct opening *o, uint64_t call_id)
{
    o->call_id = call_id;
}

/* Half of the delay is certain, half is drawn: workers that start together do not ask together. */
static void pause(struct opening *o)
{
    int delay_ms = o->delay_ms / 2 + (int)(noise_01() * (o->delay_ms / 2));
    o->delay_ms = o->delay_ms * 2 > LAST_DELAY_MS ? LAST_DELAY_MS : o->delay_ms * 2;
    struct timeval tv = {.tv_sec = delay_ms / 1000, .tv_usec = delay_ms % 1000 * 1000};
    evtimer_add(o->timer, &tv);
}

/* text is taken over. */
static void set_waiting(struct opening *o, char *text, bool is_ordinary, const char *word)
{
    if ((!o->waiting || strcmp(text, o->waiting) != 0) && !is_ordinary)
        log_warn("cannot open %s (%s); trying again", text, word);
    free(o->waiting);
    o->waiting = text;
    pause(o);
}

void opening_later(struct opening *o, const char *action, const struct aws_reply *reply)
{
    bool is_made = reply->class == AWS_OK;
    o->is_definite = !is_made && obstacle_is_definite(reply);
    set_waiting(o,
                is_made ? xasprintf("%s: it is being made", o->object.what)
                        : obstacle_text(&o->object, action, reply),
                is_made || reply->class == AWS_NO_KEY || reply->class == AWS_TRANSIENT,
                aws_class_word(reply->class));
}

void opening_unfit(struct opening *o, const char *text)
{
    o->is_definite = true;
    set_waiting(o, xasprintf("%s: %s", o->object.what, text), false, "unfit");
}

void opening_done(struct opening *o)
{
    free(o->waiting);
    o->waiting = NULL;
    o->is_definite = false;
}

const char *opening_waiting(const struct opening *o)
{
    return o ? o->waiting : NULL;
}

const char *opening_error(const struct opening *o)
{
    return o && o->is_definite ? o->waiting : NULL;
}

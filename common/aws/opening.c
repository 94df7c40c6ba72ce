#include "common/aws/opening.h"

#include <assert.h>
#include <event2/event.h>
#include <event2/util.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/log.h"
#include "common/base/xalloc.h"

#define FIRST_DELAY_MS 100
#define LAST_DELAY_MS 5000

struct opening {
    char *what;          /* own */
    char *waiting;       /* own; NULL once open */
    struct event *timer; /* own */
    int delay_ms;        /* before the next attempt, at most */
    opening_ask_fn *ask;
    void *arg;
};

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct opening *o = arg;
    o->ask(o->arg);
}

struct opening *opening_new(struct event_base *base, const char *what, opening_ask_fn *ask,
                            void *arg)
{
    struct opening *o = xcalloc(1, sizeof(*o));
    o->what = xstrdup(what);
    o->waiting = xasprintf("%s: opening it (key or store not there yet)", what);
    o->timer = evtimer_new(base, on_timer, o);
    assert(o->timer);
    o->delay_ms = FIRST_DELAY_MS;
    o->ask = ask;
    o->arg = arg;
    return o;
}

void opening_free(struct opening *o)
{
    if (!o)
        return;
    event_free(o->timer);
    free(o->what);
    free(o->waiting);
    free(o);
}

/* Half of the delay is certain, half is drawn: workers that start together do not ask together. */
void opening_later(struct opening *o, const struct aws_reply *reply)
{
    char *text = reply->class == AWS_OK
                     ? xasprintf("%s: it is being made", o->what)
                     : xasprintf("%s: %s: %s", o->what, reply->code, reply->message);
    if ((!o->waiting || strcmp(text, o->waiting) != 0) && reply->class != AWS_OK &&
        reply->class != AWS_NO_KEY && reply->class != AWS_TRANSIENT)
        log_warn("cannot open %s (%s); trying again", text, aws_class_word(reply->class));
    free(o->waiting);
    o->waiting = text;
    uint16_t bits;
    evutil_secure_rng_get_bytes(&bits, sizeof(bits));
    int delay_ms = o->delay_ms / 2 + bits % (o->delay_ms / 2 + 1);
    o->delay_ms = o->delay_ms * 2 > LAST_DELAY_MS ? LAST_DELAY_MS : o->delay_ms * 2;
    struct timeval tv = {.tv_sec = delay_ms / 1000, .tv_usec = delay_ms % 1000 * 1000};
    evtimer_add(o->timer, &tv);
}

void opening_done(struct opening *o)
{
    free(o->waiting);
    o->waiting = NULL;
}

const char *opening_waiting(const struct opening *o)
{
    return o->waiting;
}

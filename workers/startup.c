#include "workers/startup.h"

#include <assert.h>
#include <event2/event.h>
#include <stdlib.h>

#include "common/base/clock.h"
#include "common/base/xalloc.h"

#define LOOK_MS 20

struct startup {
    const json_t *paths; /* borrow */
    startup_look_fn *look;
    startup_done_fn *done;
    void *arg;
    int64_t deadline_mono_ms;
    struct event *timer; /* own */
};

/* What is wrong for good; *all_known_out: nothing is left to wait for. */
static json_t *look_at_all(const struct startup *s, bool *all_known_out)
{
    json_t *errors = json_array(), *path;
    size_t i;
    *all_known_out = true;
    json_array_foreach(s->paths, i, path)
    {
        bool is_open = false;
        const char *why = s->look(s->arg, json_string_value(path), &is_open);
        if (why)
            json_array_append_new(errors, json_pack("{s:O, s:s}", "path", path, "message", why));
        else if (!is_open)
            *all_known_out = false;
    }
    return errors;
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct startup *s = arg;
    bool all_known;
    json_t *errors = look_at_all(s, &all_known);
    if (all_known || clock_mono_ms() >= s->deadline_mono_ms) {
        s->done(s->arg, errors); /* may free s */
    } else {
        const struct timeval soon = {.tv_usec = LOOK_MS * 1000};
        evtimer_add(s->timer, &soon);
    }
    json_decref(errors);
}

struct startup *startup_new(struct event_base *base, const json_t *paths, startup_look_fn *look,
                            startup_done_fn *done, void *arg)
{
    const struct timeval now = {0};
    struct startup *s = xcalloc(1, sizeof(*s));
    s->paths = paths;
    s->look = look;
    s->done = done;
    s->arg = arg;
    s->deadline_mono_ms = clock_mono_ms() + STARTUP_MS;
    s->timer = evtimer_new(base, on_timer, s);
    assert(s->timer);
    evtimer_add(s->timer, &now);
    return s;
}

void startup_free(struct startup *s)
{
    if (!s)
        return;
    event_free(s->timer);
    free(s);
}

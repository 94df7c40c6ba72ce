#include "workers/retry/walk.h"

#include <assert.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/xalloc.h"

struct walk {
    struct walk_options o;
    struct event *turn; /* own: steps in the loop's next turn */
    char *beyond;       /* own */
    char *last;         /* own: the last key looked at, or what to start behind */
    char **seen;        /* own: each key looked at, in order; the first is what to start behind */
    char *untried;      /* own: the first key of a job that did nothing, or NULL */
    char *error;        /* own */
    char **page;        /* own: keys; those before `at` are dealt with */
    size_t count, at;
    bool truncated; /* there is more behind the page */
    bool listing, stopped;
    size_t looked_at, counted, running;
};

static void on_turn(evutil_socket_t fd, short what, void *arg);

static void take_page(struct walk *w, char *const *keys, size_t count, bool truncated)
{
    w->page = xcalloc(count + 1, sizeof(*w->page));
    for (size_t i = 0; i < count; i++)
        if (strcmp(keys[i], w->last) > 0)
            w->page[w->count++] = xstrdup(keys[i]);
    w->truncated = truncated && w->count > 0; /* else it would be asked for again and again */
}

struct walk *walk_new(struct event_base *base, const struct walk_options *options)
{
    struct walk *w = xcalloc(1, sizeof(*w));
    assert(options->limit > 0 && options->window > 0);
    w->o = *options;
    w->last = xstrdup(options->after);
    w->seen = xcalloc(options->max_keys + 1, sizeof(*w->seen));
    w->seen[0] = xstrdup(options->after);
    w->beyond = xstrdup(options->beyond);
    w->error = xstrdup("");
    w->truncated = true;
    if (options->keys)
        take_page(w, options->keys, options->key_count, false);
    w->turn = event_new(base, -1, 0, on_turn, w);
    assert(w->turn);
    event_active(w->turn, EV_TIMEOUT, 0);
    return w;
}

static void drop_page(struct walk *w)
{
    for (size_t i = 0; i < w->count; i++)
        free(w->page[i]);
    free(w->page);
    w->page = NULL;
    w->count = w->at = 0;
}

void walk_free(struct walk *w)
{
    if (!w)
        return;
    event_free(w->turn);
    drop_page(w);
    free(w->beyond);
    for (size_t i = 0; i <= w->looked_at; i++)
        free(w->seen[i]);
    free(w->seen);
    free(w->untried);
    free(w->last);
    free(w->error);
    free(w);
}

/* Whether every key there is has been looked at. */
static bool at_end(const struct walk *w)
{
    return (w->at == w->count && !w->truncated) ||
           (w->at < w->count && *w->beyond && strcmp(w->page[w->at], w->beyond) >= 0);
}

static bool may_look(const struct walk *w)
{
    return !w->stopped && !*w->error && w->looked_at < w->o.max_keys &&
           w->counted + w->running < w->o.limit && w->running < (size_t)w->o.window &&
           clock_mono_ms() < w->o.start_until_mono_ms;
}

/* What keeps it from looking further will not pass with a job that ends. */
static bool is_over(const struct walk *w)
{
    return at_end(w) || w->stopped || *w->error || w->looked_at >= w->o.max_keys ||
           w->counted >= w->o.limit || clock_mono_ms() >= w->o.start_until_mono_ms;
}

static void look(struct walk *w)
{
    char *key = w->page[w->at];
    w->page[w->at++] = NULL;
    free(w->last);
    w->last = key;
    w->looked_at++;
    w->seen[w->looked_at] = xstrdup(key);
    w->running++;
    if (!w->o.start(w->o.arg, key))
        w->running--;
}

/* What was looked at before a key. */
static const char *before(const struct walk *w, const char *key)
{
    size_t i = 1;
    while (strcmp(w->seen[i], key) != 0)
        i++;
    return w->seen[i - 1];
}

static void step(struct walk *w)
{
    while (may_look(w) && w->at < w->count && !at_end(w))
        look(w);
    if (may_look(w) && !at_end(w) && w->at == w->count && !w->listing) {
        w->listing = true;
        w->o.list(w->o.arg, w->last);
    }
    if (w->running > 0 || w->listing || !is_over(w))
        return;
    const struct walk_end end = {
        .next = w->untried                ? before(w, w->untried)
                : at_end(w) && !*w->error ? NULL
                                          : w->last,
        .error = w->error,
        .looked_at = w->looked_at,
    };
    w->o.done(w->o.arg, &end);
}

static void on_turn(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    step(arg);
}

void walk_page(struct walk *w, char *const *keys, size_t count, bool truncated, const char *error)
{
    assert(w->listing && w->at == w->count);
    w->listing = false;
    drop_page(w);
    if (*error) {
        free(w->error);
        w->error = xstrdup(error);
    } else {
        take_page(w, keys, count, truncated);
    }
    step(w);
}

void walk_job_done(struct walk *w, bool counts)
{
    assert(w->running > 0);
    w->running--;
    w->counted += counts;
    step(w);
}

void walk_job_untried(struct walk *w, const char *key)
{
    if (!w->untried || strcmp(key, w->untried) < 0) {
        free(w->untried);
        w->untried = xstrdup(key);
    }
    w->stopped = true;
    walk_job_done(w, false);
}

void walk_stop(struct walk *w)
{
    w->stopped = true;
    event_active(w->turn, EV_TIMEOUT, 0);
}

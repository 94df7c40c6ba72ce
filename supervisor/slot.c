#include "supervisor/slot.h"

#include <assert.h>
#include <stddef.h>

/* What an event brings along. */
struct moment {
    int64_t now_ms;
    uint32_t jitter;
};

typedef void slot_action(struct slot *s, const struct moment *m);

static void enter(struct slot *s, enum slot_state state, const struct moment *m, int64_t timer_ms)
{
    s->state = state;
    s->since_ms = m->now_ms;
    s->due_ms = timer_ms > 0 ? m->now_ms + timer_ms : 0;
}

static void to_down(struct slot *s, const struct moment *m)
{
    enter(s, SLOT_DOWN, m, 0);
}

static void to_held(struct slot *s, const struct moment *m)
{
    enter(s, SLOT_HELD, m, 0);
}

static void to_up(struct slot *s, const struct moment *m)
{
    enter(s, SLOT_UP, m, 0);
}

static void back_off(struct slot *s, const struct moment *m, int64_t wait_ms)
{
    enter(s, SLOT_BACKOFF, m, wait_ms);
}

static void start(struct slot *s, const struct moment *m)
{
    if (s->ops->start(s->arg) == 0) {
        enter(s, SLOT_STARTING, m, s->ready_ms);
        return;
    }
    s->has_failed = true;
    back_off(s, m, restart_wait_ms(&s->restart, -1, m->jitter));
}

static void start_again(struct slot *s, const struct moment *m)
{
    s->restarts++;
    start(s, m);
}

static void crashed(struct slot *s, const struct moment *m)
{
    int64_t up_ms = s->state == SLOT_UP ? m->now_ms - s->since_ms : -1;
    s->has_failed = true;
    if (s->retired) {
        to_down(s, m);
        return;
    }
    int64_t wait_ms = restart_wait_ms(&s->restart, up_ms, m->jitter);
    if (wait_ms == 0)
        start_again(s, m);
    else
        back_off(s, m, wait_ms);
}

static void drain(struct slot *s, const struct moment *m)
{
    s->ops->drain(s->arg, s->stop_ms);
    enter(s, SLOT_DRAINING, m, s->stop_ms + SLOT_GRACE_MS);
}

/* The death that follows is the event that counts. */
static void kill_it(struct slot *s, const struct moment *m)
{
    (void)m;
    s->due_ms = 0;
    s->ops->kill(s->arg);
}

static void kill_soon(struct slot *s, const struct moment *m)
{
    int64_t due_ms = m->now_ms + SLOT_GRACE_MS;
    if (s->due_ms == 0 || s->due_ms > due_ms)
        s->due_ms = due_ms;
}

/* Empty: the event means nothing in that state (a worker that repeats `ready`, a stop of what is
 * down). */
static slot_action *const table[SLOT_STATES][SLOT_EVENTS] = {
    [SLOT_DOWN] = {[SLOT_START] = start, [SLOT_HOLD] = to_held},
    [SLOT_HELD] = {[SLOT_START] = start, [SLOT_STOP] = to_down},
    [SLOT_STARTING] = {[SLOT_STOP] = drain,
                       [SLOT_READY] = to_up,
                       [SLOT_DIED] = crashed,
                       [SLOT_LOST] = kill_soon,
                       [SLOT_TIMER] = kill_it},
    [SLOT_UP] = {[SLOT_STOP] = drain,
                 [SLOT_DIED] = crashed,
                 [SLOT_LOST] = kill_soon,
                 [SLOT_TIMER] = kill_it},
    [SLOT_DRAINING] = {[SLOT_DIED] = to_down, [SLOT_TIMER] = kill_it},
    [SLOT_BACKOFF] = {[SLOT_STOP] = to_down, [SLOT_TIMER] = start_again},
};

void slot_handle(struct slot *s, enum slot_event event, int64_t now_ms, uint32_t jitter)
{
    assert(s->state < SLOT_STATES && event < SLOT_EVENTS);
    slot_action *action = table[s->state][event];
    if (action != NULL)
        action(s, &(struct moment){now_ms, jitter});
}

bool slot_is_live(const struct slot *s)
{
    return s->state == SLOT_STARTING || s->state == SLOT_UP || s->state == SLOT_DRAINING;
}

const char *slot_state_name(enum slot_state state)
{
    static const char *const names[SLOT_STATES] = {
        [SLOT_DOWN] = "DOWN", [SLOT_HELD] = "HELD",         [SLOT_STARTING] = "STARTING",
        [SLOT_UP] = "UP",     [SLOT_DRAINING] = "DRAINING", [SLOT_BACKOFF] = "BACKOFF",
    };
    assert(state < SLOT_STATES);
    return names[state];
}

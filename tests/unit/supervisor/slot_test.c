#include "supervisor/slot.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* What the slot did through its ops. */
struct deeds {
    int started;
    int killed;
    int drained;
    int64_t drain_ms;
    bool start_fails;
};

static int do_start(void *arg)
{
    struct deeds *d = arg;
    d->started++;
    return d->start_fails ? -1 : 0;
}

static void do_kill(void *arg)
{
    ((struct deeds *)arg)->killed++;
}

static void do_drain(void *arg, int64_t time_ms)
{
    struct deeds *d = arg;
    d->drained++;
    d->drain_ms = time_ms;
}

static const struct slot_ops ops = {do_start, do_kill, do_drain};

static struct slot slot_in(enum slot_state state, struct deeds *d)
{
    return (struct slot){.state = state,
                         .since_ms = 1000,
                         .ready_ms = 15000,
                         .stop_ms = 25000,
                         .ops = &ops,
                         .arg = d};
}

/* Every pair of state and event: the state after it and the deeds. A death after 500 ms. */
static void every_pair(void **state)
{
    (void)state;
    static const struct {
        enum slot_state before;
        enum slot_event event;
        enum slot_state after;
        int started, killed, drained;
    } table[] = {
        {SLOT_DOWN, SLOT_START, SLOT_STARTING, 1, 0, 0},
        {SLOT_DOWN, SLOT_HOLD, SLOT_HELD, 0, 0, 0},
        {SLOT_DOWN, SLOT_STOP, SLOT_DOWN, 0, 0, 0},
        {SLOT_DOWN, SLOT_READY, SLOT_DOWN, 0, 0, 0},
        {SLOT_DOWN, SLOT_DIED, SLOT_DOWN, 0, 0, 0},
        {SLOT_DOWN, SLOT_LOST, SLOT_DOWN, 0, 0, 0},
        {SLOT_DOWN, SLOT_TIMER, SLOT_DOWN, 0, 0, 0},
        {SLOT_HELD, SLOT_START, SLOT_STARTING, 1, 0, 0},
        {SLOT_HELD, SLOT_HOLD, SLOT_HELD, 0, 0, 0},
        {SLOT_HELD, SLOT_STOP, SLOT_DOWN, 0, 0, 0},
        {SLOT_HELD, SLOT_READY, SLOT_HELD, 0, 0, 0},
        {SLOT_HELD, SLOT_DIED, SLOT_HELD, 0, 0, 0},
        {SLOT_HELD, SLOT_LOST, SLOT_HELD, 0, 0, 0},
        {SLOT_HELD, SLOT_TIMER, SLOT_HELD, 0, 0, 0},
        {SLOT_STARTING, SLOT_START, SLOT_STARTING, 0, 0, 0},
        {SLOT_STARTING, SLOT_HOLD, SLOT_STARTING, 0, 0, 0},
        {SLOT_STARTING, SLOT_STOP, SLOT_DRAINING, 0, 0, 1},
        {SLOT_STARTING, SLOT_READY, SLOT_UP, 0, 0, 0},
        {SLOT_STARTING, SLOT_DIED, SLOT_BACKOFF, 0, 0, 0},
        {SLOT_STARTING, SLOT_LOST, SLOT_STARTING, 0, 0, 0},
        {SLOT_STARTING, SLOT_TIMER, SLOT_STARTING, 0, 1, 0},
        {SLOT_UP, SLOT_START, SLOT_UP, 0, 0, 0},
        {SLOT_UP, SLOT_HOLD, SLOT_UP, 0, 0, 0},
        {SLOT_UP, SLOT_STOP, SLOT_DRAINING, 0, 0, 1},
        {SLOT_UP, SLOT_READY, SLOT_UP, 0, 0, 0},
        {SLOT_UP, SLOT_DIED, SLOT_BACKOFF, 0, 0, 0},
        {SLOT_UP, SLOT_LOST, SLOT_UP, 0, 0, 0},
        {SLOT_UP, SLOT_TIMER, SLOT_UP, 0, 1, 0},
        {SLOT_DRAINING, SLOT_START, SLOT_DRAINING, 0, 0, 0},
        {SLOT_DRAINING, SLOT_HOLD, SLOT_DRAINING, 0, 0, 0},
        {SLOT_DRAINING, SLOT_STOP, SLOT_DRAINING, 0, 0, 0},
        {SLOT_DRAINING, SLOT_READY, SLOT_DRAINING, 0, 0, 0},
        {SLOT_DRAINING, SLOT_DIED, SLOT_DOWN, 0, 0, 0},
        {SLOT_DRAINING, SLOT_LOST, SLOT_DRAINING, 0, 0, 0},
        {SLOT_DRAINING, SLOT_TIMER, SLOT_DRAINING, 0, 1, 0},
        {SLOT_BACKOFF, SLOT_START, SLOT_BACKOFF, 0, 0, 0},
        {SLOT_BACKOFF, SLOT_HOLD, SLOT_BACKOFF, 0, 0, 0},
        {SLOT_BACKOFF, SLOT_STOP, SLOT_DOWN, 0, 0, 0},
        {SLOT_BACKOFF, SLOT_READY, SLOT_BACKOFF, 0, 0, 0},
        {SLOT_BACKOFF, SLOT_DIED, SLOT_BACKOFF, 0, 0, 0},
        {SLOT_BACKOFF, SLOT_LOST, SLOT_BACKOFF, 0, 0, 0},
        {SLOT_BACKOFF, SLOT_TIMER, SLOT_STARTING, 1, 0, 0},
    };
    size_t count = sizeof(table) / sizeof(table[0]);
    assert_int_equal(count, SLOT_STATES * SLOT_EVENTS);
    for (size_t i = 0; i < count; i++) {
        struct deeds d = {0};
        struct slot s = slot_in(table[i].before, &d);
        slot_handle(&s, table[i].event, 1500, 0);
        assert_int_equal(s.state, table[i].after);
        assert_int_equal(d.started, table[i].started);
        assert_int_equal(d.killed, table[i].killed);
        assert_int_equal(d.drained, table[i].drained);
        /* Whoever waits for something has a bound, unless a kill was just sent. */
        bool waits = s.state == SLOT_STARTING || s.state == SLOT_DRAINING;
        if (waits && s.state != table[i].before)
            assert_true(s.due_ms > 1500);
        assert_int_equal(slot_is_live(&s), waits || s.state == SLOT_UP);
    }
}

static void timers(void **state)
{
    (void)state;
    struct deeds d = {0};
    struct slot s = slot_in(SLOT_DOWN, &d);
    slot_handle(&s, SLOT_START, 2000, 0);
    assert_int_equal(s.due_ms, 17000);
    slot_handle(&s, SLOT_READY, 3000, 0);
    assert_int_equal(s.due_ms, 0);
    slot_handle(&s, SLOT_LOST, 4000, 0);
    assert_int_equal(s.due_ms, 4000 + SLOT_GRACE_MS);
    slot_handle(&s, SLOT_STOP, 4100, 0);
    assert_int_equal(s.due_ms, 4100 + 25000 + SLOT_GRACE_MS);
    assert_int_equal(d.drain_ms, 25000);
    slot_handle(&s, SLOT_TIMER, 30100, 0);
    assert_int_equal(d.killed, 1);
    slot_handle(&s, SLOT_DIED, 30101, 0);
    assert_int_equal(s.state, SLOT_DOWN);
    assert_int_equal(s.due_ms, 0);
}

static void proven_worker_comes_back_at_once(void **state)
{
    (void)state;
    struct deeds d = {0};
    struct slot s = slot_in(SLOT_UP, &d);
    slot_handle(&s, SLOT_DIED, 2000, 0); /* up since 1000 */
    assert_int_equal(s.state, SLOT_STARTING);
    assert_int_equal(d.started, 1);
    assert_int_equal(s.restarts, 1);
    assert_true(s.has_failed);
}

static void early_death_waits_and_counts(void **state)
{
    (void)state;
    struct deeds d = {0};
    struct slot s = slot_in(SLOT_UP, &d);
    slot_handle(&s, SLOT_DIED, 1999, 0);
    assert_int_equal(s.due_ms, 1999 + RESTART_FIRST_MS);
    assert_int_equal(s.restarts, 0);
    slot_handle(&s, SLOT_TIMER, 2499, 0);
    assert_int_equal(s.restarts, 1);
    slot_handle(&s, SLOT_DIED, 2600, 0); /* never ready */
    assert_int_equal(s.due_ms, 2600 + 2 * RESTART_FIRST_MS);
}

static void failing_fork_backs_off(void **state)
{
    (void)state;
    struct deeds d = {.start_fails = true};
    struct slot s = slot_in(SLOT_DOWN, &d);
    slot_handle(&s, SLOT_START, 5000, 0);
    assert_int_equal(s.state, SLOT_BACKOFF);
    assert_int_equal(s.due_ms, 5500);
    assert_true(s.has_failed);
    s = slot_in(SLOT_UP, &d);
    slot_handle(&s, SLOT_DIED, 900000, 0); /* at once, and the fork fails */
    assert_int_equal(s.state, SLOT_BACKOFF);
}

static void retired_worker_never_comes_back(void **state)
{
    (void)state;
    static const enum slot_state live[] = {SLOT_STARTING, SLOT_UP, SLOT_DRAINING};
    for (size_t i = 0; i < 3; i++) {
        struct deeds d = {0};
        struct slot s = slot_in(live[i], &d);
        s.retired = true;
        slot_handle(&s, SLOT_DIED, 900000, 0);
        assert_int_equal(s.state, SLOT_DOWN);
        assert_int_equal(d.started, 0);
    }
}

static void lost_channel_does_not_prolong_a_start(void **state)
{
    (void)state;
    struct deeds d = {0};
    struct slot s = slot_in(SLOT_STARTING, &d);
    s.due_ms = 1600;
    slot_handle(&s, SLOT_LOST, 1500, 0);
    assert_int_equal(s.due_ms, 1600);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_pair),
        cmocka_unit_test(timers),
        cmocka_unit_test(proven_worker_comes_back_at_once),
        cmocka_unit_test(early_death_waits_and_counts),
        cmocka_unit_test(failing_fork_backs_off),
        cmocka_unit_test(retired_worker_never_comes_back),
        cmocka_unit_test(lost_channel_does_not_prolong_a_start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

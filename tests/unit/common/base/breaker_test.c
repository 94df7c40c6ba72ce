#include "common/base/breaker.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define OPEN_MS 10000
#define NOW 1000000

static enum breaker_judgement failure(struct breaker *b, int64_t now_ms, int64_t began_ms,
                                      int64_t wait_ms)
{
    const struct breaker_failure f = {now_ms, began_ms, OPEN_MS, wait_ms};
    return breaker_failed(b, &f);
}

/* Every state that can be: closed with 0..2 failures, never open or closed again at NOW - 50; open
 * until before, at and behind NOW; half-open with nobody, with somebody in time and past it. */
static size_t all_states(struct breaker out[32])
{
    size_t n = 0;
    for (int failures = 0; failures < BREAKER_FAILURES; failures++)
        for (int again = 0; again < 2; again++)
            out[n++] = (struct breaker){BREAKER_CLOSED, failures, 0, again ? NOW - 50 : 0};
    for (int64_t until = NOW - 5000; until <= NOW + 5000; until += 5000) {
        out[n++] = (struct breaker){BREAKER_OPEN, 0, until, 0};
        out[n++] = (struct breaker){BREAKER_OPEN, 0, until, NOW - 50};
        out[n++] = (struct breaker){BREAKER_HALF_OPEN, 0, until, 0};
    }
    out[n++] = (struct breaker){BREAKER_HALF_OPEN, 0, 0, NOW - 50};
    return n;
}

/* What the header says, written down once more for each state and failure. */
static void each_failure_in_each_state(void **state)
{
    (void)state;
    static const int64_t waits[] = {0, 1, 5000, 5001, 300000};
    static const int64_t begun[] = {NOW - 100, NOW - 50, NOW - 1};
    struct breaker states[32];
    size_t count = all_states(states);
    for (size_t i = 0; i < count; i++) {
        for (size_t w = 0; w < sizeof(waits) / sizeof(waits[0]); w++) {
            for (size_t g = 0; g < sizeof(begun) / sizeof(begun[0]); g++) {
                const struct breaker *was = &states[i];
                struct breaker b = *was;
                enum breaker_judgement j = failure(&b, NOW, begun[g], waits[w]);
                int64_t asked = NOW + waits[w];
                if (was->state == BREAKER_CLOSED && begun[g] < was->closed_ms) {
                    assert_int_equal(j, BREAKER_EXCUSED);
                    assert_memory_equal(&b, was, sizeof(b));
                } else if (was->state == BREAKER_CLOSED && waits[w] == 0 && was->failures < 2) {
                    assert_int_equal(j, BREAKER_COUNTS);
                    assert_int_equal(b.state, BREAKER_CLOSED);
                    assert_int_equal(b.failures, was->failures + 1);
                } else if (was->state == BREAKER_CLOSED) {
                    assert_int_equal(j, BREAKER_OPENS);
                    assert_int_equal(b.state, BREAKER_OPEN);
                    assert_int_equal(b.failures, 0);
                    assert_int_equal(b.until_ms, waits[w] ? asked : NOW + OPEN_MS);
                } else if (waits[w] == 0 ||
                           (was->state == BREAKER_OPEN && asked <= was->until_ms)) {
                    assert_int_equal(j, BREAKER_EXCUSED);
                    assert_memory_equal(&b, was, sizeof(b));
                } else {
                    assert_int_equal(j, BREAKER_OPENS);
                    assert_int_equal(b.state, BREAKER_OPEN);
                    assert_int_equal(b.until_ms, asked);
                }
            }
        }
    }
}

static void each_other_word_in_each_state(void **state)
{
    (void)state;
    struct breaker states[32];
    size_t count = all_states(states);
    for (size_t i = 0; i < count; i++) {
        const struct breaker *was = &states[i];
        struct breaker b = *was;
        breaker_worked(&b);
        assert_int_equal(b.failures, 0);
        assert_int_equal(b.state, was->state);
        assert_int_equal(b.until_ms, was->until_ms);

        b = *was;
        breaker_close(&b, NOW);
        assert_int_equal(b.state, BREAKER_CLOSED);
        assert_int_equal(b.closed_ms, was->state == BREAKER_CLOSED ? was->closed_ms : NOW);
        assert_int_equal(breaker_due_ms(&b), INT64_MAX);
        assert_false(breaker_wants_probe(&b, INT64_MAX - 1));

        b = *was;
        breaker_open(&b, NOW + 10);
        bool longer = was->state == BREAKER_OPEN && was->until_ms > NOW + 10;
        assert_int_equal(b.state, BREAKER_OPEN);
        assert_int_equal(b.until_ms, longer ? was->until_ms : NOW + 10);
        assert_int_equal(breaker_due_ms(&b), b.until_ms);

        assert_int_equal(breaker_wants_probe(was, NOW),
                         was->state != BREAKER_CLOSED && was->until_ms <= NOW);
        b = *was;
        breaker_take_probe(&b);
        assert_int_equal(b.until_ms, was->state == BREAKER_HALF_OPEN ? 0 : was->until_ms);
    }
}

static void one_probe_at_a_time(void **state)
{
    (void)state;
    struct breaker b = {0};
    for (int i = 0; i < 3; i++)
        (void)failure(&b, NOW, NOW, 0);
    assert_false(breaker_wants_probe(&b, NOW + OPEN_MS - 1));
    assert_true(breaker_wants_probe(&b, NOW + OPEN_MS));
    breaker_probe(&b, NOW + OPEN_MS, BREAKER_PROBE_MS);
    assert_int_equal(b.state, BREAKER_HALF_OPEN);
    assert_false(breaker_wants_probe(&b, NOW + OPEN_MS + BREAKER_PROBE_MS - 1));
    assert_true(breaker_wants_probe(&b, NOW + OPEN_MS + BREAKER_PROBE_MS));
    breaker_open(&b, NOW + 15000); /* a bad verdict: sooner than the probe's time, and it stands */
    assert_int_equal(breaker_due_ms(&b), NOW + 15000);
    breaker_probe(&b, NOW + 15000, BREAKER_PROBE_MS);
    breaker_take_probe(&b);
    assert_true(breaker_wants_probe(&b, NOW + 15000));
    breaker_close(&b, NOW + 16000);
    assert_int_equal(failure(&b, NOW + 17000, NOW + 15999, 0), BREAKER_EXCUSED);
    assert_int_equal(failure(&b, NOW + 17000, NOW + 16000, 0), BREAKER_COUNTS);
}

static void failures_must_be_in_a_row(void **state)
{
    (void)state;
    struct breaker b = {0};
    for (int i = 0; i < 100; i++) {
        assert_int_equal(failure(&b, NOW + i, NOW + i, 0), BREAKER_COUNTS);
        assert_int_equal(failure(&b, NOW + i, NOW + i, 0), BREAKER_COUNTS);
        breaker_worked(&b);
    }
    assert_int_equal(b.state, BREAKER_CLOSED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_failure_in_each_state),
        cmocka_unit_test(each_other_word_in_each_state),
        cmocka_unit_test(one_probe_at_a_time),
        cmocka_unit_test(failures_must_be_in_a_row),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

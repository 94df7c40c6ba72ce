#include "workers/ingest/sending.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void bad_after_failures_for_a_while(void **state)
{
    (void)state;
    struct sending s = {0};
    assert_int_equal(sending_bad_ms(&s, 1000000), 0);
    for (int64_t now = 10000; now < 10000 + SENDING_BAD_AFTER_MS; now += 100) {
        sending_failed(&s, now, "no");
        assert_int_equal(sending_bad_ms(&s, now), 0);
    }
    sending_failed(&s, 10000 + SENDING_BAD_AFTER_MS, "");
    assert_int_equal(sending_bad_ms(&s, 10000 + SENDING_BAD_AFTER_MS), SENDING_BAD_AFTER_MS);
    assert_string_equal(s.error, "no");
    sending_worked(&s);
    assert_int_equal(sending_bad_ms(&s, 10000 + SENDING_BAD_AFTER_MS), 0);
}

static void one_failure_says_little(void **state)
{
    (void)state;
    struct sending s = {0};
    sending_failed(&s, 0, "");
    assert_string_equal(s.error, "no answer in time");
    for (int64_t now = 0; now < 100000; now += 1000)
        assert_int_equal(sending_bad_ms(&s, now), 0);
    sending_failed(&s, 100000, "again"); /* too long ago to belong together */
    assert_int_equal(sending_bad_ms(&s, 100000), 0);
}

static void it_is_forgotten_where_nobody_tries(void **state)
{
    (void)state;
    struct sending s = {0};
    sending_failed(&s, 0, "no");
    sending_failed(&s, 6000, "no");
    assert_int_equal(sending_bad_ms(&s, 6000 + SENDING_FORGET_MS), 6000 + SENDING_FORGET_MS);
    assert_int_equal(sending_bad_ms(&s, 6001 + SENDING_FORGET_MS), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_after_failures_for_a_while),
        cmocka_unit_test(one_failure_says_little),
        cmocka_unit_test(it_is_forgotten_where_nobody_tries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

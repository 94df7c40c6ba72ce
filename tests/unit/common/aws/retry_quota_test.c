#include "common/aws/retry_quota.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void retries_cost_and_successes_give_back(void **state)
{
    (void)state;
    struct retry_quota q;
    retry_quota_init(&q);
    assert_int_equal(q.tokens, RETRY_QUOTA_FULL);
    assert_int_equal(retry_quota_cost(AWS_TRANSIENT), 14);
    assert_int_equal(retry_quota_cost(AWS_EXPIRED), 14);
    assert_int_equal(retry_quota_cost(AWS_THROTTLED), 5);
    int retries = 0;
    while (retry_quota_take(&q, 14))
        retries++;
    assert_int_equal(retries, 35);
    assert_int_equal(q.tokens, 10);
    assert_true(retry_quota_take(&q, 5));
    assert_true(retry_quota_take(&q, 5));
    assert_false(retry_quota_take(&q, 5));
    assert_int_equal(q.tokens, 0);
    retry_quota_return(&q, 0);
    assert_int_equal(q.tokens, 1);
    retry_quota_return(&q, 14);
    assert_int_equal(q.tokens, 15);
    q.tokens = RETRY_QUOTA_FULL - 3;
    retry_quota_return(&q, 14);
    assert_int_equal(q.tokens, RETRY_QUOTA_FULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(retries_cost_and_successes_give_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

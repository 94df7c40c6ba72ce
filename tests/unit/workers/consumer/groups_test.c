#include "workers/consumer/groups.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/base/xalloc.h"

static struct queue fifo = {.attributes.is_fifo = true}, other = {.attributes.is_fifo = true},
                    standard;

/* What is held, in its order: "a1" is the message 1 of group a. */
static struct work *hold(struct inflight *all, struct queue *q, const char *name)
{
    char group[2] = {*name, '\0'};
    const struct sqs_message m = {
        .id = name, .receipt_handle = name, .body = "", .group = *name == '-' ? NULL : group};
    return inflight_add(all, q, &m);
}

/* The order within a group, whatever lies between. */
static void one_waits_for_the_one_ahead(void **state)
{
    (void)state;
    struct inflight *all = inflight_new();
    struct work *a1 = hold(all, &fifo, "a1"), *b1 = hold(all, &fifo, "b1"),
                *a2 = hold(all, &fifo, "a2"), *elsewhere = hold(all, &other, "a1"),
                *a3 = hold(all, &fifo, "a3");
    assert_false(groups_must_wait(a1));
    assert_false(groups_must_wait(b1));
    assert_false(groups_must_wait(elsewhere));
    assert_true(groups_must_wait(a2));
    assert_true(groups_must_wait(a3));
    a2->stage = a3->stage = WORK_WAITING;
    assert_ptr_equal(groups_follower(a1), a2);
    assert_ptr_equal(groups_follower(a2), a3);
    assert_null(groups_follower(a3));
    assert_null(groups_follower(b1));
    assert_null(groups_next(all));
    inflight_free(all);
}

static void it_waits_until_that_is_done_with_or_goes_back(void **state)
{
    (void)state;
    static const enum work_stage busy[] = {WORK_NEW,     WORK_WAITING, WORK_CLAIMING,
                                           WORK_WRITING, WORK_COPYING, WORK_DELIVERING};
    struct inflight *all = inflight_new();
    struct work *a1 = hold(all, &fifo, "a1"), *a2 = hold(all, &fifo, "a2"),
                *a3 = hold(all, &fifo, "a3");
    a2->stage = a3->stage = WORK_WAITING;
    for (size_t i = 0; i < sizeof(busy) / sizeof(busy[0]); i++) {
        a1->stage = busy[i];
        assert_true(groups_must_wait(a2));
    }
    a1->stage = WORK_DELETING;
    assert_ptr_equal(groups_next(all), a2);
    a1->stage = WORK_YIELDING;
    assert_ptr_equal(groups_next(all), a2);
    inflight_remove(all, a1);
    assert_ptr_equal(groups_next(all), a2);
    a2->stage = WORK_NEW; /* begun */
    assert_null(groups_next(all));
    assert_ptr_equal(groups_follower(a2), a3);
    inflight_free(all);
}

/* A server that names no group keeps the order of all that has none. */
static void without_a_group_they_are_one(void **state)
{
    (void)state;
    struct inflight *all = inflight_new();
    hold(all, &fifo, "-1");
    struct work *a1 = hold(all, &fifo, "a1"), *second = hold(all, &fifo, "-2");
    assert_false(groups_must_wait(a1));
    assert_true(groups_must_wait(second));
    inflight_free(all);
}

static void a_standard_queue_has_no_order(void **state)
{
    (void)state;
    struct inflight *all = inflight_new();
    struct work *a1 = hold(all, &standard, "a1"), *a2 = hold(all, &standard, "a2");
    assert_false(groups_must_wait(a2));
    a2->stage = WORK_WAITING;
    assert_null(groups_follower(a1));
    inflight_free(all);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_waits_for_the_one_ahead),
        cmocka_unit_test(it_waits_until_that_is_done_with_or_goes_back),
        cmocka_unit_test(without_a_group_they_are_one),
        cmocka_unit_test(a_standard_queue_has_no_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

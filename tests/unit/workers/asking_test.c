#include "workers/asking.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <event2/event.h>

#include "common/base/clock.h"

static const struct asking_item sqs = {"sigv4", "aws", "eu-central-1", "sqs"};
static const struct asking_item token = {"oauth", "cxone", "", ""};

struct fixture {
    struct event_base *base;
    struct asking *asking;
    int sent;
    char last[256];
};

static void on_send(void *arg, json_t *msg)
{
    struct fixture *f = arg;
    char *text = json_dumps(msg, JSON_COMPACT);
    snprintf(f->last, sizeof(f->last), "%s", text);
    f->sent++;
    free(text);
    json_decref(msg);
}

static int enter(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    f->base = event_base_new();
    f->asking = asking_new(f->base, on_send, f);
    *state = f;
    return 0;
}

static int leave(void **state)
{
    struct fixture *f = *state;
    asking_free(f->asking);
    asking_free(NULL);
    event_base_free(f->base);
    free(f);
    return 0;
}

static void answer(struct fixture *f, const struct asking_item *item, int version)
{
    json_t *msg = json_pack("{s:s,s:s,s:s,s:s,s:s,s:i}", "t", "material", "kind", item->kind,
                            "identity", item->identity, "region", item->region, "service",
                            item->service, "version", version);
    asking_answered(f->asking, msg);
    json_decref(msg);
}

/* Whether something is still being asked for. */
static bool is_asking(struct fixture *f)
{
    return event_base_get_num_events(f->base, EVENT_BASE_COUNT_ADDED) > 0;
}

static void a_need_is_repeated_until_it_is_answered(void **state)
{
    struct fixture *f = *state;
    asking_need(f->asking, &sqs);
    assert_int_equal(f->sent, 1);
    assert_string_equal(f->last, "{\"t\":\"need\",\"kind\":\"sigv4\",\"identity\":\"aws\","
                                 "\"region\":\"eu-central-1\",\"service\":\"sqs\"}");
    asking_need(f->asking, &sqs);
    assert_int_equal(f->sent, 1);
    int64_t start_ms = clock_mono_ms();
    while (f->sent < 3)
        event_base_loop(f->base, EVLOOP_ONCE);
    assert_true(clock_mono_ms() - start_ms >= 1900);
    answer(f, &token, 7);
    assert_true(is_asking(f));
    answer(f, &sqs, 7);
    assert_false(is_asking(f));
    asking_need(f->asking, &sqs);
    assert_int_equal(f->sent, 4);
}

static void a_stale_one_is_ended_by_another_version(void **state)
{
    struct fixture *f = *state;
    asking_stale(f->asking, &token, 5);
    assert_string_equal(f->last, "{\"t\":\"stale\",\"kind\":\"oauth\",\"identity\":\"cxone\","
                                 "\"region\":\"\",\"service\":\"\",\"version\":5}");
    asking_stale(f->asking, &token, 5);
    assert_int_equal(f->sent, 1);
    answer(f, &token, 5);
    assert_true(is_asking(f));
    asking_stale(f->asking, &token, 6);
    assert_int_equal(f->sent, 2);
    answer(f, &token, 6);
    assert_true(is_asking(f));
    answer(f, &token, 4); /* of a keyring whose clock was set back */
    assert_false(is_asking(f));
}

static void members_that_are_absent_are_empty(void **state)
{
    struct fixture *f = *state;
    asking_need(f->asking, &token);
    json_t *msg = json_pack("{s:s,s:s,s:i}", "kind", "oauth", "identity", "cxone", "version", 1);
    asking_answered(f->asking, msg);
    json_decref(msg);
    assert_false(is_asking(f));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_need_is_repeated_until_it_is_answered, enter, leave),
        cmocka_unit_test_setup_teardown(a_stale_one_is_ended_by_another_version, enter, leave),
        cmocka_unit_test_setup_teardown(members_that_are_absent_are_empty, enter, leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "tests/unit/workers/consumer/process_rig.h"

/* Messages of a FIFO queue: what process.c and settle.c make of their order (groups.h). */

static int set_up_fifo(void **state)
{
    set_up(state);
    queues_at(t.queues, 0)->attributes.is_fifo = true;
    return 0;
}

/* The messages "a1", "a2" … of the groups "a" …, in one receive. */
static void receive_all(const char *const *names, size_t count)
{
    struct sqs_message list[SQS_BATCH_MAX];
    char bodies[SQS_BATCH_MAX][32], groups[SQS_BATCH_MAX][2];
    for (size_t i = 0; i < count; i++) {
        snprintf(bodies[i], sizeof(bodies[i]), "{\"id\":\"%s\"}", names[i]);
        snprintf(groups[i], sizeof(groups[i]), "%c", names[i][0]);
        list[i] = (struct sqs_message){.id = names[i],
                                       .receipt_handle = names[i],
                                       .body = bodies[i],
                                       .body_len = strlen(bodies[i]),
                                       .group = groups[i],
                                       .receive_count = 1,
                                       .sent_at_ms = NOW_MS};
    }
    process_messages(t.process, queues_at(t.queues, 0), list, count, 30, clock_mono_ms());
}

static const char *const THREE[] = {"a1", "a2", "a3"};

/* The messages that this call makes visible, each after so many seconds, in any order. */
static void made_visible(const char *const *names, const int *seconds, size_t count)
{
    struct fake_call *f = fake_wait(FAKE_VISIBILITY);
    assert_int_equal(f->count, count);
    for (size_t i = 0; i < count; i++) {
        size_t k = 0;
        while (k < count && strcmp(f->handles[k], names[i]) != 0)
            k++;
        if (k == count)
            fail_msg("%s is not made visible", names[i]);
        assert_int_equal(f->visibility_s[k], seconds[i]);
    }
    fake_answer(f, 0, AWS_OK, "");
}

static void delivered(void)
{
    grant(record(LEDGER_OPEN, 1));
    verdict(DELIVERED, "");
    assert_int_equal(l.written->state, LEDGER_DELIVERED);
    fake_run(20);
    assert_false(l.asked); /* nobody goes on before that is recorded */
    written(LEDGER_WRITTEN);
}

static void each_begins_when_the_one_ahead_is_recorded(void **state)
{
    (void)state;
    receive_all(THREE, 3);
    for (int i = 1; i <= 3; i++) {
        assert_true(l.asked);
        delivered();
        assert_int_equal(d.started, i);
        assert_false(l.asked); /* in a turn of its own */
        event_base_loop(fake_base, EVLOOP_NONBLOCK);
    }
    assert_false(l.asked);
    while (inflight_count(t.inflight) > 0)
        fake_answer(fake_wait(FAKE_DELETE), 0, AWS_OK, "");
    assert_int_equal(t.n.delivered, 3);
    assert_int_equal(t.n.released, 0);
}

static void a_dead_letter_lets_the_next_one_begin(void **state)
{
    (void)state;
    receive_all(THREE, 2);
    grant(record(LEDGER_OPEN, 6));
    verdict(RETRY, "the last");
    written(LEDGER_WRITTEN); /* dying */
    fake_answer(fake_wait(FAKE_SEND), 0, AWS_OK, "");
    assert_false(l.asked);
    written(LEDGER_WRITTEN); /* dead */
    fake_answer(fake_wait(FAKE_DELETE), 0, AWS_OK, "");
    assert_true(l.asked);
    delivered();
    deleted();
}

static void what_waits_goes_back_with_the_one_ahead(void **state)
{
    (void)state;
    receive_all(THREE, 3);
    grant(record(LEDGER_OPEN, 1));
    verdict(RETRY, "no");
    assert_written(LEDGER_OPEN, 1, true);
    written(LEDGER_WRITTEN);
    made_visible(THREE, (int[]){1, 0, 0}, 3);
    assert_int_equal(inflight_count(t.inflight), 0);
    assert_int_equal(d.started, 1);
    assert_int_equal(l.writes, 1); /* no attempt counted */
    assert_int_equal(t.n.released, 2);
    assert_false(l.asked);
}

static void a_deferred_one_sends_them_back_too(void **state)
{
    (void)state;
    static const enum ledger_answer answers[] = {LEDGER_BUSY, LEDGER_NOT_YET, LEDGER_UNREACHABLE};
    t.source->deliver_in_outage = true; /* of no effect: the order would be lost */
    for (size_t i = 0; i < 3; i++) {
        receive_all(THREE, 3);
        answer(answers[i], 9000);
        made_visible(THREE, (int[]){answers[i] == LEDGER_UNREACHABLE ? 1 : 9, 0, 0}, 3);
        assert_int_equal(inflight_count(t.inflight), 0);
        assert_false(l.asked);
    }
    assert_int_equal(d.started, 0);
}

static void a_lost_claim_sends_them_back(void **state)
{
    (void)state;
    receive_all(THREE, 3);
    grant(record(LEDGER_OPEN, 1));
    l.claim->until_mono_ms = 0;
    made_visible(THREE + 1, (int[]){0, 0}, 2); /* the first is somebody else's */
    assert_int_equal(d.cancelled, 1);
    assert_int_equal(inflight_count(t.inflight), 0);
}

static void a_lost_lease_takes_those_behind_it(void **state)
{
    (void)state;
    receive_all(THREE, 3);
    grant(record(LEDGER_OPEN, 1));
    inflight_find(t.inflight, 2)->until_mono_ms = 0; /* a2's */
    made_visible(THREE + 2, (int[]){0}, 1);
    assert_int_equal(inflight_count(t.inflight), 1); /* a1 goes on: the claim says who may work */
    verdict(DELIVERED, "");
    written(LEDGER_WRITTEN);
    deleted();
    assert_false(l.asked);
}

static void a_drain_sends_back_what_waits(void **state)
{
    (void)state;
    receive_all(THREE, 3);
    grant(record(LEDGER_OPEN, 1));
    process_release(t.process, false);
    made_visible(THREE + 1, (int[]){0, 0}, 2);
    verdict(DELIVERED, ""); /* what was begun is finished */
    written(LEDGER_WRITTEN);
    deleted();
    receive_all(THREE, 3); /* what the last poll brought */
    assert_false(l.asked);
    made_visible(THREE, (int[]){0, 0, 0}, 3);
    assert_int_equal(inflight_count(t.inflight), 0);
}

/* Each receive of it but the last was for the sake of those ahead of it. */
static void receives_wear_nothing_out(void **state)
{
    (void)state;
    receive_body("{\"id\":\"e1\"}", 500, NOW_MS, NULL);
    grant(record(LEDGER_OPEN, 1));
    assert_int_equal(d.started, 1);
    verdict(DELIVERED, "");
    written(LEDGER_WRITTEN);
    deleted();
    receive_body("{\"id\":\"e1\"}", 500, NOW_MS, NULL);
    answer(LEDGER_BUSY, 3000); /* looked at when the claim ends, not minutes later */
    deferred(3, 3);
    receive_body("{\"id\":\"e1\"}", 500, NOW_MS, NULL);
    answer(LEDGER_UNREACHABLE, 0);
    deferred(1, 1);
}

static void copies_keep_the_group_and_are_taken_once(void **state)
{
    (void)state;
    struct queue *dead = queues_at(t.queues, 1);
    assert_string_equal(dead->name, "dlq");
    for (int is_fifo = 0; is_fifo < 2; is_fifo++) {
        dead->attributes.is_fifo = is_fifo;
        receive_all(THREE, 1);
        grant(record(LEDGER_OPEN, 6));
        char trace[64], id[128];
        snprintf(trace, sizeof(trace), "%s", l.trace);
        verdict(RETRY, "the last");
        snprintf(id, sizeof(id), "%s-%lld", trace, (long long)l.written->failed_at_ms);
        written(LEDGER_WRITTEN);
        struct fake_call *f = fake_wait(FAKE_SEND);
        assert_string_equal(f->group, "a");
        assert_string_equal(f->deduplication_id, is_fifo ? id : "");
        fake_answer(f, 0, AWS_OK, "");
        written(LEDGER_WRITTEN);
        deleted();
    }
    queues_at(t.queues, 0)->attributes.is_fifo = false; /* from a standard queue, without a group */
    receive_body("{", 1, NOW_MS, NULL);
    struct fake_call *f = fake_wait(FAKE_SEND);
    assert_string_equal(f->group, "s");
    assert_string_equal(f->deduplication_id, "m1");
    fake_answer(f, 0, AWS_OK, "");
    deleted();
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up_fifo, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(each_begins_when_the_one_ahead_is_recorded),
        TEST(a_dead_letter_lets_the_next_one_begin),
        TEST(what_waits_goes_back_with_the_one_ahead),
        TEST(a_deferred_one_sends_them_back_too),
        TEST(a_lost_claim_sends_them_back),
        TEST(a_lost_lease_takes_those_behind_it),
        TEST(a_drain_sends_back_what_waits),
        TEST(receives_wear_nothing_out),
        TEST(copies_keep_the_group_and_are_taken_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

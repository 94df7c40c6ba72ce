#include "workers/consumer/poller.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "common/delivery/errands.h"
#include "tests/unit/workers/consumer/fake_sqs.h"

static struct {
    struct queues *queues;
    struct inflight *inflight;
    struct sources *sources;
    struct errands *errands;
    struct poller *poller;
    struct counters n;
    json_t *conf;
    enum poller_mode mode;
    int swept; /* batches and their messages */
    struct poller_result last;
    int ended;
} t;

static void on_messages(void *arg, struct queue *q, const struct sqs_message *m, size_t count,
                        int visibility_s, int64_t first_byte_mono_ms)
{
    (void)arg, (void)first_byte_mono_ms;
    assert_int_equal(visibility_s, 33);
    assert_true(count > 0);
    for (size_t i = 0; i < count; i++)
        inflight_add(t.inflight, q, &m[i]);
}

static enum poller_mode on_mode(void *arg, const struct queue *q)
{
    (void)arg, (void)q;
    return t.mode;
}

static void on_swept(void *arg, const struct queue *q, size_t count)
{
    (void)arg, (void)q;
    t.swept += (int)count + 1;
}

static void on_answered(void *arg, const struct queue *q, const struct poller_result *result)
{
    (void)arg, (void)q;
    t.last = *result;
}

static void on_ended(void *arg)
{
    (void)arg;
    t.ended++;
}

/* A slice with sources s0, s1, … on queues q0, q1, …, all dead-lettering to "dlq". */
static json_t *slice(size_t count)
{
    json_t *sources = json_object();
    for (size_t i = 0; i < count; i++)
        json_object_set_new(
            sources, (const char *[]){"s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7"}[i],
            json_pack("{s:s,s:b,s:o,s:s,s:{s:s,s:b},s:s,s:{s:s,s:i,s:i,s:i,s:i,s:i,s:i}}", "body",
                      "any", "ledger", 0, "queue", json_sprintf("q%zu", i), "inspection_queue",
                      "dlq", "dead_letter", "queue", "dlq", "s3", 0, "destination", "d", "retry",
                      "strategy", "visibility", "base_s", 1, "cap_s", 30, "max_retries", 5,
                      "visibility_s", 33, "wait_s", 7, "age_limit_s", 1000));
    return json_pack("{s:o,s:{s:s},s:{s:{s:s,s:s}},s:{}}", "sources", sources, "ledger", "outage",
                     "wait", "destinations", "d", "type", "file", "path", "/nowhere", "queues");
}

static void start(size_t queues, int slots)
{
    static const struct poller_callbacks callbacks = {.messages = on_messages,
                                                      .ended = on_ended,
                                                      .mode = on_mode,
                                                      .swept = on_swept,
                                                      .answered = on_answered};
    memset(&t, 0, sizeof(t));
    fake_count = 0;
    fake_base = event_base_new();
    t.conf = slice(queues);
    t.queues = fake_queues(queues);
    t.errands = errands_new(fake_base, NULL, NULL, NULL, NULL);
    const struct sources_means nowhere = {.errands = t.errands};
    t.sources = sources_new(fake_base, t.conf, t.queues, &nowhere);
    assert_int_equal(queues_count(t.queues), queues + 1);
    t.inflight = inflight_new();
    t.poller =
        poller_new(fake_base, t.queues, t.sources, t.inflight, slots, &t.n, &callbacks, NULL);
    poller_kick(t.poller);
    fake_run(10);
}

static int stop(void **state)
{
    (void)state;
    poller_free(t.poller);
    inflight_free(t.inflight);
    sources_free(t.sources);
    errands_free(t.errands);
    queues_free(t.queues);
    json_decref(t.conf);
    event_base_free(fake_base);
    return 0;
}

/* Every state of up to three queues and 24 slots: never over the slots, never below 0 or over 10,
 * never into what another queue keeps, and a queue with nothing taken can always poll. */
static void room_is_shared_fairly(void **state)
{
    (void)state;
    for (int slots = 3; slots <= 24; slots++) {
        for (int a = 0; a <= slots; a++) {
            for (int b = 0; a + b <= slots; b++) {
                for (int c = 0; a + b + c <= slots; c++) {
                    const int taken[3] = {a, b, c};
                    int kept = slots / 3 > 10 ? 10 : slots / 3;
                    int room = poller_room(taken, 3, 0, slots);
                    assert_in_range(room, 0, 10);
                    assert_true(room == 0 || a + b + c + room <= slots);
                    int others = (b > kept ? b : kept) + (c > kept ? c : kept);
                    assert_true(room == 0 || a + room <= slots - others);
                    if (a == 0 && b <= kept && c <= kept)
                        assert_true(room >= kept);
                }
            }
        }
    }
    const int alone[1] = {60};
    assert_int_equal(poller_room(alone, 1, 0, 64), 4);
    const int full[1] = {64};
    assert_int_equal(poller_room(full, 1, 0, 64), 0);
}

static void each_queue_has_one_poll(void **state)
{
    (void)state;
    start(3, 64);
    assert_int_equal(fake_open_count(FAKE_RECEIVE), 3);
    assert_int_equal(poller_active(t.poller), 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(fake_calls[i].max, 10);
        assert_int_equal(fake_calls[i].wait_s, 7);
        assert_int_equal(fake_calls[i].visibility_s[0], 33);
    }
}

static void full_batches_bring_more_polls_up_to_four_and_empty_ones_fewer(void **state)
{
    (void)state;
    start(1, 200);
    for (size_t i = 0; i < 6; i++) {
        fake_messages(fake_open(FAKE_RECEIVE), 10);
        fake_run(5);
        assert_int_equal(fake_open_count(FAKE_RECEIVE), i + 2 < 4 ? i + 2 : 4);
    }
    for (size_t i = 0; i < 6; i++) {
        fake_messages(fake_wait(FAKE_RECEIVE), 0);
        fake_run(5);
    }
    fake_wait(FAKE_RECEIVE);
    assert_int_equal(fake_open_count(FAKE_RECEIVE), 1);
    assert_int_equal(t.n.received, 60);
}

static void a_server_that_does_not_wait_is_not_asked_at_the_speed_of_the_network(void **state)
{
    (void)state;
    start(1, 64);
    int64_t began = clock_mono_ms();
    for (int i = 0; i < 6; i++) /* after 50, 100, 200, 400 and 800 ms */
        fake_messages(fake_wait(FAKE_RECEIVE), 0);
    assert_true(clock_mono_ms() - began >= 1550);
    began = clock_mono_ms();
    fake_messages(fake_wait(FAKE_RECEIVE), 0);
    fake_messages(fake_wait(FAKE_RECEIVE), 1);
    assert_true(clock_mono_ms() - began >= 2000);
    fake_run(5);
    assert_int_equal(fake_open_count(FAKE_RECEIVE), 1); /* messages come: no gap */
    began = clock_mono_ms();
    fake_messages(fake_open(FAKE_RECEIVE), 0);
    fake_wait(FAKE_RECEIVE);
    assert_in_range(clock_mono_ms() - began, 50, 1900); /* it begins anew */
}

static void polls_ask_only_for_free_slots(void **state)
{
    (void)state;
    start(1, 13);
    fake_messages(fake_open(FAKE_RECEIVE), 10);
    fake_run(5);
    assert_int_equal(fake_open_count(FAKE_RECEIVE), 1);
    assert_int_equal(fake_open(FAKE_RECEIVE)->max, 3);
    fake_messages(fake_open(FAKE_RECEIVE), 3);
    fake_run(30);
    assert_int_equal(fake_open_count(FAKE_RECEIVE), 0);
    inflight_remove(t.inflight, inflight_first(t.inflight));
    poller_kick(t.poller);
    fake_run(5);
    assert_int_equal(fake_open(FAKE_RECEIVE)->max, 1);
}

static void attributes_that_change_count_at_once(void **state)
{
    (void)state;
    start(1, 24);
    const struct queue_attributes now = {.max_receives = 5, .max_message_bytes = 2048};
    const struct queue *newest = queues_at(t.queues, 1);
    fake_changed(fake_changed_arg, &now);
    assert_int_equal(newest->attributes.max_receives, 5);
    assert_int_equal(newest->attributes.max_message_bytes, 2048);
}

static void a_busy_queue_leaves_room_for_the_others(void **state)
{
    (void)state;
    start(2, 24);
    for (int i = 0; i < 5; i++) {
        struct fake_call *busy = NULL;
        for (size_t n = 0; n < fake_count; n++)
            if (fake_calls[n].open && strcmp(fake_calls[n].queue_url, "q0") == 0)
                busy = &fake_calls[n];
        if (busy)
            fake_messages(busy, (size_t)busy->max);
        fake_run(5);
    }
    assert_int_equal(inflight_count(t.inflight), 14);
    assert_int_equal(fake_open_count(FAKE_RECEIVE), 1);
    assert_string_equal(fake_open(FAKE_RECEIVE)->queue_url, "q1");
}

static void a_failing_queue_pauses_longer_each_time_and_says_so(void **state)
{
    (void)state;
    char reason[256];
    static const int64_t due_ms[] = {100, 200, 400};
    bool in_time = false;
    for (int tries = 0; tries < 5 && !in_time; tries++) { /* a machine that stands still at times */
        if (tries > 0)
            stop(state);
        start(1, 64);
        in_time = true;
        for (int i = 0; i < 3; i++) {
            int64_t before = clock_mono_ms();
            fake_fail(fake_open(FAKE_RECEIVE), AWS_TRANSIENT, "HTTP 503");
            fake_wait(FAKE_RECEIVE);
            int64_t pause_ms = clock_mono_ms() - before;
            assert_true(pause_ms >= due_ms[i] - 5);
            in_time = in_time && pause_ms <= due_ms[i] + 80;
            assert_int_equal(fake_open(FAKE_RECEIVE)->wait_s, 1);
        }
    }
    assert_true(in_time);
    assert_non_null(
        strstr(queues_at(t.queues, 0)->troubles[QUEUE_RECEIVE].text, "queue \"q0\": cannot receive"));
    assert_true(poller_healthy(t.poller, reason, sizeof(reason)));
    fake_messages(fake_open(FAKE_RECEIVE), 0);
    assert_string_equal(queues_at(t.queues, 0)->troubles[QUEUE_RECEIVE].text, "");
}

static void a_refused_poll_is_told_at_once_with_its_fix(void **state)
{
    (void)state;
    static const struct {
        enum aws_class class;
        const char *code, *text;
    } refusals[] = {
        {AWS_DENIED, "AccessDenied",
         "queue \"q0\": sqs:ReceiveMessage is denied; allow it to the account of this service, "
         "etc/iam/consumer.json is the policy that this worker needs (AccessDenied: says the "
         "test)"},
        {AWS_INVALID, "UnsupportedOperation", "queue \"q0\": cannot receive: says the test"},
    };
    for (size_t i = 0; i < sizeof(refusals) / sizeof(refusals[0]); i++) {
        char reason[512] = "";
        start(1, 64);
        assert_true(poller_healthy(t.poller, reason, sizeof(reason)));
        fake_fail(fake_open(FAKE_RECEIVE), refusals[i].class, refusals[i].code);
        assert_false(poller_healthy(t.poller, reason, sizeof(reason)));
        assert_memory_equal(reason, refusals[i].text, strlen(refusals[i].text));
        fake_wait(FAKE_RECEIVE);
        fake_messages(fake_open(FAKE_RECEIVE), 0);
        assert_true(poller_healthy(t.poller, reason, sizeof(reason)));
        stop(state);
    }
}

static void a_throttled_queue_gets_fewer_polls_and_all_of_them_back(void **state)
{
    (void)state;
    start(1, 400);
    for (size_t i = 0; i < 4; i++) {
        fake_messages(fake_open(FAKE_RECEIVE), 10);
        fake_run(5);
    }
    assert_int_equal(fake_open_count(FAKE_RECEIVE), 4);
    int64_t began = clock_mono_ms();
    for (size_t i = 0; i < 4; i++)
        fake_fail(fake_open(FAKE_RECEIVE), AWS_THROTTLED, "HTTP 400");
    assert_int_equal(t.n.throttled, 1);
    fake_wait(FAKE_RECEIVE);
    assert_in_range(clock_mono_ms() - began, 375, 10000);
    fake_run(5);
    assert_int_equal(fake_open_count(FAKE_RECEIVE), 2);
    int requests = 0; /* two seconds of nothing else */
    began = clock_mono_ms();
    while (clock_mono_ms() - began < 2000) {
        fake_run(5);
        for (; fake_open(FAKE_RECEIVE); requests++)
            fake_fail(fake_open(FAKE_RECEIVE), AWS_THROTTLED, "HTTP 400");
    }
    assert_in_range(requests, 1, 4);
    for (size_t i = 0; i < 8; i++) {
        fake_messages(fake_wait(FAKE_RECEIVE), 10);
        fake_run(5);
    }
    assert_int_equal(fake_open_count(FAKE_RECEIVE), 4);
    assert_string_equal(queues_at(t.queues, 0)->troubles[QUEUE_RECEIVE].text, "");
}

static void take_out(int count)
{
    while (count-- > 0)
        inflight_remove(t.inflight, inflight_first(t.inflight));
    poller_kick(t.poller);
    fake_run(20);
}

static void a_slow_queue_waits_for_room_for_a_full_batch(void **state)
{
    (void)state;
    start(1, 20);
    fake_fail(fake_open(FAKE_RECEIVE), AWS_THROTTLED, "HTTP 400");
    assert_true(t.last.is_throttled);
    assert_in_range(t.last.pause_ms, 370, 500);
    fake_messages(fake_wait(FAKE_RECEIVE), 10);
    fake_messages(fake_wait(FAKE_RECEIVE), 10);
    for (int i = 0; i < 9; i++) {
        take_out(1);
        assert_int_equal(fake_open_count(FAKE_RECEIVE), 0);
    }
    take_out(1);
    assert_int_equal(fake_open(FAKE_RECEIVE)->max, 10);
    fake_messages(fake_open(FAKE_RECEIVE), 10);
    int64_t began = clock_mono_ms();
    take_out(3); /* and no more: somebody takes hours */
    while (fake_open_count(FAKE_RECEIVE) == 0 && clock_mono_ms() - began < 30000)
        fake_run(20);
    assert_in_range(clock_mono_ms() - began, 4900, 30000);
    assert_int_equal(fake_open(FAKE_RECEIVE)->max, 3);
}

static void what_another_worker_met_slows_this_one_down(void **state)
{
    (void)state;
    start(1, 400);
    for (size_t i = 0; i < 4; i++) {
        fake_messages(fake_open(FAKE_RECEIVE), 10);
        fake_run(5);
    }
    assert_int_equal(fake_open_count(FAKE_RECEIVE), 4);
    poller_slow_down(t.poller, "another", 300);
    int64_t began = clock_mono_ms();
    poller_slow_down(t.poller, "q0", 300);
    for (size_t i = 0; i < 4; i++)
        fake_messages(fake_open(FAKE_RECEIVE), 10);
    fake_wait(FAKE_RECEIVE);
    assert_in_range(clock_mono_ms() - began, 299, 10000);
    fake_run(5);
    assert_int_equal(fake_open_count(FAKE_RECEIVE), 2);
}

static void a_probe_is_one_short_poll_whose_end_is_told(void **state)
{
    (void)state;
    start(1, 64);
    assert_false(t.last.is_probe);
    t.mode = POLLER_PROBE;
    fake_messages(fake_open(FAKE_RECEIVE), 0);
    assert_true(t.last.worked && !t.last.is_probe);
    fake_wait(FAKE_RECEIVE);
    assert_int_equal(fake_open_count(FAKE_RECEIVE), 1);
    assert_int_equal(fake_open(FAKE_RECEIVE)->max, 1);
    assert_int_equal(fake_open(FAKE_RECEIVE)->wait_s, 1);
    fake_fail(fake_open(FAKE_RECEIVE), AWS_THROTTLED, "HTTP 400");
    assert_true(t.last.is_probe && t.last.is_throttled && !t.last.worked);
    fake_fail(fake_wait(FAKE_RECEIVE), AWS_TRANSIENT, "HTTP 503");
    assert_true(t.last.is_probe && !t.last.is_throttled && !t.last.worked);
    fake_messages(fake_wait(FAKE_RECEIVE), 1);
    assert_true(t.last.is_probe && t.last.worked);
}

/* The store answers a poll whose client has hung up with an error, unless its messages were on
 * their way already. */
static void stopping_takes_what_is_on_its_way(void **state)
{
    (void)state;
    start(3, 64);
    assert_false(poller_stop(t.poller));
    poller_kick(t.poller);
    fake_run(20);
    assert_int_equal(fake_open_count(FAKE_RECEIVE), 3);
    for (size_t i = 0; i < 3; i++)
        assert_true(fake_calls[i].hung_up && !fake_calls[i].cancelled);
    fake_messages(fake_open(FAKE_RECEIVE), 10);
    assert_int_equal(inflight_count(t.inflight), 10);
    fake_fail(fake_open(FAKE_RECEIVE), AWS_TRANSIENT, "HTTP 503");
    assert_int_equal(t.ended, 0);
    fake_fail(fake_open(FAKE_RECEIVE), AWS_TRANSIENT, "ConnectionBroken");
    assert_int_equal(t.ended, 1);
    assert_int_equal(poller_active(t.poller), 0);
    assert_int_equal(fake_count, 3);
    for (size_t i = 0; i < 3; i++)
        assert_string_equal(queues_at(t.queues, i)->troubles[QUEUE_RECEIVE].text, "");
}

static void stopping_ends_with_the_last_answer(void **state)
{
    (void)state;
    start(1, 64);
    assert_false(poller_stop(t.poller));
    fake_messages(fake_open(FAKE_RECEIVE), 0);
    assert_int_equal(t.ended, 1);
    fake_run(20);
    assert_int_equal(t.ended, 1);
    assert_int_equal(fake_count, 1);
}

/* AWS would hand out messages to a poll that nobody reads any more. */
static void stopping_lets_polls_on_aws_end(void **state)
{
    (void)state;
    fake_service = "aws";
    start(2, 64);
    fake_service = "embedded";
    fake_run(400);
    struct queue *q0 = queues_at(t.queues, 0), *q1 = queues_at(t.queues, 1);
    assert_int_equal(q0->polled_until_mono_ms, 0);
    assert_false(poller_stop(t.poller));
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(fake_calls[i].hung_up, strcmp(fake_calls[i].queue_url, "q1") == 0);
    int64_t ends_in_ms = q0->polled_until_mono_ms - clock_mono_ms();
    assert_in_range(ends_in_ms, 1000, 8000); /* the sources wait 7 s */
    assert_int_equal(q1->polled_until_mono_ms, 0);
    fake_fail(&fake_calls[fake_calls[0].hung_up ? 0 : 1], AWS_TRANSIENT, "HTTP 503");
    fake_run(20);
    assert_int_equal(t.ended, 0);
    fake_messages(fake_open(FAKE_RECEIVE), 2);
    assert_int_equal(inflight_count(t.inflight), 2);
    assert_int_equal(t.ended, 1);
    assert_int_equal(q0->polled_until_mono_ms, 0);
    fake_run(20);
    assert_int_equal(fake_count, 2);
}

static void the_deadline_cancels_polls_on_aws(void **state)
{
    (void)state;
    fake_service = "aws";
    start(2, 64);
    fake_service = "embedded";
    assert_false(poller_stop(t.poller));
    poller_cancel(t.poller);
    assert_int_equal(poller_active(t.poller), 0);
    assert_int_equal(queues_at(t.queues, 0)->polled_until_mono_ms, 0);
    fake_run(400);
    assert_int_equal(t.ended, 0);
    assert_true(fake_calls[0].cancelled && fake_calls[1].cancelled);
}

static void a_queue_that_is_held_back_is_polled_as_told(void **state)
{
    (void)state;
    start(1, 64);
    assert_int_equal(fake_open_count(FAKE_RECEIVE), 1);
    t.mode = POLLER_NOT;
    poller_kick(t.poller);
    fake_run(20);
    assert_true(fake_open(FAKE_RECEIVE)->hung_up);
    fake_fail(fake_open(FAKE_RECEIVE), AWS_TRANSIENT, "HTTP 503");
    fake_run(20);
    assert_int_equal(fake_open_count(FAKE_RECEIVE), 0);
    t.mode = POLLER_ONE;
    poller_kick(t.poller);
    fake_run(10);
    assert_int_equal(fake_open_count(FAKE_RECEIVE), 1);
    assert_int_equal(fake_open(FAKE_RECEIVE)->max, 1);
    assert_int_equal(fake_open(FAKE_RECEIVE)->wait_s, 7);
    poller_kick(t.poller);
    fake_run(10);
    assert_int_equal(fake_open_count(FAKE_RECEIVE), 1);
    t.mode = POLLER_NOT;
    fake_messages(fake_open(FAKE_RECEIVE), 1);
    fake_run(10);
    assert_int_equal(fake_open_count(FAKE_RECEIVE), 0);
    assert_int_equal(t.swept, 0);
    t.mode = POLLER_SWEEP;
    poller_kick(t.poller);
    fake_run(10);
    assert_int_equal(fake_open_count(FAKE_RECEIVE), 1);
    assert_int_equal(fake_open(FAKE_RECEIVE)->max, 10);
    assert_int_equal(fake_open(FAKE_RECEIVE)->wait_s, 0);
    t.mode = POLLER_FREELY;
    fake_messages(fake_open(FAKE_RECEIVE), 4);
    assert_int_equal(t.swept, 5);
    fake_run(10);
    assert_int_equal(fake_open_count(FAKE_RECEIVE), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(room_is_shared_fairly),
        cmocka_unit_test_teardown(each_queue_has_one_poll, stop),
        cmocka_unit_test_teardown(a_queue_that_is_held_back_is_polled_as_told, stop),
        cmocka_unit_test_teardown(a_slow_queue_waits_for_room_for_a_full_batch, stop),
        cmocka_unit_test_teardown(what_another_worker_met_slows_this_one_down, stop),
        cmocka_unit_test_teardown(a_probe_is_one_short_poll_whose_end_is_told, stop),
        cmocka_unit_test_teardown(full_batches_bring_more_polls_up_to_four_and_empty_ones_fewer,
                                  stop),
        cmocka_unit_test_teardown(
            a_server_that_does_not_wait_is_not_asked_at_the_speed_of_the_network, stop),
        cmocka_unit_test_teardown(polls_ask_only_for_free_slots, stop),
        cmocka_unit_test_teardown(attributes_that_change_count_at_once, stop),
        cmocka_unit_test_teardown(a_busy_queue_leaves_room_for_the_others, stop),
        cmocka_unit_test_teardown(a_failing_queue_pauses_longer_each_time_and_says_so, stop),
        cmocka_unit_test(a_refused_poll_is_told_at_once_with_its_fix),
        cmocka_unit_test_teardown(a_throttled_queue_gets_fewer_polls_and_all_of_them_back, stop),
        cmocka_unit_test_teardown(stopping_takes_what_is_on_its_way, stop),
        cmocka_unit_test_teardown(stopping_ends_with_the_last_answer, stop),
        cmocka_unit_test_teardown(stopping_lets_polls_on_aws_end, stop),
        cmocka_unit_test_teardown(the_deadline_cancels_polls_on_aws, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

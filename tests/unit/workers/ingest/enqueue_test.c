#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <event2/event.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "workers/ingest/enqueue.h"

/* A queue service under the test's control: calls are kept until the test answers them. */
#define CALLS_MAX 64

struct call {
    bool open;
    size_t count;
    size_t bytes;
    char *bodies[SQS_BATCH_MAX]; /* own: as they were when the call was made */
    const char *borrowed[SQS_BATCH_MAX];
    sqs_batch_cb *done;
    void *arg;
};

static struct {
    struct call calls[CALLS_MAX];
    size_t count;
    size_t cancelled;
} service;

static uint64_t fake_send(struct aws_client *c, const struct aws_endpoint *e, const char *queue_url,
                          const struct sqs_outgoing *messages, size_t count,
                          const struct sqs_options *o, sqs_batch_cb *done, void *arg)
{
    (void)c, (void)e;
    assert_string_equal(queue_url, "http://queue");
    assert_in_range(count, 1, SQS_BATCH_MAX);
    assert_true(o->deadline_ms > 0 && o->timeout_ms > 0);
    assert_true(service.count < CALLS_MAX);
    struct call *call = &service.calls[service.count++];
    *call = (struct call){.open = true, .count = count, .done = done, .arg = arg};
    for (size_t i = 0; i < count; i++) {
        call->bodies[i] = xmemdup(messages[i].body, messages[i].body_len + 1);
        call->borrowed[i] = messages[i].body;
        call->bytes += sqs_message_bytes(&messages[i]);
    }
    return service.count;
}

static void fake_cancel(struct aws_client *c, uint64_t id)
{
    (void)c;
    assert_true(service.calls[id - 1].open);
    service.calls[id - 1].open = false;
    service.cancelled++;
}

static const struct enqueue_calls fake = {.send_batch = fake_send, .cancel = fake_cancel};

static struct sqs_entry_result entry(bool ok, bool sender_fault, enum aws_class class)
{
    return (struct sqs_entry_result){.ok = ok,
                                     .sender_fault = sender_fault,
                                     .class = class,
                                     .code = ok ? "" : "Code",
                                     .message = ok ? "" : "words",
                                     .message_id = "id"};
}

/* Answers call n: entry `bad` (or -1) fails as given, all others are confirmed. */
static void answer_call(size_t n, int bad, bool sender_fault, enum aws_class class)
{
    struct call *call = &service.calls[n];
    struct sqs_entry_result results[SQS_BATCH_MAX];
    assert_true(n < service.count && call->open);
    for (size_t i = 0; i < call->count; i++) {
        /* The bytes are borrowed until now: they must still be what was given. */
        assert_string_equal(call->borrowed[i], call->bodies[i]);
        results[i] = (int)i == bad ? entry(false, sender_fault, class) : entry(true, false, AWS_OK);
    }
    call->open = false;
    struct aws_reply reply = {.class = AWS_OK, .status = 200, .code = "", .message = ""};
    call->done(call->arg, &reply, results, call->count);
}

static void confirm(size_t n)
{
    answer_call(n, -1, false, AWS_OK);
}

static void fail_call(size_t n, enum aws_class class)
{
    struct call *call = &service.calls[n];
    assert_true(n < service.count && call->open);
    call->open = false;
    struct aws_reply reply = {.class = class, .code = "Code", .message = "words"};
    call->done(call->arg, &reply, NULL, 0);
}

struct result {
    int runs;
    bool stored;
};

static void on_done(void *arg, bool stored)
{
    struct result *r = arg;
    r->runs++;
    r->stored = stored;
}

struct fixture {
    struct event_base *base;
    struct enqueue *queue;
    struct result results[64];
    int missing;
};

static void on_missing(void *arg)
{
    ((struct fixture *)arg)->missing++;
}

static int set_up(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));
    memset(&service, 0, sizeof(service));
    log_setup(LOG_LEVEL_ERROR, false);
    f->base = event_base_new();
    static const struct aws_endpoint endpoint = {.region = "eu-west-1", .service = "sqs"};
    struct enqueue_options o = {.name = "q",
                                .endpoint = &endpoint,
                                .calls = &fake,
                                .missing = on_missing,
                                .missing_arg = f};
    f->queue = enqueue_new(f->base, &o);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    enqueue_free(f->queue);
    event_base_free(f->base);
    for (size_t i = 0; i < service.count; i++) {
        assert_false(service.calls[i].open);
        for (size_t k = 0; k < service.calls[i].count; k++)
            free(service.calls[i].bodies[k]);
    }
    free(f);
    return 0;
}

static void add_sized(struct fixture *f, int n, int deadline_ms, size_t size)
{
    struct enqueue_message m = {.attribute_count = 1};
    m.attributes[0].name = "Sluice";
    m.attributes[0].value = xstrdup("{}");
    m.body = xcalloc(1, size + 1);
    memset(m.body, 'a' + n % 26, size);
    m.body_len = size;
    enqueue_add(f->queue, &m, clock_mono_ms() + deadline_ms, on_done, &f->results[n]);
    assert_null(m.body);
    assert_int_equal(f->results[n].runs, 0);
}

static void add(struct fixture *f, int n, int deadline_ms)
{
    add_sized(f, n, deadline_ms, 10);
}

static void turn(struct fixture *f)
{
    event_base_loop(f->base, EVLOOP_ONCE);
}

static void until_calls(struct fixture *f, size_t count)
{
    int64_t end = clock_mono_ms() + 5000;
    while (service.count < count && clock_mono_ms() < end)
        turn(f);
    assert_int_equal(service.count, count);
}

static void until_done(struct fixture *f, int n)
{
    int64_t end = clock_mono_ms() + 5000;
    while (f->results[n].runs == 0 && clock_mono_ms() < end)
        turn(f);
    assert_int_equal(f->results[n].runs, 1);
}

static void check_result(struct fixture *f, int n, bool stored)
{
    assert_int_equal(f->results[n].runs, 1);
    assert_int_equal(f->results[n].stored, stored);
}

static void sends_at_once_when_idle(void **state)
{
    struct fixture *f = *state;
    enqueue_set_url(f->queue, "http://queue");
    add(f, 0, 5000);
    assert_int_equal(service.count, 1);
    assert_int_equal(service.calls[0].count, 1);
    assert_int_equal(f->results[0].runs, 0);
    assert_int_equal(enqueue_pending(f->queue), 1);
    confirm(0);
    check_result(f, 0, true);
    assert_int_equal(enqueue_pending(f->queue), 0);
}

static void batches_what_waits_while_a_send_is_under_way(void **state)
{
    struct fixture *f = *state;
    enqueue_set_url(f->queue, "http://queue");
    for (int i = 0; i < 8; i++)
        add(f, i, 5000);
    assert_int_equal(service.count, 1); /* seven wait: no full batch, one send is enough */
    confirm(0);
    assert_int_equal(service.count, 2);
    assert_int_equal(service.calls[1].count, 7);
    for (int i = 1; i < 8; i++)
        assert_int_equal(service.calls[1].bodies[i - 1][0], 'a' + i); /* in their order */
    confirm(1);
    for (int i = 0; i < 8; i++)
        check_result(f, i, true);
    assert_int_equal(enqueue_stats(f->queue)->sends, 2);
}

static void full_batches_go_in_parallel_up_to_four(void **state)
{
    struct fixture *f = *state;
    enqueue_set_url(f->queue, "http://queue");
    for (int i = 0; i < 60; i++)
        add(f, i, 5000);
    assert_int_equal(service.count, ENQUEUE_SENDS_MAX);
    assert_int_equal(service.calls[0].count, 1);
    for (size_t i = 1; i < ENQUEUE_SENDS_MAX; i++)
        assert_int_equal(service.calls[i].count, SQS_BATCH_MAX);
    for (size_t i = 0; i < service.count; i++)
        confirm(i);
    for (int i = 0; i < 60; i++)
        check_result(f, i, true);
}

static void keeps_a_batch_within_a_mebibyte(void **state)
{
    struct fixture *f = *state;
    enqueue_set_url(f->queue, "http://queue");
    add(f, 0, 5000);
    for (int i = 1; i < 8; i++)
        add_sized(f, i, 5000, 400000);
    for (size_t i = 0; i < service.count; i++) {
        assert_true(service.calls[i].bytes <= SQS_BATCH_BYTES);
        confirm(i);
    }
    for (int i = 0; i < 8; i++)
        check_result(f, i, true);
    assert_int_equal(service.count, 5); /* 1, 2, 2, 2, 1 */
    add_sized(f, 10, 5000, SQS_MESSAGE_BYTES - strlen("SluiceString{}"));
    add(f, 11, 5000);
    confirm(5);
    confirm(6);
    check_result(f, 10, true);
    check_result(f, 11, true);
}

static void one_failed_entry_is_retried_alone_and_then_given_up(void **state)
{
    struct fixture *f = *state;
    enqueue_set_url(f->queue, "http://queue");
    add(f, 20, 5000);
    for (int i = 0; i < 10; i++)
        add(f, i, 300);
    assert_int_equal(service.calls[1].count, 10);
    answer_call(1, 3, false, AWS_TRANSIENT);
    for (int i = 0; i < 10; i++)
        if (i != 3)
            check_result(f, i, true);
    assert_int_equal(f->results[3].runs, 0);
    int64_t end = clock_mono_ms() + 5000;
    size_t next = 2;
    while (f->results[3].runs == 0 && clock_mono_ms() < end) {
        turn(f);
        if (service.count > next) {
            assert_int_equal(service.calls[next].count, 1);
            assert_int_equal(service.calls[next].bodies[0][0], 'a' + 3);
            answer_call(next++, 0, false, AWS_TRANSIENT);
        }
    }
    check_result(f, 3, false);
    assert_in_range(next, 4, 10); /* it was tried again, with growing pauses */
    assert_int_equal(enqueue_stats(f->queue)->entries_failed, next - 1);
    assert_int_equal(enqueue_pending(f->queue), 1);
    confirm(0);
    check_result(f, 20, true);
}

static void a_failed_entry_may_succeed_alone(void **state)
{
    struct fixture *f = *state;
    enqueue_set_url(f->queue, "http://queue");
    add(f, 0, 5000);
    answer_call(0, 0, false, AWS_TRANSIENT);
    until_calls(f, 2);
    confirm(1);
    check_result(f, 0, true);
}

static void throttled_batches_pause_and_stay_full(void **state)
{
    struct fixture *f = *state;
    enqueue_set_url(f->queue, "http://queue");
    for (int i = 0; i < 35; i++)
        add(f, i, 5000);
    assert_int_equal(service.count, ENQUEUE_SENDS_MAX); /* 1, 10, 10, 10, and four wait */
    int64_t began = clock_mono_ms();
    fail_call(0, AWS_THROTTLED);
    for (size_t i = 1; i < ENQUEUE_SENDS_MAX; i++)
        answer_call(i, (int)i, false, AWS_THROTTLED);
    assert_int_equal(enqueue_pending(f->queue), 8);
    add(f, 40, 5000);
    add(f, 41, 5000);
    assert_int_equal(service.count, ENQUEUE_SENDS_MAX);
    until_calls(f, ENQUEUE_SENDS_MAX + 1);
    assert_true(clock_mono_ms() - began >= 375);
    assert_int_equal(service.calls[ENQUEUE_SENDS_MAX].count, 10); /* all of them together */
    confirm(ENQUEUE_SENDS_MAX);
    assert_int_equal(enqueue_pending(f->queue), 0);
    assert_int_equal(enqueue_stats(f->queue)->throttled, 1);
}

static void a_queue_that_throttles_is_asked_seldom_and_recovers(void **state)
{
    struct fixture *f = *state;
    enqueue_set_url(f->queue, "http://queue");
    int64_t began = clock_mono_ms();
    int n = 0;
    size_t answered = 0;
    while (clock_mono_ms() - began < 3000) {
        if (n < 60 && clock_mono_ms() - began >= n * 50)
            add(f, n++, 800);
        event_base_loop(f->base, EVLOOP_NONBLOCK);
        while (answered < service.count)
            fail_call(answered++, AWS_THROTTLED);
    }
    assert_in_range(service.count, 2, 5);
    const char *error;
    int64_t failing_ms = enqueue_failing_ms(f->queue, &error);
    if (clock_mono_ms() - began < 5000)
        assert_int_equal(failing_ms, 0); /* not for five seconds */
    add(f, 61, 20000);
    int64_t end = clock_mono_ms() + 10000;
    while (f->results[61].runs == 0 && clock_mono_ms() < end) {
        turn(f);
        while (answered < service.count)
            confirm(answered++);
    }
    check_result(f, 61, true);
    add(f, 62, 5000); /* at once again */
    assert_int_equal(service.count, answered + 1);
    confirm(answered);
}

static void throttling_by_kms_is_no_senders_fault(void **state)
{
    struct fixture *f = *state;
    enqueue_set_url(f->queue, "http://queue");
    add(f, 0, 5000);
    answer_call(0, 0, true, AWS_THROTTLED);
    until_calls(f, 2);
    confirm(1);
    check_result(f, 0, true);
}

static void a_senders_fault_is_not_sent_again(void **state)
{
    struct fixture *f = *state;
    enqueue_set_url(f->queue, "http://queue");
    add(f, 0, 5000);
    answer_call(0, 0, true, AWS_INVALID);
    check_result(f, 0, false);
    assert_int_equal(service.count, 1);
    add(f, 1, 5000);
    answer_call(1, 0, false, AWS_DENIED);
    check_result(f, 1, false);
}

static void what_was_not_sent_by_its_deadline_is_forgotten(void **state)
{
    struct fixture *f = *state;
    enqueue_set_url(f->queue, "http://queue");
    add(f, 0, 5000);
    add(f, 1, 30);
    add(f, 2, 5000);
    until_done(f, 1);
    check_result(f, 1, false);
    confirm(0);
    assert_int_equal(service.calls[1].count, 1); /* only 2 */
    assert_int_equal(service.calls[1].bodies[0][0], 'a' + 2);
    confirm(1);
    check_result(f, 2, true);
}

static void a_late_confirmation_changes_nothing(void **state)
{
    struct fixture *f = *state;
    enqueue_set_url(f->queue, "http://queue");
    add(f, 0, 30);
    until_done(f, 0);
    check_result(f, 0, false);
    confirm(0); /* checks that the bytes were kept for the send */
    check_result(f, 0, false);
    assert_int_equal(enqueue_stats(f->queue)->late, 1);
    add(f, 1, 30);
    until_done(f, 1);
    answer_call(1, 0, false, AWS_TRANSIENT); /* and a late refusal is not tried again */
    add(f, 2, 30);
    until_done(f, 2);
    fail_call(2, AWS_TRANSIENT);
    assert_int_equal(service.count, 3);
    assert_int_equal(enqueue_pending(f->queue), 0);
}

static void holds_events_until_the_url_is_known(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 3; i++)
        add(f, i, 5000);
    add(f, 3, 20);
    until_done(f, 3);
    check_result(f, 3, false);
    assert_int_equal(service.count, 0);
    enqueue_set_url(f->queue, "http://queue");
    assert_int_equal(service.count, 1);
    assert_int_equal(service.calls[0].count, 3);
    confirm(0);
    for (int i = 0; i < 3; i++)
        check_result(f, i, true);
}

static void a_deadline_in_the_past_is_answered_later(void **state)
{
    struct fixture *f = *state;
    add(f, 0, -10);
    until_done(f, 0);
    check_result(f, 0, false);
}

static void a_call_that_fails_is_made_again(void **state)
{
    struct fixture *f = *state;
    enqueue_set_url(f->queue, "http://queue");
    add(f, 0, 5000);
    fail_call(0, AWS_TRANSIENT);
    assert_int_equal(service.count, 1); /* not at once */
    add(f, 1, 5000);
    until_calls(f, 2);
    assert_int_equal(service.calls[1].count, 2);
    confirm(1);
    check_result(f, 0, true);
    check_result(f, 1, true);
}

static void a_missing_queue_is_asked_for_again(void **state)
{
    struct fixture *f = *state;
    enqueue_set_url(f->queue, "http://queue");
    add(f, 0, 5000);
    fail_call(0, AWS_MISSING);
    assert_int_equal(f->missing, 1);
    assert_int_equal(f->results[0].runs, 0);
    enqueue_set_url(f->queue, "http://queue");
    until_calls(f, 2);
    confirm(1);
    check_result(f, 0, true);
}

static void a_refused_batch_is_taken_apart(void **state)
{
    struct fixture *f = *state;
    add(f, 0, 5000);
    add(f, 1, 5000);
    enqueue_set_url(f->queue, "http://queue");
    assert_int_equal(service.calls[0].count, 2);
    fail_call(0, AWS_INVALID);
    until_calls(f, 3);
    assert_int_equal(service.calls[1].count, 1);
    assert_int_equal(service.calls[2].count, 1);
    fail_call(1, AWS_INVALID);
    confirm(2);
    check_result(f, 0, false);
    check_result(f, 1, true);
}

static void denied_fails_at_once(void **state)
{
    struct fixture *f = *state;
    add(f, 0, 5000);
    add(f, 1, 5000);
    enqueue_set_url(f->queue, "http://queue");
    fail_call(0, AWS_DENIED);
    check_result(f, 0, false);
    check_result(f, 1, false);
}

static void freeing_cancels_without_callbacks(void **state)
{
    struct fixture *f = *state;
    enqueue_set_url(f->queue, "http://queue");
    add(f, 0, 5000);
    add(f, 1, 5000);
    add(f, 2, 10);
    until_done(f, 2);
    answer_call(0, 0, false, AWS_TRANSIENT); /* 0 pauses, 1 is sent */
    assert_int_equal(service.count, 2);
    add(f, 3, 5000);
    enqueue_free(f->queue);
    f->queue = NULL;
    assert_int_equal(service.cancelled, 1);
    assert_int_equal(f->results[0].runs + f->results[1].runs + f->results[3].runs, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(sends_at_once_when_idle),
        TEST(batches_what_waits_while_a_send_is_under_way),
        TEST(full_batches_go_in_parallel_up_to_four),
        TEST(keeps_a_batch_within_a_mebibyte),
        TEST(one_failed_entry_is_retried_alone_and_then_given_up),
        TEST(a_failed_entry_may_succeed_alone),
        TEST(throttled_batches_pause_and_stay_full),
        TEST(a_queue_that_throttles_is_asked_seldom_and_recovers),
        TEST(throttling_by_kms_is_no_senders_fault),
        TEST(a_senders_fault_is_not_sent_again),
        TEST(what_was_not_sent_by_its_deadline_is_forgotten),
        TEST(a_late_confirmation_changes_nothing),
        TEST(holds_events_until_the_url_is_known),
        TEST(a_deadline_in_the_past_is_answered_later),
        TEST(a_call_that_fails_is_made_again),
        TEST(a_missing_queue_is_asked_for_again),
        TEST(a_refused_batch_is_taken_apart),
        TEST(denied_fails_at_once),
        TEST(freeing_cancels_without_callbacks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

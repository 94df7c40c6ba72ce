#include "tests/unit/workers/consumer/process_rig.h"

/* ---- tests ---- */

static void the_outcome_is_written_before_the_delete(void **state)
{
    (void)state;
    receive();
    assert_int_equal(l.max_attempts, 6);
    assert_idle();
    grant(record(LEDGER_OPEN, 3));
    assert_int_equal(d.attempt, 3);
    verdict(DELIVERED, "");
    assert_written(LEDGER_DELIVERED, 3, true);
    assert_int_equal(l.written->at_ms, NOW_MS);
    written(LEDGER_WRITTEN);
    deleted();
    assert_int_equal(t.n.delivered, 1);
    assert_int_equal(l.writes, 1);
}

static void an_outcome_is_offered_until_it_is_answered(void **state)
{
    (void)state;
    struct work *w = receive();
    grant(record(LEDGER_OPEN, 1));
    verdict(DELIVERED, "");
    for (int i = 1; i <= 3; i++) {
        written(LEDGER_FAILED);
        assert_idle();
        w->write_at_mono_ms = 0;
        fake_run(250);
        assert_int_equal(l.writes, i + 1);
        assert_written(LEDGER_DELIVERED, 1, true);
    }
    l.claim->until_mono_ms = 0; /* over by our own clock: still offered */
    written(LEDGER_WRITTEN);
    deleted();
}

static void an_outcome_that_comes_too_late_leaves_the_message_alone(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        receive();
        grant(record(LEDGER_OPEN, i == 2 ? 6 : 1));
        verdict(i ? RETRY : DELIVERED, "no");
        written(LEDGER_LOST);
        assert_idle();
        assert_int_equal(inflight_count(t.inflight), 0);
        d.started = 0;
    }
    assert_int_equal(t.n.claims_lost, 3);
}

static void a_retry_is_written_before_it_is_hidden(void **state)
{
    (void)state;
    receive();
    grant(record(LEDGER_OPEN, 2));
    verdict(RETRY, "it said no");
    assert_written(LEDGER_OPEN, 2, true);
    assert_int_equal(l.written->not_before_ms, NOW_MS + 1000);
    assert_non_null(strstr(l.written->history, "\"attempt\":2,\"error\":\"it said no\""));
    assert_true(l.written->first_failed_at_ms > 0);
    written(LEDGER_WRITTEN);
    deferred(1, 1);
    assert_int_equal(t.n.retried, 1);
}

static void a_dead_letter_goes_dying_copied_dead_deleted(void **state)
{
    (void)state;
    receive();
    grant(record(LEDGER_OPEN, 6));
    verdict(RETRY, "the last");
    assert_written(LEDGER_DYING, 6, false);
    assert_string_equal(l.written->error_class, "exhausted");
    assert_string_equal(l.written->error, "the last");
    assert_true(l.written->failed_at_ms > 0);
    written(LEDGER_WRITTEN);
    fake_answer(fake_wait(FAKE_SEND), 0, AWS_OK, "");
    assert_written(LEDGER_DEAD, 6, true);
    assert_string_equal(l.written->message_id, "m1");
    assert_int_equal(l.written->at_ms, NOW_MS);
    written(LEDGER_WRITTEN);
    deleted();
    assert_int_equal(t.n.dead, 1);
}

/* Whoever takes the copy from the dead-letter queue and sends it back may be faster than we are
 * with `dead`; the workers of one round may know the time a little differently than the queue. */
static void a_round_ends_before_its_copy_is_sent(void **state)
{
    (void)state;
    for (int ahead_ms = 0; ahead_ms <= 700; ahead_ms += 700) {
        l.later_ms = 0;
        receive_body("{\"id\":\"e1\"}", 1, NOW_MS + ahead_ms, NULL);
        struct ledger_record *r = record(LEDGER_OPEN, 6);
        r->at_ms = 1000; /* of a round before */
        grant(r);
        verdict(RETRY, "the last");
        assert_written(LEDGER_DYING, 6, false);
        assert_int_equal(l.written->at_ms, NOW_MS + ahead_ms);
        written(LEDGER_WRITTEN);
        l.later_ms = 5000;
        fake_answer(fake_wait(FAKE_SEND), 0, AWS_OK, "");
        assert_written(LEDGER_DEAD, 6, true);
        assert_int_equal(l.written->at_ms, NOW_MS + ahead_ms);
        written(LEDGER_WRITTEN);
        deleted();
    }
}

static void who_finds_dying_never_delivers(void **state)
{
    (void)state;
    receive();
    struct ledger_record *r = record(LEDGER_DYING, 6);
    ledger_record_set(&r->error, "it said no");
    ledger_record_set(&r->error_class, "exhausted");
    r->failed_at_ms = r->first_failed_at_ms = NOW_MS;
    r->at_ms = NOW_MS - 10;
    grant(r);
    assert_int_equal(d.started, 0);
    assert_false(l.writing);
    struct fake_call *f = fake_wait(FAKE_SEND);
    assert_non_null(strstr(f->first_value, "\"error\":\"it said no\""));
    fake_answer(f, 0, AWS_OK, "");
    assert_written(LEDGER_DEAD, 6, true);
    assert_int_equal(l.written->failed_at_ms, NOW_MS);
    assert_int_equal(l.written->at_ms, NOW_MS - 10);
    written(LEDGER_WRITTEN);
    deleted();
}

static void attempts_that_are_over_end_it(void **state)
{
    (void)state;
    receive();
    struct ledger_record *r = record(LEDGER_OPEN, 6);
    ledger_record_failure(r, NOW_MS, "the sixth", 1, 1);
    grant_over(r, true);
    assert_int_equal(d.started, 0);
    assert_written(LEDGER_DYING, 6, false);
    assert_string_equal(l.written->error, "the sixth");
    assert_string_equal(l.written->error_class, "exhausted");
    assert_int_equal(l.written->first_failed_at_ms, NOW_MS);
}

static void what_breaks_a_rule_dies_without_an_attempt(void **state)
{
    (void)state;
    receive_body("{\"other\":1}", 1, NOW_MS, NULL);
    grant(record(LEDGER_OPEN, 1));
    assert_int_equal(d.started, 0);
    assert_written(LEDGER_DYING, 0, false);
    assert_string_equal(l.written->error_class, "validation");
    written(LEDGER_WRITTEN);
    fake_answer(fake_wait(FAKE_SEND), 0, AWS_OK, "");
    written(LEDGER_WRITTEN);
    deleted();
}

static void delivered_is_deleted(void **state)
{
    (void)state;
    receive();
    answer(LEDGER_CLAIMED, 0);
    assert_int_equal(t.n.duplicates, 1);
    assert_int_equal(l.writes, 0);
    deleted();
    assert_int_equal(d.started, 0);
}

static void a_copy_of_the_finished_round_is_deleted(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) { /* sent before, or the very message */
        receive_body("{\"id\":\"e1\"}", 1, i ? NOW_MS + 5 : NOW_MS, NULL);
        struct ledger_record *r = record(LEDGER_DEAD, 6);
        r->at_ms = NOW_MS;
        ledger_record_set(&r->message_id, i ? "m1" : "m0");
        grant(r);
        assert_written(LEDGER_DEAD, 6, true); /* as it was, without the claim */
        written(LEDGER_WRITTEN);
        deleted();
    }
    assert_int_equal(t.n.duplicates, 2);
    assert_int_equal(d.started, 0);
}

static void what_is_sent_after_its_death_begins_a_new_round(void **state)
{
    (void)state;
    receive_body("{\"id\":\"e1\"}", 1, NOW_MS + 1, NULL);
    struct ledger_record *r = record(LEDGER_DEAD, 6);
    r->at_ms = NOW_MS;
    r->seq = 5;
    ledger_record_failure(r, NOW_MS - 9000, "then", 1, 1);
    grant(r);
    assert_int_equal(d.started, 0);
    assert_written(LEDGER_OPEN, 1, false);
    assert_int_equal(l.written->first_failed_at_ms, NOW_MS - 9000);
    assert_non_null(strstr(l.written->history, "then"));
    assert_int_equal(l.written->seq, 0); /* the message's own number */
    written(LEDGER_WRITTEN);
    assert_int_equal(d.attempt, 1);
    verdict(DELIVERED, "");
    written(LEDGER_WRITTEN);
    deleted();
}

static void in_a_new_round_copies_of_the_old_one_are_deleted(void **state)
{
    (void)state;
    receive();
    struct ledger_record *r = record(LEDGER_OPEN, 2);
    r->at_ms = NOW_MS;
    grant(r);
    assert_int_equal(d.started, 0);
    assert_written(LEDGER_OPEN, 1, true);
    written(LEDGER_WRITTEN);
    deleted();
}

static void who_is_busy_is_waited_for(void **state)
{
    (void)state;
    receive();
    answer(LEDGER_BUSY, 30500);
    deferred(2, 2);
    receive_body("{\"id\":\"e1\"}", 4, NOW_MS, NULL);
    answer(LEDGER_BUSY, 30500);
    deferred(16, 16);
    receive_body("{\"id\":\"e1\"}", 11, NOW_MS, NULL);
    answer(LEDGER_BUSY, 30500);
    deferred(31, 31);
    receive_body("{\"id\":\"e1\"}", 13, NOW_MS, NULL);
    answer(LEDGER_BUSY, 30500);
    deferred(128, 128);
    receive_body("{\"id\":\"e1\"}", 40, NOW_MS, NULL);
    answer(LEDGER_BUSY, 30500);
    deferred(600, 600);
    receive();
    answer(LEDGER_NOT_YET, 6100);
    deferred(7, 7);
    assert_int_equal(t.n.deferred, 6);
    assert_int_equal(d.started + l.writes, 0);
}

static void without_the_ledger_events_wait_or_go_on(void **state)
{
    (void)state;
    receive();
    answer(LEDGER_UNREACHABLE, 0);
    deferred(1, 1);
    assert_non_null(strstr(t.trouble, "no such table"));
    assert_non_null(strstr(t.trouble, "events wait (ledger.outage)"));
    json_t *waiting = json_array();
    process_waiting(t.process, waiting);
    assert_int_equal(json_array_size(waiting), 1);
    json_decref(waiting);
    t.source->deliver_in_outage = true;
    receive_body("{\"id\":\"e1\"}", 3, NOW_MS, NULL);
    answer(LEDGER_UNREACHABLE, 0);
    assert_int_equal(d.attempt, 3);
    verdict(DELIVERED, "");
    deleted();
    assert_int_equal(t.n.unreachable, 2);
    receive_body("{\"id\":\"e1\"}", 3, NOW_MS, NULL);
    answer(LEDGER_CLAIMED, 0);
    deleted();
    waiting = json_array();
    process_waiting(t.process, waiting);
    assert_int_equal(json_array_size(waiting), 0);
    json_decref(waiting);
}

static void a_lost_claim_ends_the_delivery(void **state)
{
    (void)state;
    struct work *w = receive();
    grant(record(LEDGER_OPEN, 1));
    w->claim_extend_mono_ms = 0;
    fake_run(250);
    assert_true(l.extending);
    written(LEDGER_WRITTEN);
    assert_int_equal(d.cancelled, 0);
    w->claim_extend_mono_ms = 0;
    fake_run(250);
    int64_t before = clock_mono_ms();
    written(LEDGER_FAILED); /* tried again */
    assert_in_range(w->claim_extend_mono_ms, before + 1000, clock_mono_ms() + 1000);
    w->claim_extend_mono_ms = 0;
    fake_run(250);
    written(LEDGER_LOST);
    assert_int_equal(d.cancelled, 1);
    assert_int_equal(inflight_count(t.inflight), 0);
    d.started = 0;
    receive();
    grant(record(LEDGER_OPEN, 1));
    l.claim->until_mono_ms = clock_mono_ms();
    fake_run(250);
    assert_int_equal(d.cancelled, 2);
    assert_idle();
    assert_int_equal(t.n.claims_lost, 2);
}

/* The heartbeat and the outcome do not run into each other. */
static void an_outcome_waits_for_the_extension_under_way(void **state)
{
    (void)state;
    struct work *w = receive();
    grant(record(LEDGER_OPEN, 1));
    w->claim_extend_mono_ms = 0;
    fake_run(250);
    assert_true(l.extending);
    verdict(DELIVERED, "");
    assert_int_equal(l.writes, 0);
    written(LEDGER_LOST); /* whatever it says, the outcome is offered */
    assert_written(LEDGER_DELIVERED, 1, true);
    written(LEDGER_WRITTEN);
    deleted();
}

static void a_lost_lease_alone_ends_nothing(void **state)
{
    (void)state;
    struct work *w = receive();
    grant(record(LEDGER_OPEN, 1));
    w->until_mono_ms = clock_mono_ms();
    fake_run(300);
    assert_int_equal(t.n.lost, 1);
    assert_int_equal(d.cancelled, 0);
    verdict(DELIVERED, "");
    written(LEDGER_WRITTEN);
    deleted();
    t.source->ledger = NULL;
    w = receive_body("{\"id\":\"e1\"}", 1, NOW_MS, NULL);
    w->until_mono_ms = clock_mono_ms();
    fake_run(300);
    assert_int_equal(d.cancelled, 1);
    assert_int_equal(inflight_count(t.inflight), 0);
}

/* ---- requeue ---- */

static void a_requeue_is_moving_sent_open_deleted(void **state)
{
    (void)state;
    t.source->requeue = true;
    receive_body("{\"id\":\"e1\"}", 1, NOW_MS, "2");
    struct ledger_record *r = record(LEDGER_OPEN, 3);
    r->seq = 2;
    grant(r);
    verdict(RETRY, "no");
    assert_written(LEDGER_MOVING, 3, false);
    assert_int_equal(l.written->seq, 3);
    assert_int_equal(l.written->not_before_ms, NOW_MS + 1000);
    written(LEDGER_WRITTEN);
    struct fake_call *f = fake_wait(FAKE_SEND);
    assert_string_equal(f->retry_count, "3");
    assert_int_equal(f->delay_s, 1);
    assert_string_equal(f->queue_url, "q0");
    fake_answer(f, 0, AWS_OK, "");
    assert_written(LEDGER_OPEN, 3, true);
    written(LEDGER_WRITTEN);
    deleted();
    assert_int_equal(t.n.requeued, 1);
}

static void an_older_message_under_moving_repeats_the_send(void **state)
{
    (void)state;
    receive_body("{\"id\":\"e1\"}", 2, NOW_MS, "2");
    struct ledger_record *r = record(LEDGER_MOVING, 3);
    r->seq = 3;
    grant(r);
    assert_int_equal(d.started, 0);
    struct fake_call *f = fake_wait(FAKE_SEND);
    assert_string_equal(f->retry_count, "3");
    fake_answer(f, 0, AWS_OK, "");
    assert_written(LEDGER_OPEN, 3, true);
    written(LEDGER_WRITTEN);
    deleted();
}

/* The queue was a standard one when its requeue began. */
static void under_moving_on_a_fifo_queue_the_message_goes_on_itself(void **state)
{
    (void)state;
    queues_at(t.queues, 0)->attributes.is_fifo = true;
    receive_body("{\"id\":\"e1\"}", 2, NOW_MS, "2");
    struct ledger_record *r = record(LEDGER_MOVING, 3);
    r->seq = 3;
    r->not_before_ms = NOW_MS + 7000;
    grant(r);
    assert_int_equal(d.started, 0);
    assert_written(LEDGER_OPEN, 3, true);
    assert_int_equal(l.written->seq, 2); /* it is the one that counts */
    written(LEDGER_WRITTEN);
    assert_null(fake_open(FAKE_SEND));
    deferred(6, 7);
    assert_int_equal(t.n.requeued, 0);
}

static void the_copy_under_moving_has_arrived(void **state)
{
    (void)state;
    receive_body("{\"id\":\"e1\"}", 1, NOW_MS, "3");
    struct ledger_record *r = record(LEDGER_MOVING, 3);
    r->seq = 3;
    grant(r);
    assert_written(LEDGER_OPEN, 3, true);
    written(LEDGER_WRITTEN);
    assert_true(l.asked); /* once more, for the attempt */
    r = record(LEDGER_OPEN, 4);
    r->seq = 3;
    grant(r);
    assert_int_equal(d.attempt, 4);
}

static void an_older_message_is_deleted_and_its_attempt_given_back(void **state)
{
    (void)state;
    receive_body("{\"id\":\"e1\"}", 1, NOW_MS, NULL);
    struct ledger_record *r = record(LEDGER_OPEN, 4);
    r->seq = 1;
    grant(r);
    assert_int_equal(d.started, 0);
    assert_written(LEDGER_OPEN, 3, true);
    written(LEDGER_WRITTEN);
    deleted();
    assert_int_equal(t.n.duplicates, 1);
}

static void a_newer_number_is_adopted_unless_it_is_absurd(void **state)
{
    (void)state;
    static const struct {
        const char *number;
        int seq;
    } cases[] = {{"3", 3}, {"1001", 1001}, {"1002", 1}, {"2147483647", 1}};
    for (size_t i = 0; i < 4; i++) {
        receive_body("{\"id\":\"e1\"}", 1, NOW_MS, cases[i].number);
        struct ledger_record *r = record(LEDGER_OPEN, 1);
        r->seq = 1;
        grant(r);
        verdict(RETRY, "no");
        assert_written(LEDGER_OPEN, 1, true);
        assert_int_equal(l.written->seq, cases[i].seq);
        written(LEDGER_WRITTEN);
        deferred(1, 1);
    }
}

/* ---- drain ---- */

static void a_drain_gives_attempts_back(void **state)
{
    (void)state;
    receive();
    grant(record(LEDGER_OPEN, 2));
    d.waits = true;
    process_release(t.process, false);
    assert_int_equal(d.cancelled, 1);
    assert_written(LEDGER_OPEN, 1, true);
    written(LEDGER_WRITTEN);
    deferred(0, 0);
    assert_int_equal(t.n.released, 1);
    receive_body("{\"id\":\"e1\"}", 1, NOW_MS, NULL);
    deferred(0, 0); /* what a last poll brought */
    assert_false(l.asked);
}

static void a_drain_meets_the_ledgers_answer(void **state)
{
    (void)state;
    receive();
    process_release(t.process, false);
    assert_idle();
    grant(record(LEDGER_OPEN, 2));
    assert_int_equal(d.started, 0);
    assert_written(LEDGER_OPEN, 1, true);
    written(LEDGER_WRITTEN);
    deferred(0, 0);
}

static void at_the_deadline_a_delivery_counts_and_a_copy_is_given_up(void **state)
{
    (void)state;
    receive();
    grant(record(LEDGER_OPEN, 2));
    process_release(t.process, false);
    assert_int_equal(d.cancelled, 0);
    process_release(t.process, true);
    assert_int_equal(d.cancelled, 1);
    assert_written(LEDGER_OPEN, 2, true);
    written(LEDGER_WRITTEN);
    deferred(0, 0);
}

static void without_a_ledger_receives_count(void **state)
{
    (void)state;
    t.source->ledger = NULL;
    receive_body("{\"id\":\"e1\"}", 6, NOW_MS, NULL);
    assert_int_equal(d.attempt, 6);
    verdict(RETRY, "the last");
    struct fake_call *f = fake_wait(FAKE_SEND);
    assert_non_null(strstr(f->first_value, "\"retry_count\":5"));
    assert_non_null(strstr(f->first_value, "\"attempt\":6,\"error\":\"the last\""));
    fake_answer(f, 0, AWS_OK, "");
    deleted();
    receive_body("{\"id\":\"e1\"}", 2, NOW_MS, NULL);
    verdict(RETRY, "no");
    deferred(1, 1);
    receive_body("{\"id\":\"e1\"}", 7, NOW_MS, NULL);
    f = fake_wait(FAKE_SEND);
    assert_non_null(strstr(f->first_value, "\"error_class\":\"exhausted\""));
    fake_answer(f, 0, AWS_OK, "");
    deleted();
    assert_int_equal(l.writes, 0);
}

/* ---- what is held back ---- */

#define GATE "destination:trial"
#define POLLING "aws:sqs:q0"
#define PACE "pace:sqs:q0"

static void outage(int status, int retry_after_s)
{
    const struct delivery_outcome outcome = {.verdict = RETRY,
                                             .class = "destination",
                                             .error = "it is out",
                                             .status = status,
                                             .took_ms = 0,
                                             .of_destination = true,
                                             .retry_after_s = retry_after_s};
    assert_true(d.under_way);
    d.under_way = false;
    d.done(d.arg, &outcome);
}

static void told_about(const char *key, int64_t until_ms)
{
    assert_non_null(t.told);
    assert_string_equal(json_string_value(json_object_get(t.told, "key")), key);
    assert_int_equal(json_integer_value(json_object_get(t.told, "until_ms")), until_ms);
    json_decref(t.told);
    t.told = NULL;
}

static void told(int64_t until_ms)
{
    told_about(GATE, until_ms);
}

static void hear(json_t *msg)
{
    held_take(t.held, msg);
    json_decref(msg);
}

static void hear_gate(int64_t until_ms)
{
    hear(json_pack("{s:s,s:s,s:I,s:s}", "t", "gate", "key", GATE, "until_ms", (json_int_t)until_ms,
                   "why", "it is out"));
}

static void hear_probe_of(const char *key, bool granted)
{
    hear(json_pack("{s:s,s:s,s:b}", "t", "gate", "key", key, "probe", (int)granted));
}

static void hear_probe(bool granted)
{
    hear_probe_of(GATE, granted);
}

static enum poller_mode mode(void)
{
    return held_mode(t.held, queues_at(t.queues, 0));
}

/* An event that was received for the n-th time and has this record. */
static void attempt(int count, struct ledger_record *r)
{
    receive_body("{\"id\":\"e1\"}", count, NOW_MS, NULL);
    grant(r);
}

static void three_failures_of_the_destination_in_a_row_give_the_last_back(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        attempt(1, record(LEDGER_OPEN, 1));
        outage(503, 0);
        assert_written(LEDGER_OPEN, 1, true); /* it counts */
        written(LEDGER_WRITTEN);
        deferred(1, 1);
    }
    assert_null(t.told);
    assert_int_equal(mode(), POLLER_FREELY);
    attempt(4, record(LEDGER_OPEN, 3));
    outage(503, 0);
    told(10000);
    assert_written(LEDGER_OPEN, 2, true);
    assert_int_equal(l.written->excused, 2);
    assert_int_equal(l.written->not_before_ms, 0);
    assert_non_null(strstr(l.written->history, "\"attempt\":3,\"error\":\"it is out\""));
    written(LEDGER_WRITTEN);
    deferred(10, 10);
    assert_int_equal(mode(), POLLER_NOT);
    assert_int_equal(t.n.held_back, 1);
    assert_int_equal(t.n.retried, 2);
}

static void what_is_the_events_own_ends_a_row(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++) {
        attempt(1, record(LEDGER_OPEN, 1));
        if (i % 3 == 2)
            verdict(i % 2 ? RETRY : DEAD, "its own");
        else
            outage(0, 0);
        written(LEDGER_WRITTEN);
        if (i % 3 == 2 && i % 2 == 0) {
            fake_answer(fake_wait(FAKE_SEND), 0, AWS_OK, "");
            written(LEDGER_WRITTEN);
            deleted();
        } else {
            deferred(1, 1);
        }
    }
    assert_null(t.told);
}

static void who_asks_to_be_left_alone_is_at_once(void **state)
{
    (void)state;
    attempt(1, record(LEDGER_OPEN, 1));
    outage(502, 7); /* only 429 and 503 may ask */
    written(LEDGER_WRITTEN);
    deferred(7, 7);
    assert_null(t.told);
    attempt(1, record(LEDGER_OPEN, 1));
    outage(429, 7);
    told(7000);
    assert_written(LEDGER_OPEN, 0, true);
    written(LEDGER_WRITTEN);
    deferred(7, 7);
}

/* Claimed, it turns out that nothing may be delivered; the last attempt even. */
static void what_is_held_back_goes_back_uncounted(void **state)
{
    (void)state;
    hear_gate(4500);
    assert_int_equal(mode(), POLLER_NOT);
    attempt(30, record(LEDGER_OPEN, 6));
    assert_int_equal(d.started, 0);
    assert_written(LEDGER_OPEN, 5, true);
    assert_int_equal(l.written->excused, 25);
    assert_string_equal(l.written->history, "");
    written(LEDGER_WRITTEN);
    deferred(5, 5);
    hear_gate(0);
    assert_int_equal(mode(), POLLER_FREELY);
    attempt(31, record(LEDGER_OPEN, 6));
    assert_int_equal(d.started, 1);
    verdict(DELIVERED, "");
    written(LEDGER_WRITTEN);
    deleted();
}

static void the_probe_is_one_event_and_its_verdict_is_told(void **state)
{
    (void)state;
    hear_gate(10000);
    hear_probe(true);
    assert_int_equal(mode(), POLLER_ONE);
    receive_body("{\"id\":\"e1\"}", 200, NOW_MS, NULL);
    assert_int_equal(mode(), POLLER_NOT); /* not another one before this one is judged */
    struct ledger_record *r = record(LEDGER_OPEN, 1);
    r->excused = 199;
    grant(r);
    assert_true(json_is_true(json_object_get(t.told, "probe")));
    told(60000);
    assert_int_equal(mode(), POLLER_NOT);
    outage(0, 0); /* bad: open again, with one failure */
    told(10000);
    assert_written(LEDGER_OPEN, 0, true);
    assert_int_equal(l.written->excused, 200);
    written(LEDGER_WRITTEN);
    deferred(10, 10);
    hear_probe(true);
    r = record(LEDGER_OPEN, 1);
    r->excused = 200;
    attempt(201, r);
    verdict(RETRY, "a 500: it is back, and this is the event's own");
    told(0);
    assert_written(LEDGER_OPEN, 1, true);
    written(LEDGER_WRITTEN);
    deferred(1, 1);
    assert_int_equal(mode(), POLLER_FREELY);
}

/* Its check speaks of the event alone: it is no verdict, and the next one is the probe. */
static void a_probe_that_never_came_to_the_destination_is_used_again(void **state)
{
    (void)state;
    const struct delivery_outcome unasked = {
        .verdict = RETRY, .class = "check", .error = "check: 500", .is_unasked = true};
    hear_gate(10000);
    hear_probe(true);
    attempt(1, record(LEDGER_OPEN, 1));
    told(60000);
    d.under_way = false;
    d.done(d.arg, &unasked);
    assert_null(t.told);
    assert_written(LEDGER_OPEN, 1, true); /* and it counts */
    written(LEDGER_WRITTEN);
    deferred(1, 1);
    assert_int_equal(mode(), POLLER_ONE);
}

static void a_probe_that_is_cut_off_is_used_again(void **state)
{
    (void)state;
    hear_gate(10000);
    hear_probe(true);
    attempt(1, record(LEDGER_OPEN, 1));
    told(60000);
    l.claim->until_mono_ms = 0;
    fake_run(250); /* the claim is lost */
    assert_int_equal(d.cancelled, 1);
    assert_int_equal(inflight_count(t.inflight), 0);
    assert_int_equal(mode(), POLLER_ONE);
    hear_probe(false);
    assert_int_equal(mode(), POLLER_NOT);
}

static void what_waits_for_a_place_goes_back_when_the_gate_shuts(void **state)
{
    (void)state;
    attempt(3, record(LEDGER_OPEN, 2));
    d.waits = true;
    process_hold(t.process);
    assert_int_equal(d.cancelled, 0);
    hear_gate(10000);
    process_hold(t.process);
    assert_int_equal(d.cancelled, 1);
    assert_written(LEDGER_OPEN, 1, true);
    written(LEDGER_WRITTEN);
    deferred(10, 10);
}

/* Days of an outage: no number of receives makes it a dead letter, and afterwards the event has all
 * the receives that it may have. */
static void a_long_outage_wears_nothing_out(void **state)
{
    (void)state;
    hear_gate(10000);
    for (int count = 1; count <= 1000; count += 27) {
        struct ledger_record *r = record(LEDGER_OPEN, 1);
        r->excused = count - 1;
        hear_probe(true);
        attempt(count, r);
        outage(503, 0);
        assert_written(LEDGER_OPEN, 0, true);
        assert_int_equal(l.written->excused, count);
        written(LEDGER_WRITTEN);
        deferred(9, 10);
    }
    hear_gate(0);
    for (int count = 1106; count <= 1107; count++) {
        struct ledger_record *r = record(LEDGER_OPEN, 3);
        r->excused = 1000;
        attempt(count, r);
        assert_int_equal(d.under_way, count == 1106); /* stuck is stuck */
        if (count == 1107)
            break;
        verdict(RETRY, "no");
        written(LEDGER_WRITTEN);
        deferred(1, 1);
    }
    assert_string_equal(l.written->error_class, "stuck");
    written(LEDGER_WRITTEN);
    fake_answer(fake_wait(FAKE_SEND), 0, AWS_OK, "");
    written(LEDGER_WRITTEN);
    deleted();
}

static void an_outage_leaves_one_entry_in_the_history(void **state)
{
    (void)state;
    struct ledger_record *r = record(LEDGER_OPEN, 2);
    ledger_record_failure(r, NOW_MS, "the first", 500, 1);
    r->attempts = 2;
    for (int i = 0; i < 20; i++)
        ledger_record_outage(r, NOW_MS + i * 1000, "out", 503, 1);
    json_t *history = json_loads(r->history, 0, NULL);
    assert_int_equal(json_array_size(history), 1);
    ledger_record_set(&r->history, "");
    r->attempts = 1;
    ledger_record_failure(r, NOW_MS, "the first", 500, 1);
    r->attempts = 2;
    for (int i = 0; i < 20; i++)
        ledger_record_outage(r, NOW_MS + i * 1000, "out", 503, 1);
    json_decref(history);
    history = json_loads(r->history, 0, NULL);
    assert_int_equal(json_array_size(history), 2);
    json_decref(history);
    ledger_record_free(r);
}

static void a_paused_source_keeps_its_events(void **state)
{
    (void)state;
    hear(json_pack("{s:s,s:s}", "t", "pause", "source", "somebody else"));
    assert_int_equal(mode(), POLLER_FREELY);
    hear(json_pack("{s:s,s:s}", "t", "pause", "source", "s"));
    assert_int_equal(mode(), POLLER_NOT);
    attempt(2, record(LEDGER_OPEN, 2));
    assert_int_equal(d.started, 0);
    assert_written(LEDGER_OPEN, 1, true);
    written(LEDGER_WRITTEN);
    deferred(0, 0);
    attempt(3, record(LEDGER_DYING, 6)); /* what is not a delivery goes on */
    fake_answer(fake_wait(FAKE_SEND), 0, AWS_OK, "");
    written(LEDGER_WRITTEN);
    deleted();
    hear(json_pack("{s:s,s:s}", "t", "resume", "source", "s"));
    assert_int_equal(mode(), POLLER_FREELY);
}

/* Without the ledger the receives are the attempts, but not those of an outage. */
static void without_a_ledger_an_outage_kills_nothing_either(void **state)
{
    (void)state;
    t.source->ledger = NULL;
    hear_gate(10000);
    for (int count = 1; count <= 50; count++) {
        hear_probe(true);
        receive_body("{\"id\":\"e1\"}", count, NOW_MS, NULL);
        outage(503, 0);
        deferred(9, 10);
    }
    hear_gate(0);
    receive_body("{\"id\":\"e1\"}", 51, NOW_MS, NULL);
    verdict(DELIVERED, "");
    deleted();
}

/* Each hour's sweep is a receive. */
static void without_a_ledger_a_pause_kills_nothing_either(void **state)
{
    (void)state;
    t.source->ledger = NULL;
    hear(json_pack("{s:s,s:s}", "t", "pause", "source", "s"));
    for (int count = 1; count <= 50; count++) {
        receive_body("{\"id\":\"e1\"}", count, NOW_MS, NULL);
        deferred(0, 0);
    }
    hear(json_pack("{s:s,s:s}", "t", "resume", "source", "s"));
    receive_body("{\"id\":\"e1\"}", 51, NOW_MS, NULL);
    verdict(DELIVERED, "");
    deleted();
}

static void polled(bool worked, bool probe, int64_t pause_ms)
{
    const struct poller_result result = {.worked = worked,
                                         .is_throttled = !worked,
                                         .is_probe = probe,
                                         .pause_ms = pause_ms,
                                         .began_mono_ms = clock_mono_ms(),
                                         .why = worked ? "" : "throttled"};
    held_polled(t.held, queues_at(t.queues, 0), &result);
}

static void three_throttled_polls_in_a_row_shut_the_queue_for_all(void **state)
{
    (void)state;
    for (int i = 0; i < 4; i++) {
        polled(false, false, 500);
        told_about(PACE, 500);
        polled(false, false, 0); /* one of the same burst */
        polled(false, false, 500);
        told_about(PACE, 500);
        if (i < 3)
            polled(true, false, 0);
        assert_int_equal(mode(), POLLER_FREELY);
    }
    polled(false, false, 2000);
    told_about(POLLING, 10000);
    assert_int_equal(mode(), POLLER_NOT);
    polled(false, false, 4000); /* was under way; it is known */
    polled(true, false, 0);     /* that too: only the probe counts */
    assert_null(t.told);
    attempt(1, record(LEDGER_OPEN, 1)); /* what is here goes on */
    verdict(DELIVERED, "");
    written(LEDGER_WRITTEN);
    deleted();
    hear_probe_of(POLLING, true);
    assert_int_equal(mode(), POLLER_PROBE);
    polled(false, true, 5000);
    told_about(POLLING, 10000);
    assert_int_equal(mode(), POLLER_NOT);
    hear_probe_of(POLLING, true);
    polled(true, true, 0);
    told_about(POLLING, 0);
    assert_int_equal(mode(), POLLER_FREELY);
}

/* The probe of one gate is not kept waiting by the other, which another worker may have. */
static void a_throttled_queue_of_a_destination_that_is_out_is_probed(void **state)
{
    (void)state;
    hear_gate(10000);
    hear(json_pack("{s:s,s:s,s:i}", "t", "gate", "key", POLLING, "until_ms", 10000));
    assert_int_equal(mode(), POLLER_NOT);
    hear_probe(true);
    assert_int_equal(mode(), POLLER_NOT);
    hear_probe(false);
    hear_probe_of(POLLING, true);
    assert_int_equal(mode(), POLLER_PROBE);
    hear(json_pack("{s:s,s:s}", "t", "pause", "source", "s"));
    assert_int_equal(mode(), POLLER_NOT);
    hear(json_pack("{s:s,s:s}", "t", "resume", "source", "s"));
    polled(true, true, 0);
    told_about(POLLING, 0);
    assert_int_equal(mode(), POLLER_NOT);
    hear_probe(true);
    assert_int_equal(mode(), POLLER_ONE);
}

/* Nothing was sent, so nothing speaks against the first event either. */
static void one_event_without_a_token_shows_it_for_all(void **state)
{
    (void)state;
    const struct delivery_outcome outcome = {
        .verdict = RETRY, .class = "token", .error = "no token", .of_destination = true};
    attempt(1, record(LEDGER_OPEN, 1));
    d.under_way = false;
    d.done(d.arg, &outcome);
    told(10000);
    assert_written(LEDGER_OPEN, 0, true);
    written(LEDGER_WRITTEN);
    deferred(10, 10);
}

static void what_is_no_event_is_inspected_unclaimed(void **state)
{
    (void)state;
    receive_body("{\"id\":", 1, NOW_MS, NULL);
    assert_false(l.asked);
    fake_answer(fake_wait(FAKE_SEND), 0, AWS_OK, "");
    deleted();
    assert_int_equal(t.n.malformed, 1);
}

/* ---- near the native redrive ---- */

static void redrive_at(int max_receives)
{
    queues_at(t.queues, 0)->attributes.max_receives = max_receives;
}

/* A copy leaves under that number, and then the message. */
static void moved(const char *number, int delay_s)
{
    struct fake_call *f = fake_wait(FAKE_SEND);
    assert_string_equal(f->retry_count, number);
    assert_int_equal(f->delay_s, delay_s);
    assert_string_equal(f->queue_url, "q0");
    fake_answer(f, 0, AWS_OK, "");
}

static void moved_under_its_claim(int attempts, int delay_s)
{
    assert_written(LEDGER_MOVING, attempts, false);
    written(LEDGER_WRITTEN);
    moved("1", delay_s);
    assert_written(LEDGER_OPEN, attempts, true);
    written(LEDGER_WRITTEN);
    deleted();
}

static void near_the_redrive_a_retry_is_a_copy(void **state)
{
    (void)state;
    redrive_at(5);
    receive_body("{\"id\":\"e1\"}", 3, NOW_MS, NULL);
    grant(record(LEDGER_OPEN, 1));
    verdict(RETRY, "no");
    assert_written(LEDGER_OPEN, 1, true);
    written(LEDGER_WRITTEN);
    deferred(1, 1);
    receive_body("{\"id\":\"e1\"}", 4, NOW_MS, NULL);
    grant(record(LEDGER_OPEN, 2));
    verdict(RETRY, "no");
    moved_under_its_claim(2, 1);
}

static void near_the_redrive_a_drain_sends_copies(void **state)
{
    (void)state;
    redrive_at(5);
    receive_body("{\"id\":\"e1\"}", 4, NOW_MS, NULL);
    grant(record(LEDGER_OPEN, 2));
    process_release(t.process, false);
    process_release(t.process, true); /* the deadline: the attempt counts */
    assert_int_equal(d.cancelled, 1);
    moved_under_its_claim(2, 0);
    receive_body("{\"id\":\"e1\"}", 5, NOW_MS, NULL); /* what a last poll brought */
    grant(record(LEDGER_OPEN, 3));
    assert_int_equal(d.started, 1);
    moved_under_its_claim(2, 0);
    receive_body("{\"id\":\"e1\"}", 4, NOW_MS, NULL);
    grant(record(LEDGER_DELIVERED, 3));
    assert_written(LEDGER_DELIVERED, 3, true);
    written(LEDGER_WRITTEN);
    deleted();
}

static void near_the_redrive_what_is_unclaimed_is_passed_on(void **state)
{
    (void)state;
    redrive_at(5);
    receive_body("{\"id\":\"e1\"}", 4, NOW_MS, "7");
    answer(LEDGER_BUSY, 3000);
    moved("7", 3);
    deleted();
    receive_body("{\"id\":\"e1\"}", 4, NOW_MS, NULL);
    answer(LEDGER_NOT_YET, 9000);
    moved("0", 9);
    deleted();
    receive_body("{\"id\":\"e1\"}", 4, NOW_MS, NULL);
    answer(LEDGER_UNREACHABLE, 0);
    fake_answer(fake_wait(FAKE_SEND), 0, AWS_OK, "");
    deleted();
}

static void near_the_redrive_of_a_fifo_queue_it_dies_with_its_reason(void **state)
{
    (void)state;
    redrive_at(5);
    queues_at(t.queues, 0)->attributes.is_fifo = true;
    receive_body("{\"id\":\"e1\"}", 4, NOW_MS, NULL);
    grant(record(LEDGER_OPEN, 2));
    verdict(RETRY, "no");
    assert_written(LEDGER_DYING, 2, false);
    assert_string_equal(l.written->error_class, "exhausted");
    assert_string_equal(l.written->error,
                        "no; received 4 times, and the queue's maxReceiveCount of 5 leaves no "
                        "further attempt");
    written(LEDGER_WRITTEN);
    fake_answer(fake_wait(FAKE_SEND), 0, AWS_OK, "");
    assert_written(LEDGER_DEAD, 2, true);
    written(LEDGER_WRITTEN);
    deleted();
}

static void near_the_redrive_without_a_ledger_it_dies_with_its_history(void **state)
{
    (void)state;
    redrive_at(5);
    t.source->ledger = NULL;
    process_release(t.process, false); /* even in a drain it is tried, not given back */
    receive_body("{\"id\":\"e1\"}", 4, NOW_MS, NULL);
    assert_int_equal(d.attempt, 4);
    verdict(RETRY, "no");
    struct fake_call *f = fake_wait(FAKE_SEND);
    assert_non_null(strstr(f->first_value, "maxReceiveCount of 5"));
    assert_non_null(strstr(f->first_value, "\"attempt\":4,\"error\":\"no\""));
    fake_answer(f, 0, AWS_OK, "");
    deleted();
}

static void near_the_redrive_an_outage_kills_nothing_without_a_ledger_either(void **state)
{
    (void)state;
    redrive_at(5);
    t.source->ledger = NULL;
    hear_gate(10000);
    receive_body("{\"id\":\"e1\"}", 4, NOW_MS, "2"); /* it is not even tried */
    moved("2", 10);
    deleted();
    hear_probe(true);
    receive_body("{\"id\":\"e1\"}", 4, NOW_MS, NULL);
    outage(503, 0);
    moved("0", 10);
    deleted();
    hear_gate(0);
    queues_at(t.queues, 0)->attributes.is_fifo = true;
    hear(json_pack("{s:s,s:s}", "t", "pause", "source", "s"));
    receive_body("{\"id\":\"e1\"}", 4, NOW_MS, NULL); /* a copy would be behind its successors */
    assert_non_null(strstr(fake_wait(FAKE_SEND)->first_value, "maxReceiveCount of 5"));
    fake_answer(fake_wait(FAKE_SEND), 0, AWS_OK, "");
    deleted();
}

/* ---- what outlives us ---- */

static void a_message_is_in_the_table_while_it_is_held(void **state)
{
    (void)state;
    struct inflight_entry entry;
    struct inflight_current current;
    int fd = inflight_table_create(2);
    struct inflight_table *table = inflight_table_map(fd);
    inflight_use_table(t.inflight, table);
    receive();
    assert_true(inflight_table_read(table, 0, &entry));
    assert_string_equal(entry.queue_url, "q0");
    assert_string_equal(entry.handle, "h1");
    assert_true(entry.is_claimed); /* before the ledger has answered */
    assert_string_equal(entry.ledger_id, "trial|s|e1");
    assert_string_equal(entry.owner, "a-token");
    assert_false(inflight_table_read_current(table, &current));
    grant(record(LEDGER_OPEN, 1));
    assert_false(inflight_table_read_current(table, &current));
    d.handling(d.arg, true);
    assert_true(inflight_table_read_current(table, &current));
    assert_string_equal(current.message_id, "m1");
    d.handling(d.arg, false);
    assert_false(inflight_table_read_current(table, &current));
    verdict(DELIVERED, "");
    written(LEDGER_WRITTEN);
    assert_true(inflight_table_read(table, 0, &entry));
    assert_false(inflight_table_read_current(table, &current));
    deleted();
    assert_true(inflight_table_is_clear(table));
    inflight_use_table(t.inflight, NULL);
    inflight_table_unmap(table);
    close(fd);
}

static void a_batch_is_in_the_table_before_any_of_it_is_read(void **state)
{
    (void)state;
    struct inflight_entry entry;
    int fd = inflight_table_create(4);
    struct inflight_table *table = inflight_table_map(fd);
    inflight_use_table(t.inflight, table);
    const struct sqs_message list[] = {
        {.id = "m1", .receipt_handle = "h1", .body = "{", .body_len = 1, .receive_count = 1},
        {.id = "m2", .receipt_handle = "h2", .body = "{", .body_len = 1, .receive_count = 1}};
    pid_t pid = fork();
    if (pid == 0) {
        setenv("SLUICE_FAULT", "consumer.parsing", 1);
        process_messages(t.process, queues_at(t.queues, 0), list, 2, 30, clock_mono_ms());
        _exit(0);
    }
    int status;
    struct inflight_current current;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_true(inflight_table_read(table, 0, &entry));
    assert_true(inflight_table_read(table, 1, &entry));
    assert_string_equal(entry.handle, "h2");
    assert_true(inflight_table_read_current(table, &current));
    assert_string_equal(current.queue_url, "q0");
    assert_string_equal(current.message_id, "m1");
    inflight_use_table(t.inflight, NULL);
    inflight_table_unmap(table);
    close(fd);
}

/* What cannot be read would go to the inspection queue; what has killed is not read. */
static void poison_becomes_a_dead_letter_unread(void **state)
{
    (void)state;
    t.kills = 3;
    receive_body("{\"id\":", 4, NOW_MS, NULL);
    grant(record(LEDGER_OPEN, 1));
    assert_int_equal(d.started, 0);
    assert_written(LEDGER_DYING, 0, false);
    assert_string_equal(l.written->error_class, "poison");
    written(LEDGER_WRITTEN);
    struct fake_call *copy = fake_wait(FAKE_SEND);
    assert_string_equal(copy->body, "{\"id\":");
    assert_non_null(strstr(copy->first_value, "\"error_class\":\"poison\""));
    fake_answer(copy, 0, AWS_OK, "");
    assert_written(LEDGER_DEAD, 0, true);
    written(LEDGER_WRITTEN);
    deleted();
    assert_int_equal(t.n.dead, 1);
}

static void two_deaths_are_no_poison(void **state)
{
    (void)state;
    t.kills = 2;
    receive_body("{\"id\":\"e1\"}", 3, NOW_MS, NULL);
    grant(record(LEDGER_OPEN, 3));
    assert_int_equal(d.started, 1);
    verdict(DELIVERED, "");
    written(LEDGER_WRITTEN);
    deleted();
}

/* Another one would leave it to the queue's redrive, without a reason. */
static void one_death_before_the_last_receive_is(void **state)
{
    (void)state;
    redrive_at(3);
    t.kills = 1;
    receive_body("{\"id\":", 3, NOW_MS, NULL);
    grant(record(LEDGER_OPEN, 1));
    assert_written(LEDGER_DYING, 0, false);
    assert_string_equal(l.written->error_class, "poison");
    written(LEDGER_WRITTEN);
    fake_answer(fake_wait(FAKE_SEND), 0, AWS_OK, "");
    written(LEDGER_WRITTEN);
    deleted();
}

static void without_a_ledger_nobody_asks_for_deaths(void **state)
{
    (void)state;
    t.source->ledger = NULL;
    receive_body("{\"id\":\"e1\"}", 3, NOW_MS, NULL);
    assert_int_equal(fake_open_count(FAKE_AWS), 0);
    assert_int_equal(d.started, 1);
    verdict(DELIVERED, "");
    deleted();
}

/* Near its queue's redrive it cannot be given back, and so is looked at even in a drain. */
static void poison_is_known_in_a_drain_too(void **state)
{
    (void)state;
    redrive_at(5);
    process_release(t.process, false);
    t.kills = 3;
    receive_body("{\"id\":", 4, NOW_MS, NULL);
    grant(record(LEDGER_OPEN, 1));
    assert_written(LEDGER_DYING, 0, false);
    assert_string_equal(l.written->error_class, "poison");
    written(LEDGER_WRITTEN);
    fake_answer(fake_wait(FAKE_SEND), 0, AWS_OK, "");
    written(LEDGER_WRITTEN);
    deleted();
}

static void a_drain_releases_what_waits_for_that_answer(void **state)
{
    (void)state;
    const struct sqs_message m = {
        .id = "m1", .receipt_handle = "h1", .body = "{", .body_len = 1, .receive_count = 2};
    process_messages(t.process, queues_at(t.queues, 0), &m, 1, 30, clock_mono_ms());
    struct fake_call *asked = fake_wait(FAKE_AWS);
    process_release(t.process, false);
    fake_reply(asked, AWS_TRANSIENT, 500, "InternalServerError", NULL, NULL);
    deferred(0, 0);
}

static void no_event_waits_longer_than_its_queue_keeps_it(void **state)
{
    (void)state;
    struct queue *q = queues_at(t.queues, 0);
    int64_t configured_ms = t.source->age_limit_ms;
    sources_limit_age(t.sources, q); /* it keeps them for ever */
    assert_int_equal(t.source->age_limit_ms, configured_ms);
    q->attributes.retention_s = INT64_C(100) * 366 * 86400;
    sources_limit_age(t.sources, q);
    assert_int_equal(t.source->age_limit_ms, configured_ms);
    t.source->age_limit_ms = INT64_C(1209600000);
    q->attributes.retention_s = 345600;
    sources_limit_age(t.sources, q);
    assert_int_equal(t.source->age_limit_ms, (345600 - 86400) * INT64_C(1000));
    q->attributes.retention_s = 60;
    sources_limit_age(t.sources, q);
    assert_int_equal(t.source->age_limit_ms, 30000);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(a_batch_is_in_the_table_before_any_of_it_is_read), /* first: faults are read once */
        TEST(a_message_is_in_the_table_while_it_is_held),
        TEST(poison_becomes_a_dead_letter_unread),
        TEST(two_deaths_are_no_poison),
        TEST(one_death_before_the_last_receive_is),
        TEST(poison_is_known_in_a_drain_too),
        TEST(without_a_ledger_nobody_asks_for_deaths),
        TEST(a_drain_releases_what_waits_for_that_answer),
        TEST(the_outcome_is_written_before_the_delete),
        TEST(an_outcome_is_offered_until_it_is_answered),
        TEST(an_outcome_that_comes_too_late_leaves_the_message_alone),
        TEST(a_retry_is_written_before_it_is_hidden),
        TEST(a_dead_letter_goes_dying_copied_dead_deleted),
        TEST(a_round_ends_before_its_copy_is_sent),
        TEST(who_finds_dying_never_delivers),
        TEST(attempts_that_are_over_end_it),
        TEST(what_breaks_a_rule_dies_without_an_attempt),
        TEST(delivered_is_deleted),
        TEST(a_copy_of_the_finished_round_is_deleted),
        TEST(what_is_sent_after_its_death_begins_a_new_round),
        TEST(in_a_new_round_copies_of_the_old_one_are_deleted),
        TEST(who_is_busy_is_waited_for),
        TEST(three_failures_of_the_destination_in_a_row_give_the_last_back),
        TEST(what_is_the_events_own_ends_a_row),
        TEST(who_asks_to_be_left_alone_is_at_once),
        TEST(what_is_held_back_goes_back_uncounted),
        TEST(the_probe_is_one_event_and_its_verdict_is_told),
        TEST(a_probe_that_never_came_to_the_destination_is_used_again),
        TEST(a_probe_that_is_cut_off_is_used_again),
        TEST(what_waits_for_a_place_goes_back_when_the_gate_shuts),
        TEST(three_throttled_polls_in_a_row_shut_the_queue_for_all),
        TEST(a_throttled_queue_of_a_destination_that_is_out_is_probed),
        TEST(one_event_without_a_token_shows_it_for_all),
        TEST(a_long_outage_wears_nothing_out),
        TEST(an_outage_leaves_one_entry_in_the_history),
        TEST(a_paused_source_keeps_its_events),
        TEST(without_a_ledger_an_outage_kills_nothing_either),
        TEST(without_the_ledger_events_wait_or_go_on),
        TEST(a_lost_claim_ends_the_delivery),
        TEST(an_outcome_waits_for_the_extension_under_way),
        TEST(a_lost_lease_alone_ends_nothing),
        TEST(a_requeue_is_moving_sent_open_deleted),
        TEST(an_older_message_under_moving_repeats_the_send),
        TEST(under_moving_on_a_fifo_queue_the_message_goes_on_itself),
        TEST(the_copy_under_moving_has_arrived),
        TEST(an_older_message_is_deleted_and_its_attempt_given_back),
        TEST(a_newer_number_is_adopted_unless_it_is_absurd),
        TEST(a_drain_gives_attempts_back),
        TEST(a_drain_meets_the_ledgers_answer),
        TEST(at_the_deadline_a_delivery_counts_and_a_copy_is_given_up),
        TEST(without_a_ledger_receives_count),
        TEST(without_a_ledger_a_pause_kills_nothing_either),
        TEST(what_is_no_event_is_inspected_unclaimed),
        TEST(near_the_redrive_a_retry_is_a_copy),
        TEST(near_the_redrive_a_drain_sends_copies),
        TEST(near_the_redrive_what_is_unclaimed_is_passed_on),
        TEST(near_the_redrive_of_a_fifo_queue_it_dies_with_its_reason),
        TEST(near_the_redrive_without_a_ledger_it_dies_with_its_history),
        TEST(near_the_redrive_an_outage_kills_nothing_without_a_ledger_either),
        TEST(no_event_waits_longer_than_its_queue_keeps_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

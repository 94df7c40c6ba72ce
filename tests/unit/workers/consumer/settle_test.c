#include "workers/consumer/settle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/delivery/ledger_record.h"
#include "tests/unit/workers/consumer/fake_sqs.h"
#include "workers/consumer/copy.h"
#include "workers/consumer/objects.h"
#include "workers/consumer/source.h"

/* settle.c, copy.c, objects.c, lease.c and batch.c together, against scripted answers. */

#define DIED_MS INT64_C(1795253400124) /* 2026-11-21T09:30:00.124Z */

static struct {
    struct queues *queues;
    struct inflight *inflight;
    struct lease *lease;
    struct settle *settle;
    struct counters n;
    struct source source;
    struct source with_s3;
    int gone;
    int copied;
    int lost;
    struct aws_endpoint bucket_at;
    struct objects *objects;
} t;

static void on_decided(void *arg, struct work *w, bool is_done)
{
    (void)arg, (void)w, (void)is_done;
}

static void on_gone(void *arg, struct work *w)
{
    (void)arg, (void)w;
    t.gone++;
}

/* What process.c does without a ledger. */
static void on_copied(void *arg, struct work *w)
{
    (void)arg;
    t.copied++;
    settle_delete(t.settle, w);
}

static void on_lost(void *arg, struct work *w)
{
    (void)arg;
    t.lost++;
    settle_lease_lost(t.settle, w);
}

static void on_stopped(void *arg, struct work *w)
{
    (void)arg;
    settle_lease_stopped(t.settle, w);
}

static void on_bucket(void *arg)
{
    (void)arg;
}

static int set_up(void **state)
{
    (void)state;
    static const struct lease_callbacks callbacks = {on_lost, on_stopped};
    static const struct settle_callbacks settle_callbacks = {on_decided, on_gone, on_copied};
    memset(&t, 0, sizeof(t));
    t.bucket_at.identity = "embedded";
    fake_forget();
    fake_base = event_base_new();
    t.queues = fake_queues(1);
    t.inflight = inflight_new();
    t.lease = lease_new(fake_base, t.queues, t.inflight, &t.n, &callbacks, NULL);
    t.objects = objects_new(fake_base, NULL, &t.bucket_at, "letters", "dlq/", on_bucket,
                            fake_trouble, NULL);
    fake_reply(fake_wait(FAKE_AWS), AWS_OK, 200, "", NULL, NULL);
    assert_true(objects_open(t.objects));
    fake_forget();
    t.settle = settle_new(fake_base, t.queues, t.inflight, t.lease, &t.n, t.objects,
                          &settle_callbacks, NULL);
    t.source = (struct source){.name = "genesys",
                               .queue = queues_at(t.queues, 0),
                               .inspection = queues_at(t.queues, 1),
                               .dead_letters = queues_at(t.queues, 1),
                               .destination_name = "trial"};
    t.with_s3 = t.source;
    t.with_s3.s3 = true;
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    settle_free(t.settle);
    lease_free(t.lease);
    inflight_free(t.inflight);
    objects_free(t.objects);
    queues_free(t.queues);
    fake_forget();
    event_base_free(fake_base);
    return 0;
}

static struct work *hold(const char *handle)
{
    const struct sqs_attribute attribute = {"user", "String", "kept"};
    const struct sqs_message m = {.id = handle,
                                  .receipt_handle = handle,
                                  .body = "the body",
                                  .body_len = 8,
                                  .attributes = &attribute,
                                  .attribute_count = 1,
                                  .receive_count = 6,
                                  .sent_at_ms = clock_wall_ms()};
    struct work *w = inflight_add(t.inflight, queues_at(t.queues, 0), &m);
    w->source = &t.source;
    w->hook = xcalloc(1, sizeof(*w->hook));
    w->hook->source = xstrdup("genesys");
    w->hook->event_id = xstrdup("e1");
    w->hook->content_type = xstrdup("");
    w->hook->schema_version = xstrdup("");
    w->record = ledger_record_new();
    lease_begin(t.lease, w, 30, clock_mono_ms());
    return w;
}

static void die(struct work *w, const char *class, const char *error, int attempts)
{
    w->record->state = LEDGER_DYING;
    w->record->attempts = attempts;
    ledger_record_failure(w->record, DIED_MS, error, 75, 12);
    w->record->failed_at_ms = DIED_MS + 12;
    ledger_record_set(&w->record->error, error);
    ledger_record_set(&w->record->error_class, class);
    settle_dead(t.settle, w);
}

static void deletes_go_in_batches_of_ten(void **state)
{
    (void)state;
    char handle[16];
    for (int i = 0; i < 25; i++) {
        snprintf(handle, sizeof(handle), "h%d", i);
        settle_delete(t.settle, hold(handle));
    }
    fake_wait(FAKE_DELETE);
    assert_int_equal(fake_open_count(FAKE_DELETE), 3);
    assert_int_equal(fake_calls[0].count, 10);
    assert_int_equal(fake_calls[2].count, 5);
    for (int i = 0; i < 3; i++)
        fake_answer(&fake_calls[i], 0, AWS_OK, "");
    assert_int_equal(t.gone, 25);
    assert_int_equal(t.n.deleted, 25);
    assert_int_equal(inflight_count(t.inflight), 0);
}

static void a_failed_delete_is_tried_again_alone_by_its_class(void **state)
{
    (void)state;
    settle_delete(t.settle, hold("a"));
    settle_delete(t.settle, hold("b"));
    settle_delete(t.settle, hold("c"));
    fake_answer(fake_wait(FAKE_DELETE), 5, AWS_THROTTLED, "RequestThrottled");
    assert_int_equal(t.gone, 1);
    struct fake_call *again = fake_wait(FAKE_DELETE);
    fake_run(10);
    assert_int_equal(fake_open_count(FAKE_DELETE), 2);
    assert_int_equal(again->count, 1);
    fake_answer(fake_open(FAKE_DELETE), 0, AWS_OK, "");
    fake_answer(fake_open(FAKE_DELETE), 1, AWS_CONFLICT, "ReceiptHandleIsInvalid");
    assert_int_equal(t.gone, 3);
    assert_int_equal(t.n.deleted, 2);
    assert_int_equal(t.n.delete_failed, 1);
    fake_run(300);
    assert_int_equal(fake_open_count(FAKE_DELETE), 0);
}

static void a_failed_call_is_gathered_anew_and_given_up_in_the_end(void **state)
{
    (void)state;
    settle_delete(t.settle, hold("a"));
    settle_delete(t.settle, hold("b"));
    for (int i = 0; i < 5; i++) {
        struct fake_call *f = fake_wait(FAKE_DELETE);
        assert_int_equal(f->count, 2);
        assert_int_equal(t.gone, 0);
        fake_fail(f, AWS_TRANSIENT, "HTTP 503");
    }
    assert_int_equal(t.gone, 2);
    assert_int_equal(t.n.delete_failed, 2);
}

static void a_dead_letter_is_confirmed_before_the_delete(void **state)
{
    (void)state;
    die(hold("a"), "exhausted", "it said no", 6);
    struct fake_call *f = fake_wait(FAKE_SEND);
    assert_string_equal(f->queue_url, "dlq");
    assert_string_equal(f->body, "the body");
    assert_int_equal(f->attribute_count, 2);
    assert_non_null(strstr(f->first_value, "\"error_class\":\"exhausted\""));
    assert_non_null(strstr(f->first_value, "\"retry_count\":5"));
    fake_run(30);
    assert_null(fake_open(FAKE_DELETE));
    fake_fail(f, AWS_TRANSIENT, "HTTP 500");
    fake_run(30);
    assert_null(fake_open(FAKE_DELETE));
    assert_int_equal(t.n.dead, 0);
    f = fake_wait(FAKE_SEND); /* again, after a pause */
    fake_answer(f, 1, AWS_TRANSIENT, "InternalError");
    fake_run(30);
    assert_null(fake_open(FAKE_DELETE));
    f = fake_wait(FAKE_SEND);
    fake_answer(f, 0, AWS_OK, "");
    assert_int_equal(t.n.dead, 1);
    fake_answer(fake_wait(FAKE_DELETE), 0, AWS_OK, "");
    assert_int_equal(t.gone, 1);
    assert_int_equal(fake_open_count(FAKE_SEND), 0);
}

static void a_malformed_message_is_copied_raw(void **state)
{
    (void)state;
    struct work *w = hold("a");
    webhook_free(w->hook);
    w->hook = NULL;
    settle_inspect(t.settle, w, "not JSON");
    struct fake_call *f = fake_wait(FAKE_SEND);
    assert_string_equal(f->body, "the body");
    fake_answer(f, 0, AWS_OK, "");
    assert_int_equal(t.n.malformed, 1);
    fake_answer(fake_wait(FAKE_DELETE), 0, AWS_OK, "");
    assert_int_equal(t.gone, 1);
}

/* The lease's clock is moved by the test: it stands in the work itself. */
static struct fake_call *extension_due(struct work *w)
{
    w->extend_at_mono_ms = clock_mono_ms();
    return fake_wait(FAKE_VISIBILITY);
}

static void the_heartbeat_extends_at_half_time_and_goes_on(void **state)
{
    (void)state;
    int64_t before = clock_mono_ms();
    struct work *w = hold("a");
    int64_t now = clock_mono_ms();
    assert_in_range(w->until_mono_ms, before + 28000, now + 28000);
    assert_in_range(w->extend_at_mono_ms, before + 15000, now + 15000);
    for (int i = 1; i <= 3; i++) {
        before = clock_mono_ms();
        struct fake_call *f = extension_due(w);
        assert_int_equal(f->visibility_s[0], 30);
        int64_t asked = clock_mono_ms();
        fake_run(20);
        fake_answer(f, 0, AWS_OK, "");
        assert_int_equal(t.n.extended, i);
        /* From when it was sent, not from when it was answered. */
        assert_in_range(w->until_mono_ms, before + 28000, asked + 28000);
        assert_in_range(w->extend_at_mono_ms, before + 15000, asked + 15000);
    }
}

static void a_failed_extension_is_repeated_until_the_lease_is_over(void **state)
{
    (void)state;
    struct work *w = hold("a");
    int64_t until = w->until_mono_ms;
    struct fake_call *f = extension_due(w);
    int64_t before = clock_mono_ms();
    fake_fail(f, AWS_TRANSIENT, "HTTP 500");
    assert_int_equal(t.lost, 0);
    assert_int_equal(w->until_mono_ms, until);
    assert_in_range(w->extend_at_mono_ms, before + 1000, clock_mono_ms() + 1000);
    w->until_mono_ms = clock_mono_ms();
    fake_run(300);
    assert_int_equal(t.lost, 1);
    fake_run(300);
    assert_int_equal(t.lost, 1);
}

static void a_handle_that_is_no_longer_good_is_a_lost_lease(void **state)
{
    (void)state;
    struct work *w = hold("a");
    fake_answer(extension_due(w), 1, AWS_CONFLICT, "MessageNotInflight");
    assert_int_equal(t.lost, 1);
}

static void a_refused_extension_is_told_with_its_fix(void **state)
{
    (void)state;
    struct work *w = hold("a");
    const char *trouble = w->queue->troubles[QUEUE_VISIBILITY].text;
    fake_answer(extension_due(w), 1, AWS_DENIED, "AccessDenied");
    assert_non_null(strstr(trouble,
                           "sqs:ChangeMessageVisibility is denied; allow it to the account "
                           "of this service, etc/iam/consumer.json is the policy"));
    assert_int_equal(t.lost, 0);
    fake_answer(extension_due(w), 0, AWS_OK, "");
    assert_string_equal(trouble, "");
}

static void no_extension_goes_beyond_twelve_hours(void **state)
{
    (void)state;
    struct work *w = hold("a");
    w->received_mono_ms = clock_mono_ms() - (43200 - 25) * 1000;
    w->until_mono_ms = clock_mono_ms() + 5000;
    struct fake_call *f = extension_due(w);
    assert_in_range(f->visibility_s[0], 1, 20);
    fake_answer(f, 0, AWS_OK, "");
    w->extend_at_mono_ms = clock_mono_ms();
    fake_run(300);
    assert_null(fake_open(FAKE_VISIBILITY));
    w->until_mono_ms = clock_mono_ms();
    fake_run(300);
    assert_int_equal(t.lost, 1);
}

static void a_backoff_waits_for_the_extension_under_way(void **state)
{
    (void)state;
    struct work *w = hold("a");
    struct fake_call *extension = extension_due(w);
    settle_defer(t.settle, w, 7);
    fake_run(50);
    assert_int_equal(fake_open_count(FAKE_VISIBILITY), 1);
    fake_answer(extension, 0, AWS_OK, "");
    struct fake_call *backoff = fake_wait(FAKE_VISIBILITY);
    assert_int_equal(backoff->visibility_s[0], 7);
    w->extend_at_mono_ms = clock_mono_ms();
    fake_run(300);
    assert_int_equal(fake_open_count(FAKE_VISIBILITY), 1);
    fake_answer(backoff, 0, AWS_OK, "");
    assert_int_equal(t.gone, 1);
}

static void a_release_makes_visible_at_once(void **state)
{
    (void)state;
    settle_release(t.settle, hold("a"));
    struct fake_call *f = fake_wait(FAKE_VISIBILITY);
    assert_int_equal(f->visibility_s[0], 0);
    fake_answer(f, 0, AWS_OK, "");
    assert_int_equal(t.gone, 1);
    assert_int_equal(t.n.released, 1);
}

static void a_release_waits_for_a_poll_that_would_take_it_again(void **state)
{
    (void)state;
    struct work *w = hold("a");
    w->queue->polled_until_mono_ms = clock_mono_ms() + 6500;
    settle_release(t.settle, w);
    struct fake_call *f = fake_wait(FAKE_VISIBILITY);
    assert_int_equal(f->visibility_s[0], 7);
    fake_answer(f, 0, AWS_OK, "");
    assert_int_equal(t.n.released, 1);
}

static void a_lost_lease_gives_up_a_waiting_copy_but_not_one_under_way(void **state)
{
    (void)state;
    struct work *waiting = hold("a");
    die(waiting, "rejected", "never", 1);
    fake_fail(fake_wait(FAKE_SEND), AWS_TRANSIENT, "HTTP 500");
    waiting->until_mono_ms = clock_mono_ms();
    fake_run(300);
    assert_int_equal(t.gone, 1);
    struct work *sending = hold("b");
    die(sending, "rejected", "never", 1);
    struct fake_call *f = fake_wait(FAKE_SEND);
    sending->until_mono_ms = clock_mono_ms();
    fake_run(300);
    assert_int_equal(t.lost, 2);
    assert_int_equal(t.gone, 1);
    fake_answer(f, 0, AWS_OK, "");
    fake_answer(fake_wait(FAKE_DELETE), 0, AWS_OK, "");
    assert_int_equal(t.gone, 2);
}

static void giving_up_at_the_deadline_releases(void **state)
{
    (void)state;
    struct work *w = hold("a");
    die(w, "rejected", "never", 1);
    struct fake_call *send = fake_wait(FAKE_SEND);
    assert_true(settle_give_up(t.settle, w));
    assert_true(send->cancelled);
    settle_release(t.settle, w);
    struct fake_call *f = fake_wait(FAKE_VISIBILITY);
    assert_int_equal(f->visibility_s[0], 0);
    fake_answer(f, 0, AWS_OK, "");
    assert_int_equal(t.gone, 1);
    assert_int_equal(t.n.dead, 0);
}

static void a_missing_dead_letter_queue_is_made_again(void **state)
{
    (void)state;
    die(hold("a"), "rejected", "never", 1);
    fake_fail(fake_wait(FAKE_SEND), AWS_MISSING, "QueueDoesNotExist");
    assert_null(queues_at(t.queues, 1)->url);
    fake_answer(fake_wait(FAKE_SEND), 0, AWS_OK, "");
    fake_answer(fake_wait(FAKE_DELETE), 0, AWS_OK, "");
    assert_int_equal(t.gone, 1);
}

/* ---- dead letters in S3 ---- */

#define KEY "/letters/dlq/year%3D2026/month%3D11/day%3D21/hour%3D09/T1.json"

static struct work *hold_for_s3(const char *handle)
{
    struct work *w = hold(handle);
    w->source = &t.with_s3;
    strcpy(w->hook->trace_id, "T1");
    w->hook->body = xstrdup("{}");
    w->hook->body_len = 2;
    ledger_record_set(&w->record->trace_id, "T1");
    return w;
}

static void s3_comes_first_then_the_queue_then_the_delete(void **state)
{
    (void)state;
    die(hold_for_s3("a"), "rejected", "never", 1);
    struct fake_call *put = fake_wait(FAKE_AWS);
    assert_string_equal(put->method, "PUT");
    assert_string_equal(put->path, KEY);
    assert_string_equal(put->condition, "*");
    fake_run(30);
    assert_null(fake_open(FAKE_SEND));
    fake_reply(put, AWS_TRANSIENT, 503, "SlowDown", NULL, NULL);
    fake_run(30);
    assert_null(fake_open(FAKE_SEND));
    fake_reply(fake_wait(FAKE_AWS), AWS_OK, 200, "", NULL, "\"e\"");
    struct fake_call *send = fake_wait(FAKE_SEND);
    assert_null(fake_open(FAKE_DELETE));
    assert_int_equal(t.n.dead, 0);
    fake_answer(send, 0, AWS_OK, "");
    assert_int_equal(t.n.dead, 1);
    fake_answer(fake_wait(FAKE_DELETE), 0, AWS_OK, "");
    assert_int_equal(t.gone, 1);
}

/* The dead letter is made and sent in turns of its own. */
static void a_death_at_a_copy_is_put_down_to_its_message(void **state)
{
    (void)state;
    struct inflight_current current;
    int fd = inflight_table_create(4);
    struct inflight_table *table = inflight_table_map(fd);
    fake_table = table;
    inflight_use_table(t.inflight, table);
    die(hold_for_s3("a"), "rejected", "never", 1);
    struct fake_call *put = fake_wait(FAKE_AWS);
    assert_string_equal(put->blamed.message_id, "a");
    assert_string_equal(put->blamed.queue_url, "q0");
    assert_false(inflight_table_read_current(table, &current));
    fake_reply(put, AWS_OK, 200, "", NULL, "\"e\"");
    assert_false(inflight_table_read_current(table, &current));
    struct fake_call *send = fake_wait(FAKE_SEND);
    assert_string_equal(send->blamed.message_id, "a");
    assert_false(inflight_table_read_current(table, &current));
    fake_answer(send, 0, AWS_OK, "");
    struct fake_call *delete = fake_wait(FAKE_DELETE);
    assert_string_equal(delete->blamed.message_id, "");
    fake_answer(delete, 0, AWS_OK, "");
    assert_true(inflight_table_is_clear(table));
    fake_table = NULL;
    inflight_use_table(t.inflight, NULL);
    inflight_table_unmap(table);
    close(fd);
}

static void without_a_queue_s3_is_all(void **state)
{
    (void)state;
    t.with_s3.dead_letters = NULL;
    die(hold_for_s3("a"), "rejected", "never", 1);
    fake_reply(fake_wait(FAKE_AWS), AWS_OK, 200, "", NULL, "\"e\"");
    fake_answer(fake_wait(FAKE_DELETE), 0, AWS_OK, "");
    assert_int_equal(t.gone, 1);
    assert_int_equal(t.n.dead, 1);
    assert_int_equal(fake_open_count(FAKE_SEND), 0);
}

/* The put was done but its answer was lost, or the worker died after it. */
static void an_object_of_the_same_round_is_done(void **state)
{
    (void)state;
    t.with_s3.dead_letters = NULL;
    die(hold_for_s3("a"), "rejected", "never", 1);
    struct fake_call *put = fake_wait(FAKE_AWS);
    char *stored = xstrdup(put->sent);
    fake_reply(put, AWS_CONFLICT, 412, "PreconditionFailed", NULL, NULL);
    struct fake_call *get = fake_wait(FAKE_AWS);
    assert_string_equal(get->method, "GET");
    fake_reply(get, AWS_OK, 200, "", stored, "\"e\"");
    free(stored);
    fake_answer(fake_wait(FAKE_DELETE), 0, AWS_OK, "");
    assert_int_equal(t.n.dead, 1);
}

static char *other_round(const char *sent, const char *name, json_t *value)
{
    json_t *json = json_loads(sent, 0, NULL);
    json_object_set_new(json, name, value);
    char *text = json_dumps(json, JSON_COMPACT);
    json_decref(json);
    return text;
}

static void an_earlier_round_is_updated_in_place(void **state)
{
    (void)state;
    t.with_s3.dead_letters = NULL;
    die(hold_for_s3("a"), "rejected", "never", 1);
    struct fake_call *put = fake_wait(FAKE_AWS);
    char *earlier = other_round(put->sent, "message_id", json_string("another"));
    fake_reply(put, AWS_CONFLICT, 412, "PreconditionFailed", NULL, NULL);
    fake_reply(fake_wait(FAKE_AWS), AWS_OK, 200, "", earlier, "\"e1\"");
    put = fake_wait(FAKE_AWS);
    assert_string_equal(put->method, "PUT");
    assert_string_equal(put->condition, "\"e1\"");
    assert_non_null(strstr(put->sent, "\"retry_count\":1"));
    /* A redrive was faster: read again. */
    fake_reply(put, AWS_CONFLICT, 412, "PreconditionFailed", NULL, NULL);
    put = fake_wait(FAKE_AWS);
    assert_string_equal(put->condition, "*");
    fake_reply(put, AWS_CONFLICT, 412, "PreconditionFailed", NULL, NULL);
    fake_reply(fake_wait(FAKE_AWS), AWS_MISSING, 404, "NoSuchKey", NULL, NULL);
    put = fake_wait(FAKE_AWS); /* gone meanwhile: created */
    assert_string_equal(put->condition, "*");
    fake_reply(put, AWS_OK, 200, "", NULL, "\"e2\"");
    free(earlier);
    fake_answer(fake_wait(FAKE_DELETE), 0, AWS_OK, "");
    assert_int_equal(t.n.dead, 1);
}

/* Nothing says that it was there: so it is looked for first. */
static void without_conditions_it_is_read_before_it_is_written(void **state)
{
    (void)state;
    t.with_s3.dead_letters = NULL;
    t.bucket_at.unconditional = true;
    die(hold_for_s3("a"), "rejected", "never", 1);
    struct fake_call *call = fake_wait(FAKE_AWS);
    assert_string_equal(call->method, "GET");
    fake_reply(call, AWS_MISSING, 404, "NoSuchKey", NULL, NULL);
    call = fake_wait(FAKE_AWS);
    assert_string_equal(call->method, "PUT");
    assert_string_equal(call->condition, "");
    char *earlier = other_round(call->sent, "message_id", json_string("another"));
    fake_reply(call, AWS_TRANSIENT, 500, "InternalError", NULL, NULL);
    call = fake_wait(FAKE_AWS); /* meanwhile it may be there */
    assert_string_equal(call->method, "GET");
    fake_reply(call, AWS_OK, 200, "", earlier, "\"e1\"");
    call = fake_wait(FAKE_AWS);
    assert_string_equal(call->method, "PUT");
    assert_non_null(strstr(call->sent, "\"retry_count\":1"));
    fake_reply(call, AWS_OK, 200, "", NULL, "\"e2\"");
    free(earlier);
    fake_answer(fake_wait(FAKE_DELETE), 0, AWS_OK, "");
    assert_int_equal(t.n.dead, 1);
}

static void another_payload_is_never_overwritten(void **state)
{
    (void)state;
    t.with_s3.dead_letters = NULL;
    die(hold_for_s3("a"), "rejected", "never", 1);
    struct fake_call *put = fake_wait(FAKE_AWS);
    char *other = other_round(put->sent, "sha256", json_string("00"));
    fake_reply(put, AWS_CONFLICT, 412, "PreconditionFailed", NULL, NULL);
    fake_reply(fake_wait(FAKE_AWS), AWS_OK, 200, "", other, "\"e1\"");
    put = fake_wait(FAKE_AWS);
    assert_string_equal(put->condition, "*");
    assert_string_equal(
        put->path,
        "/letters/dlq/year%3D2026/month%3D11/day%3D21/hour%3D09/T1-44136fa355b3678a.json");
    fake_reply(put, AWS_OK, 200, "", NULL, "\"e2\"");
    free(other);
    fake_answer(fake_wait(FAKE_DELETE), 0, AWS_OK, "");
}

static void a_missing_bucket_is_made_again(void **state)
{
    (void)state;
    t.with_s3.dead_letters = NULL;
    die(hold_for_s3("a"), "rejected", "never", 1);
    fake_reply(fake_wait(FAKE_AWS), AWS_MISSING, 404, "NoSuchBucket", NULL, NULL);
    struct fake_call *create = fake_wait(FAKE_AWS);
    assert_string_equal(create->path, "/letters");
    fake_reply(create, AWS_OK, 200, "", NULL, NULL);
    struct fake_call *put = fake_wait(FAKE_AWS);
    assert_string_equal(put->path, KEY);
    fake_reply(put, AWS_OK, 200, "", NULL, "\"e\"");
    fake_answer(fake_wait(FAKE_DELETE), 0, AWS_OK, "");
}

/* ---- requeue ---- */

static struct work *hold_event(const char *handle)
{
    struct work *w = hold(handle);
    w->hook->body = xstrdup("the body");
    w->hook->body_len = 8;
    return w;
}

/* A message of others gets `Sluice` too, so that its copy is the same event. */
static void a_retry_by_requeue_is_a_copy_with_its_number(void **state)
{
    (void)state;
    struct work *w = hold_event("a");
    w->record->seq = 3;
    assert_true(settle_can_requeue(w, 3));
    assert_true(settle_requeue(t.settle, w, clock_mono_ms() + 6900));
    struct fake_call *send = fake_wait(FAKE_SEND);
    assert_string_equal(send->queue_url, "q0");
    assert_string_equal(send->body, "the body");
    assert_string_equal(send->retry_count, "3");
    assert_int_equal(send->attribute_count, 3);
    assert_int_equal(send->delay_s, 7);
    fake_run(20);
    assert_null(fake_open(FAKE_DELETE));
    fake_answer(send, 0, AWS_OK, "");
    assert_int_equal(t.copied, 1);
    fake_answer(fake_wait(FAKE_DELETE), 0, AWS_OK, "");
    w = hold_event("b");
    assert_true(settle_requeue(t.settle, w, clock_mono_ms() + 2000000));
    send = fake_wait(FAKE_SEND);
    assert_int_equal(send->delay_s, 900);
    assert_true(settle_give_up(t.settle, w));
    settle_leave(t.settle, w);
    w = hold("c"); /* its body is not the event's: it would have to change */
    assert_false(copy_retry_fits(w, 4));
    settle_leave(t.settle, w);
    w = hold_event("d");
    struct sqs_attribute ten[SQS_USER_ATTRIBUTES_MAX];
    for (size_t i = 0; i < SQS_USER_ATTRIBUTES_MAX; i++)
        ten[i] = (struct sqs_attribute){"x", "String", "y"};
    const struct sqs_message message = w->message;
    w->message.attributes = ten;
    w->message.attribute_count = SQS_USER_ATTRIBUTES_MAX;
    assert_false(copy_retry_fits(w, 4));
    ten[4].name = COPY_RETRY_COUNT;
    assert_false(copy_retry_fits(w, 4));
    ten[5].name = WEBHOOK_ATTRIBUTE;
    assert_true(copy_retry_fits(w, 4));
    w->message = message;
    settle_leave(t.settle, w);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(deletes_go_in_batches_of_ten),
        TEST(a_failed_delete_is_tried_again_alone_by_its_class),
        TEST(a_failed_call_is_gathered_anew_and_given_up_in_the_end),
        TEST(a_dead_letter_is_confirmed_before_the_delete),
        TEST(a_malformed_message_is_copied_raw),
        TEST(the_heartbeat_extends_at_half_time_and_goes_on),
        TEST(a_failed_extension_is_repeated_until_the_lease_is_over),
        TEST(a_handle_that_is_no_longer_good_is_a_lost_lease),
        TEST(a_refused_extension_is_told_with_its_fix),
        TEST(no_extension_goes_beyond_twelve_hours),
        TEST(a_backoff_waits_for_the_extension_under_way),
        TEST(a_release_makes_visible_at_once),
        TEST(a_release_waits_for_a_poll_that_would_take_it_again),
        TEST(a_lost_lease_gives_up_a_waiting_copy_but_not_one_under_way),
        TEST(giving_up_at_the_deadline_releases),
        TEST(a_missing_dead_letter_queue_is_made_again),
        TEST(s3_comes_first_then_the_queue_then_the_delete),
        TEST(a_death_at_a_copy_is_put_down_to_its_message),
        TEST(without_a_queue_s3_is_all),
        TEST(an_object_of_the_same_round_is_done),
        TEST(an_earlier_round_is_updated_in_place),
        TEST(without_conditions_it_is_read_before_it_is_written),
        TEST(another_payload_is_never_overwritten),
        TEST(a_missing_bucket_is_made_again),
        TEST(a_retry_by_requeue_is_a_copy_with_its_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "workers/consumer/settler.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>
#include <cmocka.h>

#include "common/ipc/inflight_table.h"
#include "common/delivery/errands.h"
#include "tests/unit/workers/consumer/fake_sqs.h"

/* Two sources: s0 on q0 with a ledger, s1 on q1 without. */
#define SOURCE(queue, ledger)                                                                      \
    "{\"body\":\"json\",\"ledger\":" ledger ",\"queue\":\"" queue "\",\"inspection_queue\":"       \
    "\"dlq\",\"dead_letter\":{\"queue\":\"dlq\",\"s3\":false},\"destination\":\"f\",\"retry\":{"   \
    "\"strategy\":\"visibility\",\"base_s\":1,\"cap_s\":1,\"max_retries\":5,\"visibility_s\":30,"  \
    "\"wait_s\":0,\"age_limit_s\":1000}}"
#define CONF                                                                                       \
    "{\"ledger\":{\"table\":\"t\",\"retention_s\":1000,\"outage\":\"wait\"},\"queues\":{},"        \
    "\"destinations\":{\"f\":{\"type\":\"file\",\"path\":\"/dev/null\",\"fsync\":false}},"         \
    "\"sources\":{\"s0\":" SOURCE("q0", "true") ",\"s1\":" SOURCE("q1", "false") "}}"

static struct {
    struct queues *queues;
    struct sources *sources;
    struct errands *errands;
    struct settler *settler;
    struct counters n;
    json_t *conf;
    int fd;
    struct inflight_table *table; /* as the dead one left it */
    int64_t done;                 /* the table that was settled last */
    int times;
} t;

static void on_done(void *arg, int64_t table)
{
    (void)arg;
    t.done = table;
    t.times++;
}

static int set_up(void **state)
{
    (void)state;
    memset(&t, 0, sizeof(t));
    fake_forget();
    fake_base = event_base_new();
    t.queues = fake_queues(2);
    t.conf = json_loads(CONF, 0, NULL);
    t.errands = errands_new(fake_base, NULL, NULL, NULL, NULL);
    static const struct aws_endpoint table = {.region = "eu-west-1"};
    const struct sources_means nowhere = {.errands = t.errands, .ledger = &table};
    t.sources = sources_new(fake_base, t.conf, t.queues, &nowhere);
    assert_non_null(t.sources);
    t.settler = settler_new(fake_base, t.queues, t.sources, &t.n, on_done, NULL);
    t.fd = inflight_table_create(20);
    t.table = inflight_table_map(t.fd);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    settler_free(t.settler);
    sources_free(t.sources);
    errands_free(t.errands);
    queues_free(t.queues);
    json_decref(t.conf);
    inflight_table_unmap(t.table);
    close(t.fd);
    fake_forget();
    event_base_free(fake_base);
    return 0;
}

static void take(void)
{
    settler_take(t.settler, 7, "consumer-3", dup(t.fd));
    assert_int_equal(t.times, 0); /* never from inside the call */
}

static void assert_settled(int64_t messages)
{
    for (int i = 0; i < 200 && t.times == 0; i++)
        fake_run(5);
    assert_int_equal(t.times, 1);
    assert_int_equal(t.done, 7);
    assert_int_equal(t.n.settled, messages);
    assert_true(inflight_table_is_clear(t.table));
}

static void enter(const char *queue, const char *handle, const char *ledger_id)
{
    int slot = inflight_table_enter(t.table, queue, handle);
    if (ledger_id)
        inflight_table_claim(t.table, slot, ledger_id, "dead-token");
}

static void an_empty_table_is_settled(void **state)
{
    (void)state;
    take();
    assert_settled(0);
    assert_int_equal(fake_count, 0);
}

static void a_claim_is_ended_before_its_message_is_visible(void **state)
{
    (void)state;
    enter("q0", "h1", "f|s0|e1");
    take();
    struct fake_call *release = fake_wait(FAKE_AWS);
    assert_string_equal(release->target, "DynamoDB_20120810.UpdateItem");
    assert_non_null(strstr(release->sent, "f|s0|e1"));
    assert_non_null(strstr(release->sent, "dead-token"));
    assert_non_null(strstr(release->sent, "#owner = :dead"));
    fake_run(20);
    assert_null(fake_open(FAKE_VISIBILITY));
    fake_reply(release, AWS_OK, 200, "", "{}", NULL);
    struct fake_call *visible = fake_wait(FAKE_VISIBILITY);
    assert_string_equal(visible->queue_url, "q0");
    assert_string_equal(visible->handles[0], "h1");
    assert_int_equal(visible->visibility_s[0], 0);
    fake_answer(visible, 0, AWS_OK, "");
    assert_settled(1);
}

/* It was released already, is somebody else's, or the ledger does not answer. */
static void a_claim_that_cannot_be_ended_holds_nothing_up(void **state)
{
    (void)state;
    enter("q0", "h1", "f|s0|e1");
    enter("q0", "h2", "f|s0|e2");
    take();
    fake_reply(fake_wait(FAKE_AWS), AWS_CONFLICT, 400, "ConditionalCheckFailedException", "{}",
               NULL);
    fake_reply(fake_wait(FAKE_AWS), AWS_TRANSIENT, 500, "InternalServerError", "{}", NULL);
    struct fake_call *visible = fake_wait(FAKE_VISIBILITY);
    assert_int_equal(visible->count, 2);
    fake_answer(visible, 0, AWS_OK, "");
    assert_settled(2);
}

static void unclaimed_messages_go_in_batches(void **state)
{
    (void)state;
    char handle[16];
    for (int i = 0; i < 13; i++) {
        snprintf(handle, sizeof(handle), "h%d", i);
        enter(i < 12 ? "q1" : "q0", handle, NULL);
    }
    take();
    fake_wait(FAKE_VISIBILITY);
    fake_run(30);
    size_t count = 0;
    struct fake_call *f;
    while ((f = fake_open(FAKE_VISIBILITY))) {
        assert_true(f->count <= SQS_BATCH_MAX);
        count += f->count;
        fake_answer(f, 0, AWS_OK, "");
    }
    assert_int_equal(count, 13);
    assert_int_equal(fake_count, 3);
    assert_settled(13);
}

static void a_handle_that_is_gone_is_left(void **state)
{
    (void)state;
    enter("q1", "h1", NULL);
    enter("q1", "h2", NULL);
    take();
    fake_answer(fake_wait(FAKE_VISIBILITY), 1, AWS_INVALID, "ReceiptHandleIsInvalid");
    assert_settled(1);
}

static void a_failing_service_is_tried_and_then_left(void **state)
{
    (void)state;
    enter("q1", "h1", NULL);
    take();
    for (int i = 0; i < 4; i++)
        fake_fail(fake_wait(FAKE_VISIBILITY), AWS_TRANSIENT, "InternalError");
    assert_settled(0);
}

static void a_queue_that_nobody_reads_is_left(void **state)
{
    (void)state;
    enter("http://elsewhere/q", "h1", NULL);
    enter("dlq", "h2", NULL);
    take();
    assert_settled(0);
    assert_int_equal(fake_count, 0);
}

static void the_death_is_counted_before_anything_is_visible(void **state)
{
    (void)state;
    char token[INFLIGHT_TOKEN_BYTES];
    enter("q0", "h1", NULL);
    inflight_table_begin(t.table, "q0", "m-1");
    inflight_table_token(t.table, token);
    take();
    struct fake_call *count = fake_wait(FAKE_AWS);
    assert_non_null(strstr(count->sent, "kill#q0#m-1"));
    assert_non_null(strstr(count->sent, token));
    assert_non_null(strstr(count->sent, "#table <> :token"));
    fake_run(20);
    assert_null(fake_open(FAKE_VISIBILITY));
    fake_reply(count, AWS_OK, 200, "", "{}", NULL);
    fake_answer(fake_wait(FAKE_VISIBILITY), 0, AWS_OK, "");
    assert_settled(1);
}

static void without_a_ledger_deaths_are_not_counted(void **state)
{
    (void)state;
    inflight_table_begin(t.table, "q1", "m-1");
    take();
    for (int i = 0; i < 200 && t.times == 0; i++)
        fake_run(5);
    assert_int_equal(t.times, 1);
    assert_int_equal(fake_count, 0);
}

static void what_is_no_table_is_settled_at_once(void **state)
{
    (void)state;
    settler_take(t.settler, 7, "consumer-3", open("/dev/null", O_RDWR));
    assert_settled(0);
}

/* The second one begins where the first one was cut off. */
static void settling_again_is_harmless(void **state)
{
    (void)state;
    enter("q1", "h1", NULL);
    enter("q1", "h2", NULL);
    take();
    fake_answer(fake_wait(FAKE_VISIBILITY), 2, AWS_TRANSIENT, "InternalError");
    settler_free(t.settler);
    t.settler = settler_new(fake_base, t.queues, t.sources, &t.n, on_done, NULL);
    take();
    struct fake_call *again = fake_wait(FAKE_VISIBILITY);
    assert_int_equal(again->count, 1);
    assert_string_equal(again->handles[0], "h2");
    fake_answer(again, 0, AWS_OK, "");
    assert_settled(2);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(an_empty_table_is_settled),
        TEST(a_claim_is_ended_before_its_message_is_visible),
        TEST(a_claim_that_cannot_be_ended_holds_nothing_up),
        TEST(unclaimed_messages_go_in_batches),
        TEST(a_handle_that_is_gone_is_left),
        TEST(a_failing_service_is_tried_and_then_left),
        TEST(a_queue_that_nobody_reads_is_left),
        TEST(the_death_is_counted_before_anything_is_visible),
        TEST(without_a_ledger_deaths_are_not_counted),
        TEST(what_is_no_table_is_settled_at_once),
        TEST(settling_again_is_harmless),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Group commit: who is answered when, and what a failed COMMIT, a client that left, a full disk or
 * the drain make of it. The real SQS service, a real database, a clock of our own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <event2/event.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "workers/store/db.h"
#include "workers/store/sqs_service.h"
#include "workers/store/turn.h"

#define URL "http://store.local/000000000000/"
#define ASKERS 128

struct fixture {
    char dir[64];
    struct event_base *base;
    struct db *db;
    struct sqs_service *sqs;
    struct turn *turn;
    int64_t now_ms;
    uint32_t next;
    int status[ASKERS]; /* of each asker's answer; 0: none yet */
    char *body[ASKERS];
    bool gone[ASKERS]; /* its answer cannot be delivered */
    uint32_t order[ASKERS];
    int answers;
    int broken;
};

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    (void)st;
    (void)flag;
    (void)ftw;
    return remove(path);
}

static int on_answer(void *arg, struct turn_asker asker, const struct service_answer *answer)
{
    struct fixture *f = arg;
    uint32_t i = asker.ticket.slot;
    assert_int_equal(f->status[i], 0); /* once */
    /* The turn's transaction is over: a new one can begin. */
    if (db_state(f->db) != DB_BROKEN) {
        assert_int_equal(db_begin(f->db), 0);
        db_rollback(f->db);
    }
    if (f->gone[i])
        return -1;
    f->status[i] = answer->status;
    f->body[i] = xstrdup(answer->body ? answer->body : "");
    f->order[f->answers++] = i;
    return 0;
}

static void on_broken(void *arg, const char *why)
{
    (void)why;
    ((struct fixture *)arg)->broken++;
}

static int64_t now_ms(void *arg)
{
    return ((struct fixture *)arg)->now_ms;
}

static const struct turn_callbacks callbacks = {on_answer, on_broken, now_ms};

static struct turn_asker asker(uint32_t i)
{
    return (struct turn_asker){NULL, {.slot = i, .generation = 1}};
}

static uint32_t ask(struct fixture *f, const char *operation, json_t *input)
{
    struct service_call call = {.operation = xstrdup(operation), .input = input};
    uint32_t i = f->next++;
    assert_true(i < ASKERS);
    turn_add(f->turn, asker(i), sqs_service_table(f->sqs), &call);
    return i;
}

static uint32_t send_text(struct fixture *f, const char *body)
{
    return ask(f, "SendMessage", json_pack("{s:s, s:s}", "QueueUrl", URL "q", "MessageBody", body));
}

static uint32_t poll(struct fixture *f, int wait_s)
{
    return ask(f, "ReceiveMessage",
               json_pack("{s:s, s:i, s:[s]}", "QueueUrl", URL "q", "WaitTimeSeconds", wait_s,
                         "AttributeNames", "All"));
}

static bool has(const struct fixture *f, uint32_t i, const char *text)
{
    return f->body[i] && strstr(f->body[i], text) != NULL;
}

static int set_up(void **state)
{
    struct fixture *f = xcalloc(1, sizeof(*f));
    log_setup(LOG_LEVEL_ERROR, false);
    strcpy(f->dir, "/tmp/sluice-turn-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    struct db_options options = {.dir = f->dir, .lock_fd = -1, .ballast_mib = 1, .max_mib = 1};
    f->db = db_open(&options);
    assert_non_null(f->db);
    f->sqs = sqs_service_new();
    f->base = event_base_new();
    f->now_ms = 1800000000000;
    f->turn = turn_new(f->base, f->db, &callbacks, f);
    uint32_t i = ask(f, "CreateQueue", json_pack("{s:s}", "QueueName", "q"));
    turn_run(f->turn);
    assert_int_equal(f->status[i], 200);
    *state = f;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    turn_free(f->turn);
    event_base_free(f->base);
    sqs_service_free(f->sqs);
    db_close(f->db);
    for (int i = 0; i < ASKERS; i++)
        free(f->body[i]);
    nftw(f->dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(f);
    return 0;
}

static void one_commit_answers_all(void **state)
{
    struct fixture *f = *state;
    int64_t before = turn_stats(f->turn).commits;
    struct service_answer refusal = {.status = 403};
    for (int i = 0; i < 64; i++)
        send_text(f, "x");
    turn_add_answer(f->turn, asker(f->next++), &refusal);
    assert_int_equal(f->answers, 1); /* CreateQueue's */
    assert_int_equal(event_base_loop(f->base, EVLOOP_ONCE), 0);
    assert_int_equal(f->answers, 66);
    assert_int_equal(f->status[65], 403);
    assert_int_equal(turn_stats(f->turn).commits - before, 1);
    assert_int_equal(turn_pending(f->turn), 0);
    assert_int_equal(sqs_service_counts(f->sqs).messages_sent, 64);
}

static int64_t kept_time(struct fixture *f)
{
    static const char sql[] = "SELECT newest FROM kept_time";
    assert_int_equal(db_begin(f->db), 0);
    sqlite3_stmt *st = db_query(f->db, sql, "");
    assert_int_equal(db_step(f->db, st), 1);
    int64_t ms = sqlite3_column_int64(st, 0);
    db_rollback(f->db);
    return ms;
}

static void what_writes_keeps_the_time(void **state)
{
    struct fixture *f = *state;
    int64_t first = f->now_ms;
    assert_int_equal(kept_time(f), first);
    f->now_ms += 9999;
    send_text(f, "x");
    turn_run(f->turn);
    assert_int_equal(kept_time(f), first);
    f->now_ms += 1;
    ask(f, "ListQueues", json_object());
    turn_run(f->turn);
    assert_int_equal(kept_time(f), first);
    send_text(f, "x");
    turn_run(f->turn);
    assert_int_equal(kept_time(f), f->now_ms);
}

/* SLUICE_FAULT in main makes the one COMMIT fail that this test is about. */
static void a_failed_commit_gives_no_200(void **state)
{
    struct fixture *f = *state;
    struct service_answer refusal = {.status = 403};
    uint32_t kept = send_text(f, "kept");
    turn_run(f->turn);
    assert_int_equal(f->status[kept], 200);
    uint32_t lost = send_text(f, "lost");
    uint32_t received = poll(f, 0);
    uint32_t refused = f->next++;
    turn_add_answer(f->turn, asker(refused), &refusal);
    turn_run(f->turn); /* the fault */
    assert_int_equal(f->status[lost], 500);
    assert_int_equal(f->status[received], 500);
    assert_int_equal(f->status[refused], 500);
    assert_int_equal(turn_stats(f->turn).commit_failures, 1);
    assert_int_equal(sqs_service_counts(f->sqs).messages_sent, 1);
    uint32_t again = poll(f, 0);
    uint32_t empty = poll(f, 0);
    turn_run(f->turn);
    assert_true(has(f, again, "\"Body\":\"kept\""));
    assert_true(has(f, again, "\"ApproximateReceiveCount\":\"1\""));
    assert_string_equal(f->body[empty], "{}");
}

static void polls_are_served_oldest_first(void **state)
{
    struct fixture *f = *state;
    uint32_t first = poll(f, 20);
    uint32_t second = poll(f, 20);
    turn_run(f->turn);
    assert_int_equal(turn_stats(f->turn).waiting, 2);
    uint32_t third = poll(f, 20);
    send_text(f, "1");
    turn_run(f->turn);
    assert_true(has(f, first, "\"Body\":\"1\""));
    assert_int_equal(f->status[second], 0);
    send_text(f, "2");
    send_text(f, "3");
    turn_run(f->turn);
    assert_true(has(f, second, "\"Body\":\"2\"") || has(f, second, "\"Body\":\"3\""));
    assert_int_equal(f->status[third], 200);
}

static void polls_end_by_time_and_by_drain(void **state)
{
    struct fixture *f = *state;
    uint32_t first = poll(f, 3);
    uint32_t second = poll(f, 20);
    turn_run(f->turn);
    f->now_ms += 2999;
    turn_run(f->turn);
    assert_int_equal(f->status[first], 0);
    f->now_ms += 1;
    turn_run(f->turn);
    assert_string_equal(f->body[first], "{}");
    assert_int_equal(f->status[second], 0);
    turn_drain(f->turn);
    uint32_t third = poll(f, 20);
    assert_int_equal(event_base_loop(f->base, EVLOOP_ONCE), 0);
    assert_string_equal(f->body[second], "{}");
    assert_string_equal(f->body[third], "{}");
    assert_int_equal(turn_pending(f->turn), 0);
}

/* The timer alone wakes a poll for a delayed message. */
static void a_delay_wakes_a_poll(void **state)
{
    struct fixture *f = *state;
    ask(f, "SendMessage",
        json_pack("{s:s, s:s, s:i}", "QueueUrl", URL "q", "MessageBody", "late", "DelaySeconds",
                  1));
    uint32_t waiting = poll(f, 20);
    turn_run(f->turn);
    assert_int_equal(f->status[waiting], 0);
    f->now_ms += 1000; /* the timer was set for a second, which really passes */
    while (f->status[waiting] == 0)
        assert_int_equal(event_base_loop(f->base, EVLOOP_ONCE), 0);
    assert_true(has(f, waiting, "late"));
}

static void a_withdrawn_poll_claims_nothing(void **state)
{
    struct fixture *f = *state;
    uint32_t first = poll(f, 20);
    turn_run(f->turn);
    turn_gone(f->turn, asker(first));
    uint32_t fresh = poll(f, 20);
    turn_gone(f->turn, asker(fresh));
    turn_gone(f->turn, asker(99));
    assert_int_equal(turn_pending(f->turn), 0);
    send_text(f, "x");
    uint32_t next = poll(f, 0);
    turn_run(f->turn);
    assert_true(has(f, next, "\"ApproximateReceiveCount\":\"1\""));
}

static void what_nobody_got_is_given_back(void **state)
{
    struct fixture *f = *state;
    uint32_t lost = poll(f, 20);
    f->gone[lost] = true;
    send_text(f, "x");
    turn_run(f->turn);
    assert_int_equal(sqs_service_counts(f->sqs).returned, 0);
    uint32_t next = poll(f, 0);
    turn_run(f->turn);
    assert_int_equal(sqs_service_counts(f->sqs).returned, 1);
    assert_true(has(f, next, "\"ApproximateReceiveCount\":\"1\""));
}

static void a_full_disk_refuses_sends_only(void **state)
{
    struct fixture *f = *state;
    char body[60001];
    memset(body, 'x', 60000);
    body[60000] = '\0';
    uint32_t last = 0;
    do {
        last = send_text(f, body);
        turn_run(f->turn);
    } while (f->status[last] == 200);
    assert_int_equal(f->status[last], 503);
    assert_true(turn_stats(f->turn).full);
    assert_non_null(turn_stats(f->turn).full_why);
    uint32_t received = poll(f, 0);
    turn_run(f->turn);
    assert_int_equal(f->status[received], 200);
    json_t *answer = json_loads(f->body[received], 0, NULL);
    const json_t *m = json_array_get(json_object_get(answer, "Messages"), 0);
    uint32_t deleted = ask(f, "DeleteMessage",
                           json_pack("{s:s, s:O}", "QueueUrl", URL "q", "ReceiptHandle",
                                     json_object_get(m, "ReceiptHandle")));
    uint32_t purged = ask(f, "PurgeQueue", json_pack("{s:s}", "QueueUrl", URL "q"));
    json_decref(answer);
    turn_run(f->turn);
    assert_int_equal(f->status[deleted], 200);
    assert_int_equal(f->status[purged], 200);
    turn_tick(f->turn);
    assert_false(turn_stats(f->turn).full);
    last = send_text(f, body);
    turn_run(f->turn);
    assert_int_equal(f->status[last], 200);
}

int main(void)
{
    /* Commits: set-up and test 1 make 1, 2; the second test's set-up 3, its first turn 4. */
    setenv("SLUICE_FAULT", "store.commit:5:fail", 1);
#define TEST(NAME) cmocka_unit_test_setup_teardown(NAME, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(one_commit_answers_all),        TEST(a_failed_commit_gives_no_200),
        TEST(polls_are_served_oldest_first), TEST(polls_end_by_time_and_by_drain),
        TEST(a_delay_wakes_a_poll),          TEST(a_withdrawn_poll_claims_nothing),
        TEST(what_nobody_got_is_given_back), TEST(a_full_disk_refuses_sends_only),
        TEST(what_writes_keeps_the_time),
    };
    return cmocka_run_group_tests_name("turn", tests, NULL, NULL);
}

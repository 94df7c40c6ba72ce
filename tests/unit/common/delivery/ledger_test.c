/* The ledger's requests and what it makes of the answers, with DynamoDB and both clocks under the
 * test's control. */
#include "common/base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/aws/dynamodb.h"

#define WALL_MS 1795253400000 /* 2026-11-21T09:30:00Z */
#define MONO_MS 5000000

static int64_t fake_wall_ms, fake_mono_ms;

static uint64_t fake_call(struct aws_client *c, const struct aws_endpoint *e, const char *operation,
                          json_t *input, const struct dynamodb_options *o, aws_reply_cb *done,
                          void *arg);
static void fake_cancel(struct aws_client *c, uint64_t id);

#define clock_wall_ms() fake_wall_ms
#define clock_mono_ms() fake_mono_ms
#define dynamodb_call fake_call
#define aws_cancel fake_cancel
#include "common/delivery/ledger.c"

/* ---- the stand-in: one call under way at most, of which the test gives the answer ---- */

static struct {
    json_t *input; /* own: of the newest call */
    aws_reply_cb *done;
    void *arg;
    uint64_t id;
    bool under_way;
    int count, cancelled;
} call;

/* DynamoDB refuses names and values that an expression does not use, and those it does not know. */
static void check_placeholders(const json_t *input, const char *member, char sign)
{
    const char *update = json_string_value(json_object_get(input, "UpdateExpression"));
    const char *condition = json_string_value(json_object_get(input, "ConditionExpression"));
    char *all = xasprintf("%s %s", update, condition);
    const json_t *given = json_object_get(input, member);
    size_t used = 0;
    json_t *seen = json_object();
    for (char *p = strchr(all, sign); p; p = strchr(p + 1, sign)) {
        size_t len = 1 + strspn(p + 1, "abcdefghijklmnopqrstuvwxyz_");
        char *word = xasprintf("%.*s", (int)len, p);
        if (!json_object_get(given, word))
            fail_msg("%s is not in %s", word, member);
        used += !json_object_get(seen, word);
        json_object_set_new(seen, word, json_true());
        free(word);
    }
    assert_int_equal(used, json_object_size(given));
    json_decref(seen);
    free(all);
}

static bool asks_clock; /* the next call only reads */

static uint64_t fake_call(struct aws_client *c, const struct aws_endpoint *e, const char *operation,
                          json_t *input, const struct dynamodb_options *o, aws_reply_cb *done,
                          void *arg)
{
    (void)c;
    (void)e;
    assert_false(call.under_way);
    assert_true(o->max_attempts > 1 && o->deadline_ms > 0);
    assert_string_equal(operation, asks_clock ? "GetItem" : "UpdateItem");
    if (!asks_clock) {
        check_placeholders(input, "ExpressionAttributeNames", '#');
        check_placeholders(input, "ExpressionAttributeValues", ':');
    }
    json_decref(call.input);
    call.input = input;
    call.done = done;
    call.arg = arg;
    call.under_way = true;
    call.count++;
    return ++call.id;
}

static void fake_cancel(struct aws_client *c, uint64_t id)
{
    (void)c;
    assert_true(call.under_way && id == call.id);
    call.under_way = false;
    call.cancelled++;
}

static const char *text_of(const char *member)
{
    const char *text = json_string_value(json_object_get(call.input, member));
    assert_non_null(text);
    return text;
}

static const char *sent_id(void)
{
    return dynamodb_text(json_object_get(call.input, "Key"), "id", "(none)");
}

static const json_t *values(void)
{
    return json_object_get(call.input, "ExpressionAttributeValues");
}

static const char *sent_text(const char *alias)
{
    return dynamodb_text(values(), alias, "(none)");
}

static int64_t sent_number(const char *alias)
{
    return dynamodb_number(values(), alias, -1);
}

static bool updates(const char *part)
{
    return strstr(text_of("UpdateExpression"), part) != NULL;
}

static void answer(enum aws_class class, const char *member, json_t *item, const char *date)
{
    const struct http_header headers[] = {{"Date", date}};
    const struct http_answer http = {
        .outcome = HTTP_ANSWERED, .headers = headers, .header_count = date ? 1 : 0};
    json_t *json = json_object();
    if (item)
        json_object_set_new(json, member, item);
    struct aws_reply reply = {.class = class,
                              .status = class == AWS_OK ? 200 : 400,
                              .code = class == AWS_OK ? "" : "SomeCode",
                              .message = class == AWS_OK ? "" : "some words",
                              .json = json,
                              .http = &http};
    assert_true(call.under_way);
    call.under_way = false;
    call.done(call.arg, &reply);
    json_decref(json);
}

/* What the table has after the write, and what it had where the condition failed. */
static void answer_new(json_t *item)
{
    answer(AWS_OK, "Attributes", item, NULL);
}

static void answer_old(json_t *item)
{
    answer(AWS_CONFLICT, "Item", item, NULL);
}

/* ---- records ---- */

#define PAYLOAD "aa11"

static void put(json_t *item, const char *name, json_t *value)
{
    json_object_set_new(item, name, value);
}

static json_t *item_of(const char *state, int attempts)
{
    json_t *item = json_object();
    put(item, "id", dynamodb_s("d|s|e"));
    put(item, "state", dynamodb_s(state));
    put(item, "payload", dynamodb_s(PAYLOAD));
    put(item, "attempts", dynamodb_n(attempts));
    put(item, "trace_id", dynamodb_s("first"));
    put(item, "not_before", dynamodb_n(0));
    return item;
}

static json_t *held_by(json_t *item, const char *owner, int64_t until_ms)
{
    put(item, "owner", dynamodb_s(owner));
    put(item, "until", dynamodb_n(until_ms));
    return item;
}

/* ---- what the callbacks saw ---- */

static struct {
    int count;
    enum ledger_answer answer;
    enum ledger_state state;
    int attempts;
    bool attempts_over, key_conflict;
    int64_t wait_ms;
    char error[512];
    enum aws_class class;
    struct ledger_claim *claim; /* own */
    int written_count;
    enum ledger_written written;
    char written_error[512];
} seen;

static void on_result(void *arg, const struct ledger_result *result)
{
    assert_ptr_equal(arg, &seen);
    seen.count++;
    seen.answer = result->answer;
    seen.attempts_over = result->attempts_over;
    seen.key_conflict = result->key_conflict;
    seen.wait_ms = result->wait_ms;
    snprintf(seen.error, sizeof(seen.error), "%s", result->error);
    seen.class = result->class;
    seen.claim = result->claim;
    if (result->answer != LEDGER_CLAIMED) {
        assert_null(result->claim);
        assert_null(result->record);
        return;
    }
    seen.state = result->record->state;
    seen.attempts = result->record->attempts;
    if (result->claim)
        assert_ptr_equal(ledger_claim_record(result->claim), result->record);
}

static void on_written_cb(void *arg, enum ledger_written written, const char *error)
{
    assert_ptr_equal(arg, &seen);
    seen.written_count++;
    seen.written = written;
    snprintf(seen.written_error, sizeof(seen.written_error), "%s", error);
}

static struct ledger *ledger;

static int set_up(void **state)
{
    (void)state;
    static const struct ledger_config config = {
        .table = "t", .claim_ms = 30000, .retention_s = 1000, .role = "consumer"};
    static const struct aws_endpoint endpoint = {.region = "eu-west-1"};
    fake_wall_ms = WALL_MS;
    fake_mono_ms = MONO_MS;
    memset(&seen, 0, sizeof(seen));
    ledger = ledger_new(NULL, &endpoint, &config);
    ledger->clock_known = true; /* but for the_clock_is_asked_for_first */
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ledger_claim_free(seen.claim);
    ledger_free(ledger);
    assert_false(call.under_way);
    json_decref(call.input);
    memset(&call, 0, sizeof(call));
    return 0;
}

static void start_claim(int max_attempts)
{
    const struct ledger_key key = {"d", "s", "e", PAYLOAD};
    ledger_claim(ledger, &key, "trace", max_attempts, on_result, &seen);
    assert_int_equal(seen.count, 0); /* never from inside */
}

/* A claim on a fresh record; its owner token. */
static char *claimed_fresh(void)
{
    seen.count = 0;
    start_claim(6);
    char *owner = xstrdup(sent_text(":owner"));
    answer_new(held_by(item_of("open", 1), owner, WALL_MS + 30000));
    assert_int_equal(seen.answer, LEDGER_CLAIMED);
    assert_non_null(seen.claim);
    return owner;
}

/* ---- claiming ---- */

#define FRESH                                                                                      \
    "attribute_not_exists(#id) OR (#state = :state AND #payload = :payload AND "                   \
    "(attribute_not_exists(#owner) OR #until < :stale) AND #not_before <= :now AND "               \
    "#attempts < :max)"
#define AS_IT_STANDS                                                                               \
    "#state = :seen_state AND #attempts = :seen_attempts AND "                                     \
    "(attribute_not_exists(#owner) OR #until < :stale)"

static void a_new_event_is_claimed_with_one_request(void **state)
{
    (void)state;
    start_claim(6);
    assert_string_equal(sent_id(), "d|s|e");
    assert_string_equal(text_of("TableName"), "t");
    assert_string_equal(text_of("ConditionExpression"), FRESH);
    assert_string_equal(text_of("ReturnValues"), "ALL_NEW");
    assert_string_equal(text_of("ReturnValuesOnConditionCheckFailure"), "ALL_OLD");
    assert_true(updates("#attempts = if_not_exists(#attempts, :attempts) + :one"));
    assert_true(updates("#trace_id = if_not_exists(#trace_id, :trace_id)"));
    assert_true(updates("#not_before = if_not_exists(#not_before, :not_before)"));
    assert_true(updates("#seq = if_not_exists(#seq, :seq)"));
    assert_string_equal(sent_text(":state"), "open");
    assert_string_equal(sent_text(":payload"), PAYLOAD);
    assert_string_equal(sent_text(":trace_id"), "trace");
    assert_int_equal(sent_number(":attempts"), 0);
    assert_int_equal(sent_number(":one"), 1);
    assert_int_equal(sent_number(":max"), 6);
    assert_int_equal(sent_number(":now"), WALL_MS);
    assert_int_equal(sent_number(":until"), WALL_MS + 30000);
    assert_int_equal(sent_number(":stale"), WALL_MS - 5000); /* taken over only 5 s late */
    assert_int_equal(sent_number(":expires"), WALL_MS / 1000 + 1000);
    assert_int_equal(strlen(sent_text(":owner")), 26);
    fake_mono_ms += 700; /* the claim runs from before the request */
    answer_new(held_by(item_of("open", 1), sent_text(":owner"), WALL_MS + 30000));
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.answer, LEDGER_CLAIMED);
    assert_int_equal(seen.state, LEDGER_OPEN);
    assert_int_equal(seen.attempts, 1);
    assert_false(seen.attempts_over);
    assert_false(seen.key_conflict);
    assert_int_equal(ledger_claim_until_mono_ms(seen.claim), MONO_MS + 28000);
    assert_string_equal(ledger_claim_id(seen.claim), "d|s|e");
    assert_string_equal(ledger_claim_owner(seen.claim), sent_text(":owner"));
    assert_int_equal(call.count, 1);
}

static void two_claims_have_two_owners(void **state)
{
    (void)state;
    char *first = claimed_fresh();
    struct ledger_claim *claim = seen.claim;
    memset(&seen, 0, sizeof(seen));
    char *second = claimed_fresh();
    assert_string_not_equal(first, second);
    ledger_claim_free(claim);
    free(first);
    free(second);
}

static void a_lost_answer_is_found_out(void **state)
{
    (void)state;
    start_claim(6);
    /* The call was repeated below us; its condition failed on what the first one wrote. */
    answer_old(held_by(item_of("open", 1), sent_text(":owner"), WALL_MS + 30000));
    assert_int_equal(seen.answer, LEDGER_CLAIMED);
    assert_int_equal(seen.attempts, 1);
    assert_false(seen.attempts_over);
    assert_non_null(seen.claim);
    assert_int_equal(call.count, 1);
}

static void another_holds_it(void **state)
{
    (void)state;
    static const char *const states[] = {"open", "moving", "dying", "dead"};
    for (size_t i = 0; i < 4; i++) {
        seen.count = 0;
        start_claim(6);
        answer_old(held_by(item_of(states[i], 1), "other", WALL_MS + 10000));
        assert_int_equal(seen.count, 1);
        assert_int_equal(seen.answer, LEDGER_BUSY);
        assert_int_equal(seen.wait_ms, 15000); /* until its end, and 5 s */
    }
    seen.count = 0;
    start_claim(6); /* over, but not long enough */
    answer_old(held_by(item_of("open", 1), "other", WALL_MS - 4000));
    assert_int_equal(seen.answer, LEDGER_BUSY);
    assert_int_equal(seen.wait_ms, 1000);
    assert_int_equal(call.count, 5); /* nothing more was asked: no attempt was counted */
}

static void not_before_its_time(void **state)
{
    (void)state;
    start_claim(6);
    json_t *item = item_of("open", 2);
    put(item, "not_before", dynamodb_n(WALL_MS + 4321));
    answer_old(item);
    assert_int_equal(seen.answer, LEDGER_NOT_YET);
    assert_int_equal(seen.wait_ms, 4321);
    assert_int_equal(call.count, 1);
}

static void attempts_at_the_limit(void **state)
{
    (void)state;
    start_claim(6);
    answer_old(item_of("open", 6));
    assert_int_equal(seen.count, 0);
    assert_int_equal(call.count, 2);
    assert_string_equal(text_of("ConditionExpression"), AS_IT_STANDS);
    assert_string_equal(sent_text(":seen_state"), "open");
    assert_int_equal(sent_number(":seen_attempts"), 6);
    assert_false(updates("#attempts")); /* none is added */
    assert_false(updates("#state"));
    answer_new(held_by(item_of("open", 6), sent_text(":owner"), WALL_MS + 30000));
    assert_int_equal(seen.answer, LEDGER_CLAIMED);
    assert_true(seen.attempts_over);
    assert_int_equal(seen.attempts, 6);
}

static void other_states_are_claimed_as_they_stand(void **state)
{
    (void)state;
    static const struct {
        const char *word;
        enum ledger_state state;
    } states[] = {{"moving", LEDGER_MOVING}, {"dying", LEDGER_DYING}, {"dead", LEDGER_DEAD}};
    for (size_t i = 0; i < 3; i++) {
        seen.count = 0;
        start_claim(6);
        answer_old(held_by(item_of(states[i].word, 3), "gone", WALL_MS - 5001));
        assert_string_equal(text_of("ConditionExpression"), AS_IT_STANDS);
        assert_string_equal(sent_text(":seen_state"), states[i].word);
        answer_new(held_by(item_of(states[i].word, 3), sent_text(":owner"), WALL_MS + 30000));
        assert_int_equal(seen.count, 1);
        assert_int_equal(seen.answer, LEDGER_CLAIMED);
        assert_int_equal(seen.state, states[i].state);
        assert_int_equal(seen.attempts, 3);
        assert_false(seen.attempts_over);
        ledger_claim_free(seen.claim);
        seen.claim = NULL;
    }
}

static void a_lost_answer_to_the_second_request(void **state)
{
    (void)state;
    start_claim(6);
    answer_old(item_of("open", 6));
    answer_old(held_by(item_of("open", 6), sent_text(":owner"), WALL_MS + 30000));
    assert_int_equal(seen.answer, LEDGER_CLAIMED);
    assert_true(seen.attempts_over);
}

static void delivered_needs_no_claim(void **state)
{
    (void)state;
    start_claim(6);
    answer_old(item_of("delivered", 2));
    assert_int_equal(seen.answer, LEDGER_CLAIMED);
    assert_int_equal(seen.state, LEDGER_DELIVERED);
    assert_null(seen.claim);
    assert_int_equal(call.count, 1);
}

static void it_changes_between_the_requests(void **state)
{
    (void)state;
    /* dead, then a new round of somebody else that is over: asked afresh. */
    start_claim(6);
    answer_old(item_of("dead", 6));
    answer_old(item_of("open", 1));
    assert_string_equal(text_of("ConditionExpression"), FRESH);
    answer_new(held_by(item_of("open", 2), sent_text(":owner"), WALL_MS + 30000));
    assert_int_equal(seen.answer, LEDGER_CLAIMED);
    assert_int_equal(seen.attempts, 2);
    assert_false(seen.attempts_over);
    ledger_claim_free(seen.claim);
    seen.claim = NULL;
    /* dying, then somebody takes it. */
    seen.count = 0;
    start_claim(6);
    answer_old(item_of("dying", 6));
    answer_old(held_by(item_of("dying", 6), "other", WALL_MS + 1000));
    assert_int_equal(seen.answer, LEDGER_BUSY);
    /* dying, then delivered by nobody knows whom. */
    seen.count = 0;
    start_claim(6);
    answer_old(item_of("moving", 1));
    answer_old(item_of("delivered", 2));
    assert_int_equal(seen.answer, LEDGER_CLAIMED);
    assert_null(seen.claim);
}

static void one_that_never_stands_still_is_left_alone(void **state)
{
    (void)state;
    start_claim(6);
    while (call.under_way)
        answer_old(item_of(call.count % 2 ? "dead" : "open", 1));
    assert_int_equal(seen.count, 1);
    assert_int_equal(seen.answer, LEDGER_BUSY);
    assert_true(seen.wait_ms > 0);
    assert_true(call.count < 10);
}

static void another_payload_is_another_event(void **state)
{
    (void)state;
    start_claim(6);
    json_t *item = held_by(item_of("delivered", 1), "other", WALL_MS + 10000);
    put(item, "payload", dynamodb_s("bb22"));
    answer_old(item);
    assert_int_equal(seen.count, 0);
    assert_string_equal(sent_id(), "d|s|e#" PAYLOAD);
    assert_string_equal(text_of("ConditionExpression"), FRESH);
    answer_new(held_by(item_of("open", 1), sent_text(":owner"), WALL_MS + 30000));
    assert_int_equal(seen.answer, LEDGER_CLAIMED);
    assert_true(seen.key_conflict);
    assert_string_equal(ledger_claim_id(seen.claim), "d|s|e#" PAYLOAD);
    ledger_claim_free(seen.claim);
    seen.claim = NULL;
    /* All rules start again there. */
    seen.count = 0;
    start_claim(6);
    item = item_of("open", 1);
    put(item, "payload", dynamodb_s("bb22"));
    answer_old(item);
    answer_old(item_of("delivered", 1));
    assert_int_equal(seen.answer, LEDGER_CLAIMED);
    assert_int_equal(seen.state, LEDGER_DELIVERED);
    assert_true(seen.key_conflict);
    assert_null(seen.claim);
}

static void no_answer(void **state)
{
    (void)state;
    static const enum aws_class classes[] = {AWS_TRANSIENT, AWS_THROTTLED, AWS_DENIED,
                                             AWS_MISSING,   AWS_INVALID,   AWS_NO_KEY};
    static const char passing[] = "table \"t\": the ledger does not answer: some words (SomeCode)";
    static const char *const errors[] = {
        [AWS_DENIED] = "table \"t\": dynamodb:UpdateItem is denied; allow it to the account of "
                       "this service, etc/iam/consumer.json is the policy",
        [AWS_MISSING] = "table \"t\": it does not exist in region eu-west-1 (SomeCode); create it "
                        "there, or correct ledger.table",
        [AWS_NO_KEY] = NULL};
    for (size_t i = 0; i < 6; i++) {
        seen.count = 0;
        start_claim(6);
        answer(classes[i], "", NULL, NULL);
        assert_int_equal(seen.count, 1);
        assert_int_equal(seen.answer, LEDGER_UNREACHABLE);
        assert_memory_equal(seen.error, errors[classes[i]] ? errors[classes[i]] : passing,
                            strlen(errors[classes[i]] ? errors[classes[i]] : passing));
        assert_int_equal(seen.class, classes[i]);
    }
    seen.count = 0;
    start_claim(6); /* a conflict that does not say what is there */
    answer(AWS_CONFLICT, "", NULL, NULL);
    assert_int_equal(seen.answer, LEDGER_UNREACHABLE);
    seen.count = 0;
    start_claim(6); /* between two requests */
    answer_old(item_of("dying", 6));
    answer(AWS_TRANSIENT, "", NULL, NULL);
    assert_int_equal(seen.answer, LEDGER_UNREACHABLE);
}

static void times_are_the_servers(void **state)
{
    (void)state;
    start_claim(6); /* a minute ahead of us */
    answer(AWS_CONFLICT, "Item", held_by(item_of("open", 1), "other", WALL_MS + 70000),
           "Sat, 21 Nov 2026 09:31:00 GMT");
    assert_int_equal(seen.answer, LEDGER_BUSY);
    assert_int_equal(seen.wait_ms, 70000 + 5000 - 60500);
    seen.count = 0;
    start_claim(6);
    assert_int_equal(sent_number(":now"), WALL_MS + 60500);
    assert_int_equal(sent_number(":until"), WALL_MS + 60500 + 30000);
    assert_int_equal(sent_number(":stale"), WALL_MS + 60500 - 5000);
    answer(AWS_CONFLICT, "Item", item_of("delivered", 1), "Sat, 21 Nov 2026 09:30:00 GMT");
    seen.count = 0;
    start_claim(6); /* whole seconds: so little is no difference */
    assert_int_equal(sent_number(":now"), WALL_MS);
    answer(AWS_CONFLICT, "Item", item_of("delivered", 1), "nonsense");
    seen.count = 0;
    start_claim(6); /* the page of a proxy whose clock is wrong */
    answer(AWS_TRANSIENT, "", NULL, "Sat, 21 Nov 2026 10:30:00 GMT");
    seen.count = 0;
    start_claim(6);
    assert_int_equal(sent_number(":now"), WALL_MS);
    answer(AWS_CONFLICT, "Item", item_of("delivered", 1), NULL);
}

static void start_redrive(bool force);

/* Nobody's claim is taken over by a clock that is wrong. */
static void the_clock_is_asked_for_first(void **state)
{
    (void)state;
    for (int redrive = 0; redrive < 2; redrive++) {
        ledger->clock_known = false;
        ledger->offset_ms = 0;
        asks_clock = true;
        if (redrive)
            start_redrive(false);
        else
            start_claim(6);
        assert_string_equal(sent_id(), redrive ? "d|s|e#h" : "d|s|e");
        asks_clock = false;
        answer(AWS_OK, "Item", NULL, "Sat, 21 Nov 2026 10:30:00 GMT");
        assert_int_equal(seen.count, 0);
        assert_int_equal(sent_number(":stale"), WALL_MS + 3600500 - 5000);
        assert_int_equal(sent_number(":until"), WALL_MS + 3600500 + 30000);
        answer(AWS_CONFLICT, "Item", item_of("delivered", 1), NULL);
        assert_int_equal(seen.count, 1);
        seen.count = 0;
        start_claim(6); /* it is known now */
        answer(AWS_CONFLICT, "Item", item_of("delivered", 1), NULL);
        seen.count = 0;
    }
    ledger->clock_known = false;
    asks_clock = true;
    start_claim(6);
    asks_clock = false;
    answer(AWS_TRANSIENT, "Item", NULL, NULL);
    assert_int_equal(seen.answer, LEDGER_UNREACHABLE);
    assert_false(ledger->clock_known);
}

/* ---- a redrive's claim ---- */

static void start_redrive(bool force)
{
    seen.count = 0;
    ledger_claim_redrive(ledger, "d|s|e#h", PAYLOAD, "trace", force, on_result, &seen);
    assert_int_equal(seen.count, 0);
}

static void a_redrive_claims_what_is_dead(void **state)
{
    (void)state;
    start_redrive(false);
    assert_string_equal(sent_id(), "d|s|e#h");
    assert_string_equal(text_of("ConditionExpression"),
                        "attribute_not_exists(#id) OR ((#state = :state OR #state = :other) AND "
                        "(attribute_not_exists(#owner) OR #until < :stale))");
    assert_string_equal(sent_text(":state"), "dead");
    assert_string_equal(sent_text(":other"), "dead");
    /* An absent record is made as dead; one that is there keeps what it has. */
    assert_true(updates("#state = if_not_exists(#state, :state)"));
    assert_true(updates("#payload = if_not_exists(#payload, :payload)"));
    assert_true(updates("#attempts = if_not_exists(#attempts, :attempts)"));
    assert_false(updates(":one"));
    answer_new(held_by(item_of("dead", 6), sent_text(":owner"), WALL_MS + 30000));
    assert_int_equal(seen.answer, LEDGER_CLAIMED);
    assert_int_equal(seen.state, LEDGER_DEAD);
    assert_non_null(seen.claim);
    assert_false(seen.attempts_over);
    assert_string_equal(ledger_claim_id(seen.claim), "d|s|e#h");
}

static void a_redrive_meets_other_states(void **state)
{
    (void)state;
    static const char *const states[] = {"open", "moving", "dying"};
    for (size_t i = 0; i < 3; i++) {
        start_redrive(false);
        answer_old(item_of(states[i], 1));
        assert_int_equal(seen.answer, LEDGER_BUSY);
        start_redrive(true);
        answer_old(item_of(states[i], 1));
        assert_int_equal(seen.answer, LEDGER_BUSY);
    }
    start_redrive(false);
    answer_old(held_by(item_of("dead", 6), "other", WALL_MS + 2000));
    assert_int_equal(seen.answer, LEDGER_BUSY);
    assert_int_equal(seen.wait_ms, 7000);
    start_redrive(false);
    answer_old(item_of("delivered", 2));
    assert_int_equal(seen.answer, LEDGER_CLAIMED);
    assert_int_equal(seen.state, LEDGER_DELIVERED);
    assert_null(seen.claim);
    start_redrive(false); /* the lost answer again */
    answer_old(held_by(item_of("dead", 6), sent_text(":owner"), WALL_MS + 30000));
    assert_int_equal(seen.answer, LEDGER_CLAIMED);
    ledger_claim_free(seen.claim);
    seen.claim = NULL;
    start_redrive(false);
    answer(AWS_TRANSIENT, "", NULL, NULL);
    assert_int_equal(seen.answer, LEDGER_UNREACHABLE);
}

static void a_forced_redrive_claims_what_was_delivered(void **state)
{
    (void)state;
    start_redrive(true);
    assert_string_equal(sent_text(":other"), "delivered");
    answer_new(held_by(item_of("delivered", 2), sent_text(":owner"), WALL_MS + 30000));
    assert_int_equal(seen.answer, LEDGER_CLAIMED);
    assert_int_equal(seen.state, LEDGER_DELIVERED);
    assert_non_null(seen.claim);
}

/* ---- writing ---- */

static void start_write(enum ledger_state to, bool release)
{
    struct ledger_record *next = ledger_record_copy(ledger_claim_record(seen.claim));
    next->state = to;
    next->at_ms = 77;
    seen.written_count = 0;
    ledger_write(seen.claim, next, release, on_written_cb, &seen);
    ledger_record_free(next);
    assert_int_equal(seen.written_count, 0);
}

static void an_outcome_is_written_by_the_owner_only(void **state)
{
    (void)state;
    char *owner = claimed_fresh();
    start_write(LEDGER_DELIVERED, true);
    assert_string_equal(sent_id(), "d|s|e");
    assert_string_equal(text_of("ConditionExpression"), "#owner = :me");
    assert_string_equal(sent_text(":me"), owner);
    assert_string_equal(sent_text(":state"), "delivered");
    assert_int_equal(sent_number(":at"), 77);
    assert_int_equal(sent_number(":attempts"), 1);
    assert_int_equal(sent_number(":expires"), WALL_MS / 1000 + 1000);
    assert_true(updates(" REMOVE #owner, #until"));
    answer_new(item_of("delivered", 1));
    assert_int_equal(seen.written_count, 1);
    assert_int_equal(seen.written, LEDGER_WRITTEN);
    assert_string_equal(seen.written_error, "");
    assert_int_equal(ledger_claim_record(seen.claim)->state, LEDGER_DELIVERED);
    free(owner);
}

static void a_claim_can_be_kept_with_a_write(void **state)
{
    (void)state;
    char *owner = claimed_fresh();
    start_write(LEDGER_DYING, false);
    assert_false(updates("REMOVE"));
    answer_new(item_of("dying", 1));
    assert_int_equal(seen.written, LEDGER_WRITTEN);
    start_write(LEDGER_DEAD, true);
    assert_string_equal(sent_text(":me"), owner);
    assert_string_equal(sent_text(":state"), "dead");
    answer_new(item_of("dead", 1));
    assert_int_equal(seen.written, LEDGER_WRITTEN);
    free(owner);
}

static void a_write_whose_answer_was_lost(void **state)
{
    (void)state;
    free(claimed_fresh());
    start_write(LEDGER_DELIVERED, true);
    json_t *item = item_of("delivered", 1); /* no owner: our own first try gave it back */
    put(item, "write", dynamodb_s(sent_text(":write")));
    answer_old(item);
    assert_int_equal(seen.written, LEDGER_WRITTEN);
    assert_int_equal(ledger_claim_record(seen.claim)->state, LEDGER_DELIVERED);
}

static void a_write_after_the_claim_was_lost(void **state)
{
    (void)state;
    free(claimed_fresh());
    start_write(LEDGER_DELIVERED, true);
    json_t *item = held_by(item_of("open", 2), "other", WALL_MS + 30000);
    put(item, "write", dynamodb_s("another's"));
    answer_old(item);
    assert_int_equal(seen.written, LEDGER_LOST);
    assert_int_equal(ledger_claim_record(seen.claim)->state, LEDGER_OPEN);
    start_write(LEDGER_DELIVERED, true);
    answer_old(item_of("open", 2));
    assert_int_equal(seen.written, LEDGER_LOST);
}

static void a_write_without_an_answer_can_be_repeated(void **state)
{
    (void)state;
    free(claimed_fresh());
    start_write(LEDGER_DELIVERED, true);
    answer(AWS_TRANSIENT, "", NULL, NULL);
    assert_int_equal(seen.written, LEDGER_FAILED);
    assert_string_equal(seen.written_error,
                        "table \"t\": the ledger does not answer: some words (SomeCode)");
    assert_int_equal(ledger_claim_record(seen.claim)->state, LEDGER_OPEN);
    char *token = xstrdup(sent_text(":write"));
    start_write(LEDGER_DELIVERED, true);
    assert_string_equal(sent_text(":write"), token);
    /* It had been done, and had given the claim back. */
    json_t *item = item_of("delivered", 1);
    put(item, "write", dynamodb_s(token));
    answer_old(item);
    assert_int_equal(seen.written, LEDGER_WRITTEN);
    assert_int_equal(ledger_claim_record(seen.claim)->state, LEDGER_DELIVERED);
    start_write(LEDGER_DELIVERED, true);
    assert_string_not_equal(sent_text(":write"), token);
    answer_new(item_of("delivered", 1));
    assert_int_equal(seen.written, LEDGER_WRITTEN);
    free(token);
}

static void a_heartbeat_extends(void **state)
{
    (void)state;
    char *owner = claimed_fresh();
    fake_wall_ms += 15000;
    fake_mono_ms += 15000;
    ledger_extend(seen.claim, on_written_cb, &seen);
    assert_string_equal(text_of("ConditionExpression"), "#owner = :me");
    assert_string_equal(sent_text(":me"), owner);
    assert_int_equal(sent_number(":until"), WALL_MS + 45000);
    assert_false(updates("#state"));
    assert_false(updates("#owner"));
    /* Until it is confirmed nothing is extended. */
    assert_int_equal(ledger_claim_until_mono_ms(seen.claim), MONO_MS + 28000);
    fake_mono_ms += 400;
    answer_new(held_by(item_of("open", 1), owner, WALL_MS + 45000));
    assert_int_equal(seen.written, LEDGER_WRITTEN);
    assert_int_equal(ledger_claim_until_mono_ms(seen.claim), MONO_MS + 43000);
    ledger_extend(seen.claim, on_written_cb, &seen);
    answer(AWS_TRANSIENT, "", NULL, NULL);
    assert_int_equal(seen.written, LEDGER_FAILED);
    assert_int_equal(ledger_claim_until_mono_ms(seen.claim), MONO_MS + 43000);
    ledger_extend(seen.claim, on_written_cb, &seen);
    answer_old(held_by(item_of("open", 2), "other", WALL_MS + 45000));
    assert_int_equal(seen.written, LEDGER_LOST);
    assert_int_equal(ledger_claim_until_mono_ms(seen.claim), MONO_MS + 43000);
    free(owner);
}

/* ---- ends ---- */

static void freeing_a_claim_silences_its_write(void **state)
{
    (void)state;
    free(claimed_fresh());
    start_write(LEDGER_DELIVERED, true);
    ledger_claim_free(seen.claim);
    seen.claim = NULL;
    answer_new(item_of("delivered", 1));
    assert_int_equal(seen.written_count, 0);
    free(claimed_fresh());
    start_write(LEDGER_DELIVERED, true);
    ledger_claim_free(seen.claim);
    seen.claim = NULL;
    answer_old(item_of("delivered", 1));
    assert_int_equal(seen.written_count, 0);
}

static void freeing_the_ledger_ends_calls_silently(void **state)
{
    (void)state;
    start_claim(6);
    ledger_free(ledger);
    assert_int_equal(call.cancelled, 1);
    assert_int_equal(seen.count, 0);
    assert_int_equal(set_up(NULL), 0);
    free(claimed_fresh());
    start_write(LEDGER_DELIVERED, true);
    ledger_free(ledger);
    assert_int_equal(call.cancelled, 2);
    assert_int_equal(seen.written_count, 0);
    ledger = NULL;
    ledger_free(NULL);
    ledger_claim_free(NULL);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_new_event_is_claimed_with_one_request),
        TEST(two_claims_have_two_owners),
        TEST(a_lost_answer_is_found_out),
        TEST(another_holds_it),
        TEST(not_before_its_time),
        TEST(attempts_at_the_limit),
        TEST(other_states_are_claimed_as_they_stand),
        TEST(a_lost_answer_to_the_second_request),
        TEST(delivered_needs_no_claim),
        TEST(it_changes_between_the_requests),
        TEST(one_that_never_stands_still_is_left_alone),
        TEST(another_payload_is_another_event),
        TEST(no_answer),
        TEST(times_are_the_servers),
        TEST(the_clock_is_asked_for_first),
        TEST(a_redrive_claims_what_is_dead),
        TEST(a_redrive_meets_other_states),
        TEST(a_forced_redrive_claims_what_was_delivered),
        TEST(an_outcome_is_written_by_the_owner_only),
        TEST(a_claim_can_be_kept_with_a_write),
        TEST(a_write_whose_answer_was_lost),
        TEST(a_write_after_the_claim_was_lost),
        TEST(a_write_without_an_answer_can_be_repeated),
        TEST(a_heartbeat_extends),
        TEST(freeing_a_claim_silences_its_write),
        TEST(freeing_the_ledger_ends_calls_silently),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "common/delivery/deadletter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/webhook/webhook.h"

static const struct deadletter_attempt history[3] = {
    {1764000000000, 1, "first", 75, 10},
    {1764000002000, 2, "second", 75, 20},
    {1764000004000, 3, "third", 75, 30},
};

static json_t *reason_json(const char *error)
{
    const struct deadletter_reason r = {.trace_id = "T",
                                        .source = "genesys",
                                        .event_id = "e1",
                                        .error = error,
                                        .error_class = "exhausted",
                                        .failed_at_ms = 1764000005000,
                                        .first_failed_at_ms = 1764000000000,
                                        .received_at_ms = 1763999999000,
                                        .retry_count = 2,
                                        .attempts = history,
                                        .attempt_count = 3};
    return deadletter_reason_json(&r);
}

/* A message with `users` attributes of value_len bytes beside ours. */
struct sample {
    struct sqs_attribute list[12];
    char names[12][8];
    char value[64];
    char *body;
    struct sqs_message m;
};

static void make_sample(struct sample *s, size_t users, size_t body_len)
{
    memset(s, 0, sizeof(*s));
    memset(s->value, 'v', 40);
    s->list[0] = (struct sqs_attribute){WEBHOOK_ATTRIBUTE, "String", "{\"v\":1}"};
    for (size_t i = 1; i <= users; i++) {
        snprintf(s->names[i], sizeof(s->names[i]), "user%zu", i);
        s->list[i] = (struct sqs_attribute){s->names[i], "String.label", s->value};
    }
    s->body = malloc(body_len + 1);
    memset(s->body, 'b', body_len);
    s->m = (struct sqs_message){.id = "m",
                                .receipt_handle = "h",
                                .body = s->body,
                                .body_len = body_len,
                                .attributes = s->list,
                                .attribute_count = users + 1};
}

static const char *value_of(const struct deadletter *d, const char *name)
{
    size_t count;
    const struct sqs_attribute *list = deadletter_attributes(d, &count);
    for (size_t i = 0; i < count; i++)
        if (strcmp(list[i].name, name) == 0)
            return list[i].value;
    return NULL;
}

static json_t *ours(const struct deadletter *d)
{
    const char *text = value_of(d, DEADLETTER_ATTRIBUTE);
    return text ? json_loads(text, 0, NULL) : NULL;
}

static const char *text_at(const json_t *o, const char *key)
{
    return json_string_value(json_object_get(o, key));
}

static void everything_is_kept_where_there_is_room(void **state)
{
    (void)state;
    for (size_t users = 0; users <= 8; users++) {
        struct sample s;
        make_sample(&s, users, 100);
        json_t *json = reason_json("it said \xc3\xa9 no");
        struct deadletter *d = deadletter_new(DEADLETTER_ATTRIBUTE, json, &s.m, SQS_MESSAGE_BYTES);
        size_t count;
        deadletter_attributes(d, &count);
        assert_int_equal(count, users + 2);
        assert_false(deadletter_is_cut(d));
        for (size_t i = 1; i <= users; i++)
            assert_string_equal(value_of(d, s.names[i]), s.value);
        assert_string_equal(value_of(d, WEBHOOK_ATTRIBUTE), "{\"v\":1}");
        json_t *got = ours(d);
        assert_string_equal(text_at(got, "error"), "it said \xc3\xa9 no");
        assert_string_equal(text_at(got, "error_class"), "exhausted");
        assert_string_equal(text_at(got, "failed_at"), "2025-11-24T16:00:05.000Z");
        assert_int_equal(json_integer_value(json_object_get(got, "retry_count")), 2);
        assert_int_equal(json_array_size(json_object_get(got, "attempts")), 3);
        assert_null(json_object_get(got, "cut"));
        json_decref(got);
        json_decref(json);
        deadletter_free(d);
        free(s.body);
    }
}

static void user_attributes_are_packed_beyond_ten(void **state)
{
    (void)state;
    for (size_t users = 9; users <= 10; users++) {
        struct sample s;
        make_sample(&s, users, 100);
        if (users == 10) /* ten of a stranger's, none of ours */
            s.list[0] = (struct sqs_attribute){"user0", "Number", "7"};
        s.m.attribute_count = 10;
        json_t *json = reason_json("no");
        struct deadletter *d = deadletter_new(DEADLETTER_ATTRIBUTE, json, &s.m, SQS_MESSAGE_BYTES);
        size_t count;
        deadletter_attributes(d, &count);
        assert_int_equal(count, users == 9 ? 2 : 1);
        assert_true(deadletter_is_cut(d));
        json_t *got = ours(d);
        assert_true(json_is_true(json_object_get(got, "cut")));
        const json_t *packed = json_object_get(got, "attributes");
        assert_int_equal(json_object_size(packed), users == 9 ? 9 : 10);
        assert_string_equal(text_at(json_object_get(packed, "user3"), "type"), "String.label");
        assert_string_equal(text_at(json_object_get(packed, "user3"), "value"), s.value);
        json_decref(got);
        json_decref(json);
        deadletter_free(d);
        free(s.body);
    }
}

static void an_older_attribute_of_the_same_name_is_replaced(void **state)
{
    (void)state;
    struct sample s;
    make_sample(&s, 9, 100);
    s.list[9] = (struct sqs_attribute){DEADLETTER_ATTRIBUTE, "String", "{\"old\":1}"};
    json_t *json = reason_json("no");
    struct deadletter *d = deadletter_new(DEADLETTER_ATTRIBUTE, json, &s.m, SQS_MESSAGE_BYTES);
    size_t count;
    deadletter_attributes(d, &count);
    assert_int_equal(count, 10);
    assert_false(deadletter_is_cut(d));
    json_t *got = ours(d);
    assert_null(json_object_get(got, "old"));
    json_decref(got);
    json_decref(json);
    deadletter_free(d);
    free(s.body);
}

/* Every possible room from none to plenty: the size is always held, the attributes of the message
 * are always there, and what is given up follows the stated order. */
static void each_limit_is_held_in_the_stated_order(void **state)
{
    (void)state;
    enum { BODY = 200 };
    struct sample s;
    make_sample(&s, 3, BODY);
    const struct sqs_outgoing bare = {
        .body = s.body, .body_len = BODY, .attributes = s.list, .attribute_count = 4};
    size_t own = sqs_message_bytes(&bare);
    size_t last_attempts = 0;
    size_t last_error = 0;
    bool was_there = false;
    for (size_t limit = own; limit < own + 1200; limit++) {
        json_t *json = reason_json("a rather long error text that may be shortened to fit");
        struct deadletter *d = deadletter_new(DEADLETTER_ATTRIBUTE, json, &s.m, limit);
        struct sqs_outgoing out = {.body = s.body, .body_len = BODY};
        out.attributes = deadletter_attributes(d, &out.attribute_count);
        assert_true(sqs_message_bytes(&out) <= limit);
        assert_non_null(value_of(d, WEBHOOK_ATTRIBUTE));
        for (int i = 1; i <= 3; i++)
            assert_string_equal(value_of(d, s.names[i]), s.value);
        json_t *got = ours(d);
        if (!got) {
            assert_false(was_there);
            assert_true(deadletter_is_cut(d));
        } else {
            size_t attempts = json_array_size(json_object_get(got, "attempts"));
            const char *error = text_at(got, "error");
            size_t error_len = error ? strlen(error) : 0;
            was_there = true;
            assert_true(attempts >= last_attempts && error_len >= last_error);
            assert_true(attempts == 0 || error_len == 53);
            assert_string_equal(text_at(got, "error_class"), "exhausted");
            assert_int_equal(json_is_true(json_object_get(got, "cut")), deadletter_is_cut(d));
            assert_int_equal(attempts == 3, !deadletter_is_cut(d));
            if (attempts == 1) /* the newest stays longest */
                assert_string_equal(
                    text_at(json_array_get(json_object_get(got, "attempts"), 0), "error"), "third");
            last_attempts = attempts;
            last_error = error_len;
        }
        json_decref(got);
        json_decref(json);
        deadletter_free(d);
    }
    assert_int_equal(last_attempts, 3);
    free(s.body);
}

static void a_full_message_goes_as_it_is(void **state)
{
    (void)state;
    struct sample s;
    make_sample(&s, 9, SQS_MESSAGE_BYTES - 700);
    const struct sqs_outgoing bare = {
        .body = s.body, .body_len = s.m.body_len, .attributes = s.list, .attribute_count = 10};
    json_t *json = reason_json("no");
    struct deadletter *d =
        deadletter_new(DEADLETTER_ATTRIBUTE, json, &s.m, sqs_message_bytes(&bare));
    size_t count;
    deadletter_attributes(d, &count);
    assert_int_equal(count, 10);
    assert_null(value_of(d, DEADLETTER_ATTRIBUTE));
    assert_non_null(value_of(d, "user9"));
    assert_true(deadletter_is_cut(d));
    json_decref(json);
    deadletter_free(d);
    free(s.body);
}

static void odd_bytes_stay_within_what_sqs_takes(void **state)
{
    (void)state;
    struct sample s;
    make_sample(&s, 0, 10);
    json_t *json = reason_json("bad \xff\xfe \x01 \xef\xbf\xbf end");
    struct deadletter *d = deadletter_new(DEADLETTER_ATTRIBUTE, json, &s.m, SQS_MESSAGE_BYTES);
    const char *text = value_of(d, DEADLETTER_ATTRIBUTE);
    assert_true(sqs_body_allowed(text, strlen(text)));
    json_decref(json);
    deadletter_free(d);
    free(s.body);
}

static void an_inspection_says_why(void **state)
{
    (void)state;
    struct sample s;
    make_sample(&s, 2, 10);
    const struct deadletter_inspection i = {.source = "cxone",
                                            .queue = "cxone",
                                            .message_id = "m-1",
                                            .reason = "the body is not JSON",
                                            .trace_id = "DLQ-1",
                                            .at_ms = 1764000000000};
    json_t *json = deadletter_inspection_json(&i);
    struct deadletter *d = deadletter_new(DEADLETTER_INSPECTION, json, &s.m, SQS_MESSAGE_BYTES);
    json_t *got = json_loads(value_of(d, DEADLETTER_INSPECTION), 0, NULL);
    assert_string_equal(text_at(got, "reason"), "the body is not JSON");
    assert_string_equal(text_at(got, "message_id"), "m-1");
    assert_string_equal(text_at(got, "at"), "2025-11-24T16:00:00.000Z");
    json_decref(got);
    json_decref(json);
    deadletter_free(d);
    free(s.body);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_is_kept_where_there_is_room),
        cmocka_unit_test(user_attributes_are_packed_beyond_ten),
        cmocka_unit_test(an_older_attribute_of_the_same_name_is_replaced),
        cmocka_unit_test(each_limit_is_held_in_the_stated_order),
        cmocka_unit_test(a_full_message_goes_as_it_is),
        cmocka_unit_test(odd_bytes_stay_within_what_sqs_takes),
        cmocka_unit_test(an_inspection_says_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

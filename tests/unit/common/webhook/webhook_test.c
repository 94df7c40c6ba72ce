#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/base/xalloc.h"
#include "common/webhook/webhook.h"

static struct webhook *hook_with(const void *body, size_t len)
{
    struct webhook *h = xcalloc(1, sizeof(*h));
    webhook_new_trace(1795253400123, h->trace_id);
    h->source = xstrdup("genesys");
    h->event_id = xstrdup("c-1+CALL_COMPLETED");
    h->content_type = xstrdup("application/json; charset=utf-8");
    h->schema_version = xstrdup("v2.1");
    h->received_at_ms = 1795253400123;
    h->body = xmemdup(len ? body : "", len ? len : 1);
    h->body_len = len;
    return h;
}

struct wire {
    struct buf body;
    struct buf value;
    struct sqs_attribute attribute;
    struct sqs_message message;
};

static void to_wire(const struct webhook *h, struct wire *w)
{
    *w = (struct wire){0};
    webhook_to_message(h, &w->body, &w->value);
    w->attribute =
        (struct sqs_attribute){.name = "Sluice", .type = "String", .value = w->value.data};
    w->message = (struct sqs_message){.id = "m-1",
                                      .body = w->body.data,
                                      .body_len = w->body.len,
                                      .attributes = &w->attribute,
                                      .attribute_count = 1,
                                      .sent_at_ms = 77};
    assert_true(sqs_body_allowed(w->body.data, w->body.len));
    assert_true(sqs_body_allowed(w->value.data, w->value.len));
}

static void wire_free(struct wire *w)
{
    buf_free(&w->body);
    buf_free(&w->value);
}

static void check_round_trip(const void *body, size_t len, const char *encoding)
{
    struct wire w;
    char reason[200];
    char marker[32];
    struct webhook *h = hook_with(body, len);
    to_wire(h, &w);
    snprintf(marker, sizeof(marker), "\"enc\":\"%s\"", encoding);
    assert_non_null(strstr(w.value.data, marker));
    struct webhook *back = webhook_from_message(&w.message, "other", "q", reason, sizeof(reason));
    assert_non_null(back);
    assert_string_equal(back->trace_id, h->trace_id);
    assert_string_equal(back->source, h->source);
    assert_string_equal(back->event_id, h->event_id);
    assert_string_equal(back->content_type, h->content_type);
    assert_string_equal(back->schema_version, h->schema_version);
    assert_int_equal(back->received_at_ms, h->received_at_ms);
    assert_int_equal(back->body_len, len);
    assert_memory_equal(back->body, h->body, len);
    webhook_free(back);
    webhook_free(h);
    wire_free(&w);
}

static void bodies_travel_byte_for_byte(void **state)
{
    (void)state;
    unsigned char all[256];
    for (int i = 0; i < 256; i++)
        all[i] = (unsigned char)i;
    for (int i = 0; i < 256; i++) { /* every single byte, and every length up to 256 */
        int raw = i == '\t' || i == '\n' || i == '\r' || (i >= ' ' && i < 128);
        check_round_trip(&all[i], 1, raw ? "raw" : "base64");
        check_round_trip(all, (size_t)i, i == 0 ? "empty" : "base64");
        check_round_trip(all + 32, (size_t)(i < 96 ? i : 96), i == 0 ? "empty" : "raw");
    }
    check_round_trip(" ", 1, "raw");
    check_round_trip("  ", 2, "raw");
    check_round_trip("\xef\xbb\xbf{}", 5, "raw");
    check_round_trip("\xef\xbf\xbe", 3, "base64"); /* U+FFFE */
    check_round_trip("{\"a\":\"\xf0\x9f\x98\x80\"}", 12, "raw");
    check_round_trip("a\r\nb", 4, "raw");
    check_round_trip("a\0b", 3, "base64");
}

static void the_largest_bodies_fit(void **state)
{
    (void)state;
    size_t limit = webhook_max_body(SQS_MESSAGE_BYTES);
    assert_int_equal(limit, 1048576 - 16384);
    assert_int_equal(webhook_max_body(100), 0);
    char *body = xcalloc(1, limit);
    for (int raw = 0; raw < 2; raw++) {
        struct wire w;
        memset(body, raw ? 'x' : 1, limit);
        struct webhook *h = hook_with(body, raw ? limit : limit / 4 * 3);
        free(h->content_type); /* the longest attribute there is */
        free(h->event_id);
        h->content_type = xcalloc(1, 4001);
        h->event_id = xcalloc(1, 513);
        for (int i = 0; i < 2000; i++)
            memcpy(h->content_type + 2 * i, "\xc3\xa9", 2);
        for (int i = 0; i < 256; i++)
            memcpy(h->event_id + 2 * i, "\xc3\xa9", 2);
        to_wire(h, &w);
        struct sqs_outgoing o = {.body = w.body.data,
                                 .body_len = w.body.len,
                                 .attributes = &w.attribute,
                                 .attribute_count = 1};
        assert_true(sqs_message_bytes(&o) <= SQS_MESSAGE_BYTES - 8192);
        wire_free(&w);
        webhook_free(h);
    }
    free(body);
}

static void strange_ids_and_types_are_made_safe(void **state)
{
    (void)state;
    struct wire w;
    char reason[200];
    struct webhook *h = hook_with("{}", 2);
    free(h->event_id);
    free(h->content_type);
    h->event_id = xstrdup("a\r\nb\xff");
    h->content_type = xstrdup("text/\x01\x7f\xc3");
    to_wire(h, &w);
    struct webhook *back = webhook_from_message(&w.message, "s", "q", reason, sizeof(reason));
    assert_non_null(back);
    assert_string_equal(back->event_id, "a%0D%0Ab%FF");
    assert_string_equal(back->content_type, "text/%01%7F%C3");
    webhook_free(back);
    webhook_free(h);
    wire_free(&w);
}

static void traces_are_ulids_in_order(void **state)
{
    (void)state;
    char last[WEBHOOK_TRACE_BYTES] = "";
    char next[WEBHOOK_TRACE_BYTES];
    for (int i = 0; i < 20000; i++) {
        webhook_new_trace(1795253400000 + i / 5000, next);
        assert_int_equal(strlen(next), 26);
        assert_int_equal(strspn(next, "0123456789ABCDEFGHJKMNPQRSTVWXYZ"), 26);
        assert_true(strcmp(last, next) < 0);
        memcpy(last, next, sizeof(last));
    }
    webhook_new_trace(1469918176385, next); /* the ULID specification's example time */
    assert_memory_equal(next, "01ARYZ6S41", 10);
    webhook_new_trace(0, next);
    assert_memory_equal(next, "0000000000", 10);
    webhook_new_trace((INT64_C(1) << 48) - 1, next);
    assert_memory_equal(next, "7ZZZZZZZZZ", 10);
}

static void derived_traces_are_stable(void **state)
{
    (void)state;
    char a[WEBHOOK_TRACE_BYTES];
    char b[WEBHOOK_TRACE_BYTES];
    webhook_derived_trace("q", "id", a);
    webhook_derived_trace("q", "id", b);
    assert_string_equal(a, b);
    assert_int_equal(strlen(a), 36);
    assert_memory_equal(a, "DLQ-", 4);
    webhook_derived_trace("qi", "d", b);
    assert_string_not_equal(a, b);
}

static void strangers_messages_are_events_too(void **state)
{
    (void)state;
    char reason[200];
    char trace[WEBHOOK_TRACE_BYTES];
    struct sqs_attribute other = {.name = "Other", .type = "String", .value = "x"};
    struct sqs_message m = {.id = "m-1",
                            .body = "hello",
                            .body_len = 5,
                            .attributes = &other,
                            .attribute_count = 1,
                            .sent_at_ms = 77};
    struct webhook *h = webhook_from_message(&m, "src", "q", reason, sizeof(reason));
    assert_non_null(h);
    webhook_derived_trace("q", "m-1", trace);
    assert_string_equal(h->trace_id, trace);
    assert_string_equal(h->source, "src");
    assert_string_equal(h->event_id, "");
    assert_int_equal(h->received_at_ms, 77);
    assert_int_equal(h->body_len, 5);
    assert_memory_equal(h->body, "hello", 5);
    webhook_free(h);
}

/* A good message with one thing replaced. */
static void check_broken(const char *from, const char *to, const char *body, const char *want)
{
    struct wire w;
    char reason[200] = "";
    struct webhook *h = hook_with("{}", 2);
    to_wire(h, &w);
    char *at = strstr(w.value.data, from);
    assert_non_null(at);
    char *value =
        xasprintf("%.*s%s%s", (int)(at - w.value.data), w.value.data, to, at + strlen(from));
    w.attribute.value = value;
    if (body) {
        w.message.body = body;
        w.message.body_len = strlen(body);
    }
    struct webhook *back = webhook_from_message(&w.message, "s", "q", reason, sizeof(reason));
    if (back || !strstr(reason, want))
        fail_msg("%s -> %s: %s", from, to, back ? "accepted" : reason);
    free(value);
    webhook_free(h);
    wire_free(&w);
}

static void broken_messages_are_named(void **state)
{
    (void)state;
    check_broken("{", "[", NULL, "not a JSON object");
    check_broken("\"v\":1", "\"v\":2", NULL, "version 2");
    check_broken("\"v\":1", "\"v\":\"1\"", NULL, "not ours");
    check_broken("\"trace\":\"", "\"trace\":\"../", NULL, "trace id");
    check_broken("\"trace\":\"", "\"trace\":\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", NULL,
                 "trace id");
    check_broken("\"trace\"", "\"ecart\"", NULL, "not ours");
    check_broken("\"enc\":\"raw\"", "\"enc\":\"gzip\"", NULL, "unknown encoding");
    check_broken("\"enc\":\"raw\"", "\"enc\":\"empty\"", NULL, "blank");
    check_broken("\"enc\":\"raw\"", "\"enc\":\"base64\"", NULL, "base64");
    check_broken("\"v\":1", "\"v\":1", "{ }", "SHA-256");
    check_broken("\"sha256\":\"", "\"sha256\":\"0", NULL, "SHA-256");
    static const char *const not_base64[] = {"e30",  "e30==", "=e30", "e3=0",
                                             "e30 ", " e30",  "e\n0="};
    for (size_t i = 0; i < sizeof(not_base64) / sizeof(*not_base64); i++)
        check_broken("\"enc\":\"raw\"", "\"enc\":\"base64\"", not_base64[i], "base64");
    char *huge = xcalloc(1, 20001);
    memset(huge, ' ', 20000);
    check_broken("{", huge, NULL, "not a JSON object");
    free(huge);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bodies_travel_byte_for_byte),
        cmocka_unit_test(the_largest_bodies_fit),
        cmocka_unit_test(strange_ids_and_types_are_made_safe),
        cmocka_unit_test(traces_are_ulids_in_order),
        cmocka_unit_test(derived_traces_are_stable),
        cmocka_unit_test(strangers_messages_are_events_too),
        cmocka_unit_test(broken_messages_are_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

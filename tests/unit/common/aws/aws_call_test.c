#include "common/aws/aws_call.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/aws/retry_quota.h"
#include "tests/unit/common/fake_aws.h"

#define STEPS(list) list, sizeof(list) / sizeof((list)[0])
#define THROTTLE                                                                                   \
    {                                                                                              \
        403, "{\"__type\":\"com.amazonaws.sqs#RequestThrottled\",\"message\":\"slow\"}", NULL,     \
            NULL, false                                                                            \
    }

struct seen {
    int calls;
    int releases;
    enum aws_class class;
    int status;
    int attempts;
    char code[96];
    char message[256];
    char body[256];
    bool json;
    struct aws_client *client;
    uint64_t cancel_id;
};

static void see(void *arg, const struct aws_reply *reply)
{
    struct seen *seen = arg;
    assert_int_equal(seen->releases, 0);
    seen->calls++;
    seen->class = reply->class;
    seen->status = reply->status;
    seen->attempts = reply->attempts;
    seen->json = reply->json != NULL;
    snprintf(seen->code, sizeof(seen->code), "%s", reply->code);
    snprintf(seen->message, sizeof(seen->message), "%s", reply->message);
    snprintf(seen->body, sizeof(seen->body), "%s", reply->body);
    if (seen->cancel_id)
        aws_cancel(seen->client, seen->cancel_id);
}

static void count_release(void *arg)
{
    ((struct seen *)arg)->releases++;
}

static struct aws_request post(int max_attempts)
{
    static const struct http_header headers[] = {{"Content-Type", "application/x-amz-json-1.0"},
                                                 {"X-Amz-Target", "AmazonSQS.Test"}};
    return (struct aws_request){
        .method = "POST",
        .path = "/",
        .query = "",
        .headers = headers,
        .header_count = 2,
        .body = "{\"a\":1}",
        .body_len = 7,
        .timeout_ms = 1000,
        .deadline_ms = 5000,
        .max_attempts = max_attempts,
        .json_answer = true,
    };
}

static struct seen ask(struct fake_aws *f, struct aws_request request)
{
    struct seen seen = {0};
    uint64_t id = aws_call(f->client, &f->endpoint, &request, see, count_release, &seen);
    assert_int_equal(seen.calls, 0);
    assert_true(id > 0);
    run_until(f->base, &seen.calls, 1);
    run_ms(f->base, 10);
    assert_int_equal(seen.calls, 1);
    assert_int_equal(seen.releases, 1);
    return seen;
}

static void a_call_is_signed_as_it_is_sent(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {{200, "{\"b\":2}", NULL, NULL, false}};
    struct fake_aws f = fake_aws_new("sqs", STEPS(steps), true);
    struct seen seen = ask(&f, post(3));
    assert_int_equal(seen.class, AWS_OK);
    assert_int_equal(seen.status, 200);
    assert_int_equal(seen.attempts, 1);
    assert_true(seen.json);
    assert_string_equal(seen.code, "");
    assert_string_equal(seen.body, "{\"b\":2}");
    assert_true(fake_aws_signed(&f, 0));
    char *authorization = fake_header(f.server, 0, "authorization");
    assert_non_null(
        strstr(authorization, "SignedHeaders=content-type;host;x-amz-date;x-amz-target,"));
    free(authorization);
    char *host = fake_header(f.server, 0, "host");
    assert_string_equal(host, f.server->url + 7);
    free(host);
    /* A path and a query, and a changed secret is noticed by the check itself. */
    struct aws_request request = post(1);
    request.path = "/a%20b/c";
    request.query = "z&a=%2F";
    ask(&f, request);
    assert_true(fake_aws_signed(&f, 1));
    f.server->requests[1][strlen(f.server->requests[1]) - 2] = '9';
    assert_false(fake_aws_signed(&f, 1));
    fake_aws_free(&f);
}

static void tokens_and_s3_hashes_are_signed(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {{200, "<xml/>", NULL, NULL, false}};
    struct fake_aws f = fake_aws_new("s3", STEPS(steps), false);
    fake_aws_keys(&f, "TOK+EN/x==");
    struct aws_request request = post(1);
    request.json_answer = false;
    struct seen seen = ask(&f, request);
    assert_int_equal(seen.class, AWS_OK);
    assert_true(fake_aws_signed(&f, 0));
    char *authorization = fake_header(f.server, 0, "authorization");
    assert_non_null(strstr(authorization, "SignedHeaders=content-type;host;x-amz-content-sha256;"
                                          "x-amz-date;x-amz-security-token;x-amz-target,"));
    free(authorization);
    char *token = fake_header(f.server, 0, "x-amz-security-token");
    assert_string_equal(token, "TOK+EN/x==");
    free(token);
    fake_aws_free(&f);
}

static void default_ports_are_not_in_the_host(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {{200, "{}", NULL, NULL, false}};
    struct fake_aws f = fake_aws_new("sqs", STEPS(steps), true);
    fake_free(f.server);
    char path[] = "/tmp/sluice-unit-XXXXXX";
    assert_non_null(mkdtemp(path));
    char *socket_path = xasprintf("%s/s", path);
    f.server = fake_unix(f.base, socket_path, STEPS(steps));
    f.endpoint.unix_socket = socket_path;
    f.endpoint.url = "http://store.local:80/prefix";
    struct seen seen = ask(&f, post(1));
    assert_int_equal(seen.class, AWS_OK);
    char *host = fake_header(f.server, 0, "host");
    assert_string_equal(host, "store.local");
    free(host);
    assert_int_equal(strncmp(f.server->requests[0], "POST /prefix/ HTTP/1.1", 22), 0);
    assert_true(fake_aws_signed(&f, 0));
    fake_aws_free(&f);
    assert_int_equal(unlink(socket_path) | rmdir(path), 0);
    free(socket_path);
}

/* The server's hint makes the second attempt fall into another second. */
static void every_attempt_has_a_fresh_signature(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {
        {500, "oops", "x-amz-retry-after: 1100\r\n", NULL, false}, {200, "{}", NULL, NULL, false}};
    struct fake_aws f = fake_aws_new("sqs", STEPS(steps), true);
    struct seen seen = ask(&f, post(3));
    assert_int_equal(seen.class, AWS_OK);
    assert_int_equal(seen.attempts, 2);
    assert_int_equal(f.server->request_count, 2);
    assert_true(f.server->at_ms[1] - f.server->at_ms[0] >= 1095);
    char *first = fake_header(f.server, 0, "x-amz-date");
    char *second = fake_header(f.server, 1, "x-amz-date");
    assert_string_not_equal(first, second);
    assert_true(fake_aws_signed(&f, 0) && fake_aws_signed(&f, 1));
    free(first);
    free(second);
    fake_aws_free(&f);
}

static void only_what_may_pass_is_retried(void **state)
{
    (void)state;
    static const struct {
        struct fake_step step;
        int max_attempts, attempts;
        enum aws_class class;
        const char *code;
    } CASES[] = {
        {{503, "", NULL, NULL, false}, 3, 3, AWS_TRANSIENT, "HTTP 503"},
        {{502, "<html>", NULL, NULL, true}, 2, 2, AWS_TRANSIENT, "HTTP 502"},
        {THROTTLE, 2, 2, AWS_THROTTLED, "RequestThrottled"},
        {THROTTLE, 1, 1, AWS_THROTTLED, "RequestThrottled"},
        {{400, "{\"__type\":\"ExpiredTokenException\"}", NULL, NULL, false},
         2,
         1,
         AWS_EXPIRED,
         "ExpiredTokenException"},
        {{400, "{\"__type\":\"a#QueueDoesNotExist\"}", NULL, NULL, false},
         3,
         1,
         AWS_MISSING,
         "QueueDoesNotExist"},
        {{400, "{\"__type\":\"a#InvalidParameterValue\"}", NULL, NULL, false},
         3,
         1,
         AWS_INVALID,
         "InvalidParameterValue"},
        {{403, "", NULL, NULL, false}, 3, 1, AWS_DENIED, "HTTP 403"},
        {{302, "", "Location: /\r\n", NULL, false}, 3, 1, AWS_INVALID, "HTTP 302"},
        {{200, "not JSON", NULL, NULL, false}, 3, 3, AWS_TRANSIENT, "UnreadableAnswer"},
        {{200, "{\"cut\":", NULL, NULL, false}, 2, 2, AWS_TRANSIENT, "UnreadableAnswer"},
        {{200, "[]", NULL, NULL, false}, 2, 2, AWS_TRANSIENT, "UnreadableAnswer"},
        {{0, NULL, NULL, NULL, true}, 3, 3, AWS_TRANSIENT, "ConnectionBroken"},
        {{0, NULL, NULL, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{", true},
         2,
         2,
         AWS_TRANSIENT,
         "ConnectionBroken"},
        {{200, "", NULL, NULL, false}, 2, 2, AWS_TRANSIENT, "UnreadableAnswer"},
        {{200, "{}", NULL, NULL, false}, 3, 1, AWS_OK, ""},
        {{200, " {\"a\":\"\\u0000\"} ", NULL, NULL, false}, 3, 1, AWS_OK, ""},
    };
    for (size_t i = 0; i < sizeof(CASES) / sizeof(CASES[0]); i++) {
        struct fake_aws f = fake_aws_new("sqs", &CASES[i].step, 1, true);
        struct seen seen = ask(&f, post(CASES[i].max_attempts));
        if (seen.class != CASES[i].class || seen.attempts != CASES[i].attempts ||
            strcmp(seen.code, CASES[i].code) || (int)f.server->request_count != seen.attempts)
            fail_msg("case %zu: %s, code %s, %d attempts, %zu requests", i,
                     aws_class_word(seen.class), seen.code, seen.attempts, f.server->request_count);
        fake_aws_free(&f);
    }
}

static void no_attempt_begins_after_the_deadline(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {{503, "", NULL, NULL, false}};
    struct fake_aws f = fake_aws_new("sqs", STEPS(steps), true);
    struct aws_request request = post(1000);
    request.deadline_ms = 600;
    int64_t start = clock_mono_ms();
    struct seen seen = ask(&f, request);
    assert_int_equal(seen.class, AWS_TRANSIENT);
    /* The deadline may cut the last attempt short. */
    assert_true(!strcmp(seen.code, "HTTP 503") || !strcmp(seen.code, "Timeout"));
    assert_true(seen.attempts > 1 && seen.attempts < 30);
    assert_true(clock_mono_ms() - start < 10000);
    fake_aws_free(&f);
    /* A silent server: each attempt has its own limit, the last one the deadline's rest. */
    static const struct fake_step silence[] = {{0, NULL, NULL, NULL, false}};
    f = fake_aws_new("sqs", STEPS(silence), true);
    request.timeout_ms = 150;
    request.deadline_ms = 400;
    start = clock_mono_ms();
    seen = ask(&f, request);
    assert_int_equal(seen.class, AWS_TRANSIENT);
    assert_string_equal(seen.code, "Timeout");
    assert_true(seen.attempts >= 2);
    assert_true(clock_mono_ms() - start < 10000);
    fake_aws_free(&f);
}

static void a_missing_key_is_waited_for(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {{200, "{}", NULL, NULL, false}};
    struct fake_aws f = fake_aws_new("sqs", STEPS(steps), false);
    struct aws_request request = post(3);
    request.deadline_ms = 120;
    struct seen seen = ask(&f, request);
    assert_int_equal(seen.class, AWS_NO_KEY);
    assert_string_equal(seen.code, "NoSigningKey");
    assert_int_equal(seen.status, 0);
    assert_int_equal(seen.attempts, 0);
    assert_int_equal(f.server->request_count, 0);
    struct seen late = {0};
    request.deadline_ms = 5000;
    aws_call(f.client, &f.endpoint, &request, see, NULL, &late);
    run_ms(f.base, 70);
    assert_int_equal(late.calls, 0);
    fake_aws_keys(&f, "");
    run_until(f.base, &late.calls, 1);
    assert_int_equal(late.class, AWS_OK);
    assert_int_equal(late.attempts, 1);
    fake_aws_free(&f);
}

struct asked {
    int needs;
    int stales;
    int64_t version;
};

static void on_need(void *arg, const struct aws_endpoint *e)
{
    assert_string_equal(e->identity, "embedded");
    ((struct asked *)arg)->needs++;
}

static void on_stale(void *arg, const struct aws_endpoint *e, int64_t version)
{
    struct asked *asked = arg;
    assert_string_equal(e->region, "local");
    asked->stales++;
    asked->version = version;
}

static void a_missing_key_is_asked_for_and_trouble_told(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {{200, "{}", NULL, NULL, false}};
    struct fake_aws f = fake_aws_new("sqs", STEPS(steps), false);
    struct asked asked = {0};
    aws_client_ask(f.client, &(struct aws_key_hooks){on_need, on_stale, &asked});
    struct aws_request request = post(3);
    request.deadline_ms = 60000;
    json_t *msg = json_pack("{s:s,s:s,s:s}", "kind", "trouble", "identity", "embedded", "error",
                            "no AWS credentials: set them");
    assert_int_equal(material_put(f.material, msg), 0);
    json_decref(msg);
    int64_t start = clock_mono_ms();
    struct seen seen = ask(&f, request);
    assert_in_range(clock_mono_ms() - start, AWS_TROUBLE_WAIT_MS, AWS_TROUBLE_WAIT_MS + 10000);
    assert_int_equal(seen.class, AWS_NO_KEY);
    assert_string_equal(seen.message, "no AWS credentials: set them");
    assert_true(asked.needs > 0);
    assert_int_equal(asked.stales, 0);
    fake_aws_free(&f);
}

#define EXPIRED                                                                                    \
    {                                                                                              \
        400, "{\"__type\":\"ExpiredTokenException\",\"message\":\"it has expired\"}", NULL, NULL,  \
            false                                                                                  \
    }
#define UNKNOWN_KEY                                                                                \
    {                                                                                              \
        403, "{\"__type\":\"UnrecognizedClientException\",\"message\":\"unknown\"}", NULL, NULL,   \
            false                                                                                  \
    }

static void a_refused_key_is_replaced_and_the_call_repeated_once(void **state)
{
    (void)state;
    static const struct fake_step scripts[][3] = {
        {EXPIRED, {200, "{}", NULL, NULL, false}},
        {UNKNOWN_KEY, {200, "{}", NULL, NULL, false}},
        {EXPIRED, EXPIRED, {200, "{}", NULL, NULL, false}},
    };
    for (size_t i = 0; i < sizeof(scripts) / sizeof(scripts[0]); i++) {
        struct fake_aws f = fake_aws_new("sqs", scripts[i], 3, true);
        struct asked asked = {0};
        struct seen seen = {0};
        aws_client_ask(f.client, &(struct aws_key_hooks){on_need, on_stale, &asked});
        struct aws_request request = post(5);
        request.deadline_ms = 60000;
        aws_call(f.client, &f.endpoint, &request, see, NULL, &seen);
        while (!asked.stales)
            event_base_loop(f.base, EVLOOP_ONCE);
        assert_int_equal(asked.version, 1);
        assert_int_equal(seen.calls, 0);
        fake_aws_keys_of(&f, "newer", 2);
        run_until(f.base, &seen.calls, 1);
        assert_int_equal(seen.class, i == 2 ? AWS_EXPIRED : AWS_OK);
        assert_int_equal(seen.attempts, 2);
        char *token = fake_header(f.server, 1, "x-amz-security-token");
        assert_string_equal(token, "newer");
        free(token);
        fake_aws_free(&f);
    }
}

/* A HEAD is told nothing. Where a key was replaced in a file, only a refusal has it read again. */
static void a_refusal_without_a_reason_may_be_for_the_key(void **state)
{
    (void)state;
    static const struct {
        struct fake_step step;
        int stales;
    } cases[] = {
        {{403, "", NULL, NULL, false}, 1},
        {{400, "", NULL, NULL, false}, 1},
        {{404, "", NULL, NULL, false}, 0},
        {{400, "", "x-amz-bucket-region: elsewhere\r\n", NULL, false}, 0},
        {{403, "<Error><Code>AccessDenied</Code></Error>", NULL, NULL, false}, 0},
        {{403, "<html>", NULL, NULL, false}, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fake_aws f = fake_aws_new("s3", &cases[i].step, 1, true);
        struct asked asked = {0};
        struct aws_key_hooks hooks = {on_need, on_stale, &asked};
        aws_client_ask(f.client, &hooks);
        struct aws_request request = post(3);
        request.deadline_ms = 60000;
        struct seen seen = ask(&f, request);
        assert_int_equal(seen.attempts, 1);
        assert_int_equal(asked.stales, cases[i].stales);
        fake_aws_free(&f);
    }
}

static void without_a_newer_key_the_refusal_is_the_reply(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {EXPIRED};
    struct fake_aws f = fake_aws_new("sqs", STEPS(steps), true);
    struct aws_request request = post(1);
    request.deadline_ms = 300;
    struct seen seen = ask(&f, request); /* nobody to ask */
    assert_int_equal(seen.class, AWS_EXPIRED);
    assert_int_equal(seen.attempts, 1);
    struct asked asked = {0};
    aws_client_ask(f.client, &(struct aws_key_hooks){on_need, on_stale, &asked});
    seen = ask(&f, request);
    assert_int_equal(seen.class, AWS_EXPIRED);
    assert_string_equal(seen.code, "ExpiredTokenException");
    assert_string_equal(seen.message, "it has expired");
    assert_true(asked.stales > 1);
    assert_int_equal(f.server->request_count, 2);
    fake_aws_free(&f);
}

/* An answer whose Date is off by so much (static: one at a time). */
static const char *date_header(int64_t off_ms)
{
    static char lines[64];
    char date[CLOCK_TEXT_BYTES];
    clock_http_date(clock_wall_ms() + off_ms, date);
    snprintf(lines, sizeof(lines), "Date: %s\r\n", date);
    return lines;
}

#define SKEWED "{\"__type\":\"x#InvalidSignatureException\",\"message\":\"Signature expired\"}"

static int64_t signed_off_by_ms(const struct fake_aws *f, size_t n)
{
    char *text = fake_header(f->server, n, "x-amz-date");
    int64_t at_ms;
    assert_int_equal(clock_parse_amz_date(text, &at_ms), 0);
    free(text);
    return at_ms - clock_wall_ms();
}

static void a_wrong_clock_is_corrected_once(void **state)
{
    (void)state;
    const struct fake_step steps[] = {{403, SKEWED, date_header(3600000), NULL, false},
                                      {200, "{}", date_header(3600000), NULL, false}};
    struct fake_aws f = fake_aws_new("sqs", STEPS(steps), true);
    struct seen seen = ask(&f, post(1));
    assert_int_equal(seen.class, AWS_OK);
    assert_int_equal(seen.attempts, 2);
    assert_in_range(signed_off_by_ms(&f, 0) + 5000, 0, 10000);
    assert_in_range(signed_off_by_ms(&f, 1), 3600000 - 5000, 3600000 + 5000);
    assert_true(fake_aws_signed(&f, 0) && fake_aws_signed(&f, 1));
    seen = ask(&f, post(1)); /* the next call knows it */
    assert_int_equal(seen.attempts, 1);
    assert_in_range(signed_off_by_ms(&f, 2), 3600000 - 5000, 3600000 + 5000);
    fake_aws_free(&f);
}

static void a_refused_signature_does_not_loop(void **state)
{
    (void)state;
    static const struct fake_step wrong = {
        403, "{\"__type\":\"x#SignatureDoesNotMatch\",\"message\":\"no\"}", NULL, NULL, false};
    struct fake_step steps[] = {wrong};
    steps[0].headers = date_header(0);
    struct fake_aws f = fake_aws_new("sqs", STEPS(steps), true);
    struct seen seen = ask(&f, post(3));
    assert_int_equal(seen.class, AWS_DENIED);
    assert_in_range(seen.attempts, 1, 2); /* a Date has whole seconds */
    fake_aws_free(&f);
    const struct fake_step still[] = {{403, SKEWED, date_header(-7200000), NULL, false}};
    f = fake_aws_new("sqs", STEPS(still), true);
    seen = ask(&f, post(3));
    assert_int_equal(seen.class, AWS_SKEW);
    assert_int_equal(seen.attempts, 2);
    fake_aws_free(&f);
    const struct fake_step beyond[] = {{403, SKEWED, date_header(INT64_C(864000000)), NULL, false}};
    f = fake_aws_new("sqs", STEPS(beyond), true);
    seen = ask(&f, post(3));
    assert_int_equal(seen.class, AWS_SKEW);
    assert_int_equal(seen.attempts, 1);
    fake_aws_free(&f);
}

/* The Date may be that of a proxy with a wrong clock: what was not refused was dated well. */
static void an_answer_that_refuses_nothing_does_not_move_the_clock(void **state)
{
    (void)state;
    const struct fake_step steps[] = {
        {200, "{}", date_header(-600000), NULL, false},
        {400, "{\"__type\":\"a#QueueDoesNotExist\"}", date_header(-600000), NULL, false},
        {502, "<html>", date_header(-600000), NULL, false}};
    struct fake_aws f = fake_aws_new("sqs", STEPS(steps), true);
    for (size_t i = 0; i < 4; i++) {
        ask(&f, post(1));
        assert_in_range(signed_off_by_ms(&f, i) + 5000, 0, 10000);
    }
    fake_aws_free(&f);
}

/* Another reason is given: the clock, too, is wrong. */
static void the_clock_is_learned_from_a_refusal(void **state)
{
    (void)state;
    const struct fake_step steps[] = {
        {403, "{\"__type\":\"a#AccessDenied\"}", date_header(-600000), NULL, false}};
    struct fake_aws f = fake_aws_new("sqs", STEPS(steps), true);
    struct seen seen = ask(&f, post(3));
    assert_int_equal(seen.attempts, 1);
    seen = ask(&f, post(3));
    assert_int_equal(seen.attempts, 1);
    assert_in_range(-signed_off_by_ms(&f, 1), 600000 - 5000, 600000 + 5000);
    fake_aws_free(&f);
}

/* The refusal of a HEAD has no code, so it may be for the date. */
static void a_refusal_without_a_reason_is_redated_once(void **state)
{
    (void)state;
    const struct fake_step steps[] = {{403, "", date_header(-600000), NULL, false},
                                      {200, "", date_header(-600000), NULL, false}};
    struct fake_aws f = fake_aws_new("s3", STEPS(steps), true);
    struct aws_request head = post(1);
    head.method = "HEAD";
    head.json_answer = false;
    struct seen seen = ask(&f, head);
    assert_int_equal(seen.class, AWS_OK);
    assert_int_equal(seen.attempts, 2);
    assert_in_range(-signed_off_by_ms(&f, 1), 600000 - 5000, 600000 + 5000);
    fake_aws_free(&f);
    const struct fake_step denied[] = {{403, "", date_header(-600000), NULL, false}};
    f = fake_aws_new("s3", STEPS(denied), true);
    seen = ask(&f, head);
    assert_int_equal(seen.class, AWS_DENIED);
    assert_int_equal(seen.attempts, 2);
    fake_aws_free(&f);
    const struct fake_step well_dated[] = {{403, "", date_header(0), NULL, false}};
    f = fake_aws_new("s3", STEPS(well_dated), true);
    assert_int_equal(ask(&f, head).attempts, 1);
    fake_aws_free(&f);
}

/* A service that fails for everybody: after a while a call gets one attempt. */
static void the_retry_quota_ends_retries(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {{500, "", NULL, NULL, false}};
    struct fake_aws f = fake_aws_new("sqs", STEPS(steps), true);
    struct aws_request request = post(2);
    int attempts = 0;
    request.deadline_ms = 60000;
    for (int i = 0; i < 40; i++) {
        attempts += ask(&f, request).attempts;
        while (f.server->request_count) {
            free(f.server->requests[--f.server->request_count]);
            f.server->requests[f.server->request_count] = NULL;
        }
    }
    assert_int_equal(attempts, 40 + RETRY_QUOTA_FULL / 14);
    fake_aws_free(&f);
}

static bool says_good(const struct aws_reply *reply)
{
    return strcmp(reply->body, "{\"good\":1}") == 0;
}

static void a_damaged_answer_is_asked_for_again(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {{200, "{\"bad\":1}", NULL, NULL, false},
                                             {200, "{\"good\":1}", NULL, NULL, false}};
    struct fake_aws f = fake_aws_new("dynamodb", STEPS(steps), true);
    struct aws_request request = post(2);
    request.intact = says_good;
    struct seen seen = ask(&f, request);
    assert_int_equal(seen.class, AWS_OK);
    assert_int_equal(seen.attempts, 2);
    fake_aws_free(&f);
}

static void cancelled_calls_are_released(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {{0, NULL, NULL, NULL, false}};
    struct fake_aws f = fake_aws_new("sqs", STEPS(steps), true);
    struct seen sent = {0}, waiting = {0}, left = {0};
    struct aws_request request = post(3);
    uint64_t id = aws_call(f.client, &f.endpoint, &request, see, count_release, &sent);
    struct aws_endpoint unknown = f.endpoint;
    unknown.region = "elsewhere";
    uint64_t other = aws_call(f.client, &unknown, &request, see, count_release, &waiting);
    request.long_poll = true;
    aws_call(f.client, &f.endpoint, &request, see, count_release, &left);
    run_ms(f.base, 60);
    assert_int_equal(f.server->request_count, 2);
    aws_cancel(f.client, id);
    aws_cancel(f.client, id);
    aws_cancel(f.client, other);
    aws_cancel(f.client, 0);
    run_ms(f.base, 60);
    assert_int_equal(sent.calls + waiting.calls + left.calls, 0);
    assert_int_equal(sent.releases, 1);
    assert_int_equal(waiting.releases, 1);
    assert_int_equal(left.releases, 0);
    fake_aws_free(&f);
    assert_int_equal(left.releases, 1);
    assert_int_equal(left.calls, 0);
}

static void cancelling_inside_a_callback_is_safe(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {{200, "{}", NULL, NULL, false}};
    struct fake_aws f = fake_aws_new("sqs", STEPS(steps), true);
    struct seen one = {.client = f.client}, two = {.client = f.client};
    struct aws_request request = post(1);
    two.cancel_id = aws_call(f.client, &f.endpoint, &request, see, count_release, &one);
    one.cancel_id = aws_call(f.client, &f.endpoint, &request, see, count_release, &two);
    run_ms(f.base, 100);
    assert_int_equal(one.calls + two.calls, 1);
    assert_int_equal(one.releases + two.releases, 2);
    struct seen own = {.client = f.client};
    own.cancel_id = two.cancel_id + 2;
    aws_call(f.client, &f.endpoint, &request, see, count_release, &own);
    run_until(f.base, &own.calls, 1);
    assert_int_equal(own.releases, 1);
    fake_aws_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_is_signed_as_it_is_sent),
        cmocka_unit_test(tokens_and_s3_hashes_are_signed),
        cmocka_unit_test(default_ports_are_not_in_the_host),
        cmocka_unit_test(every_attempt_has_a_fresh_signature),
        cmocka_unit_test(only_what_may_pass_is_retried),
        cmocka_unit_test(no_attempt_begins_after_the_deadline),
        cmocka_unit_test(a_missing_key_is_waited_for),
        cmocka_unit_test(a_missing_key_is_asked_for_and_trouble_told),
        cmocka_unit_test(a_refused_key_is_replaced_and_the_call_repeated_once),
        cmocka_unit_test(a_refusal_without_a_reason_may_be_for_the_key),
        cmocka_unit_test(without_a_newer_key_the_refusal_is_the_reply),
        cmocka_unit_test(a_wrong_clock_is_corrected_once),
        cmocka_unit_test(a_refused_signature_does_not_loop),
        cmocka_unit_test(an_answer_that_refuses_nothing_does_not_move_the_clock),
        cmocka_unit_test(the_clock_is_learned_from_a_refusal),
        cmocka_unit_test(a_refusal_without_a_reason_is_redated_once),
        cmocka_unit_test(the_retry_quota_ends_retries),
        cmocka_unit_test(a_damaged_answer_is_asked_for_again),
        cmocka_unit_test(cancelled_calls_are_released),
        cmocka_unit_test(cancelling_inside_a_callback_is_safe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "common/delivery/http_verdict.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void every_status(void **state)
{
    (void)state;
    for (int status = 100; status <= 999; status++) {
        bool later = status == 408 || status == 425 || status == 429 || status / 100 == 5;
        enum verdict expected = status / 100 == 2 ? DELIVERED : later ? RETRY : DEAD;
        const char *class = expected == DELIVERED ? ""
                            : expected == RETRY   ? "destination"
                                                  : "rejected";
        const enum http_outcome outcomes[] = {HTTP_ANSWERED, HTTP_TOO_LARGE};
        for (int i = 0; i < 2; i++) {
            struct http_verdict v = http_verdict_of(outcomes[i], status);
            assert_int_equal(v.verdict, expected);
            assert_string_equal(v.class, class);
            assert_int_equal(v.of_destination,
                             status == 429 || status == 502 || status == 503 || status == 504);
        }
    }
}

static void no_answer(void **state)
{
    (void)state;
    static const struct {
        enum http_outcome outcome;
        const char *class;
    } cases[] = {{HTTP_TIMEOUT, "timeout"},
                 {HTTP_UNREACHABLE, "network"},
                 {HTTP_BROKEN, "network"},
                 {HTTP_TOO_LARGE, "network"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct http_verdict v = http_verdict_of(cases[i].outcome, 0);
        assert_int_equal(v.verdict, RETRY);
        assert_string_equal(v.class, cases[i].class);
        assert_true(v.of_destination);
    }
}

static void expect_words(int status, const char *name, const char *value, const char *body,
                         const char *expected)
{
    const struct http_header header = {name, value};
    const struct http_answer answer = {.outcome = HTTP_ANSWERED,
                                       .status = status,
                                       .error = "",
                                       .body = body,
                                       .body_len = strlen(body),
                                       .headers = &header,
                                       .header_count = name ? 1 : 0};
    char *words = http_verdict_words(&answer, "T0ken/s");
    assert_string_equal(words, expected);
    free(words);
}

static void words_for_people(void **state)
{
    (void)state;
    expect_words(500, NULL, NULL, "secret", "HTTP status 500");
    expect_words(500, "Content-Type", "text/html", "<p>", "HTTP status 500");
    expect_words(400, "content-type", "text/plain; charset=utf-8", "\n no such call\nmore",
                 "HTTP status 400: no such call");
    expect_words(422, "Content-Type", "application/problem+json", "{\"title\":\"x\"}",
                 "HTTP status 422: {\"title\":\"x\"}");
    expect_words(429, "Content-Type", "application/json", "", "HTTP status 429");
    expect_words(302, NULL, NULL, "", "HTTP status 302: redirects are not followed");
    expect_words(301, "Location", "https://else.where/a?token=1", "",
                 "HTTP status 301: redirects are not followed; it points to https://else.where/a");
    char body[400], expected[200];
    memset(body, 'x', sizeof(body) - 1);
    body[sizeof(body) - 1] = '\0';
    snprintf(expected, sizeof(expected), "HTTP status 503: %.120s", body);
    expect_words(503, "Content-Type", "text/plain", body, expected);
    /* It is masked before the text is cut off. */
    memcpy(body + 117, "T0KEN/S", 7);
    snprintf(expected, sizeof(expected), "HTTP status 503: %.117s***", body);
    expect_words(503, "Content-Type", "text/plain", body, expected);
    expect_words(401, "Content-Type", "text/plain", "no T0ken/sT0ken/s",
                 "HTTP status 401: no **************");
    const struct http_answer none = {.outcome = HTTP_TIMEOUT, .error = "no answer in time"};
    char *words = http_verdict_words(&none, "");
    assert_string_equal(words, "no answer in time");
    free(words);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_status),
        cmocka_unit_test(no_answer),
        cmocka_unit_test(words_for_people),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "workers/permissions.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/common/fake_aws.h"

struct seen {
    json_t *lines; /* own */
    int ends;
};

static void on_lines(void *arg, json_t *lines, bool last)
{
    struct seen *seen = arg;
    json_array_extend(seen->lines, lines);
    json_decref(lines);
    seen->ends += last;
}

static void assert_sent(const struct fake_aws *f, size_t n, const char *start)
{
    assert_true(n < f->server->request_count);
    assert_int_equal(strncmp(f->server->requests[n], start, strlen(start)), 0);
}

static void assert_text(const struct seen *seen, size_t n, const char *part)
{
    const json_t *line = json_array_get(seen->lines, n);
    assert_true(json_is_true(json_object_get(line, "ok")));
    assert_non_null(strstr(json_string_value(json_object_get(line, "text")), part));
}

static struct seen check(struct fake_aws *f)
{
    struct seen seen = {.lines = json_array()};
    struct checkup *c = checkup_new(f->base, f->client, "retry", on_lines, &seen);
    permissions_bucket(c, &f->endpoint, "letters", "dlq/");
    checkup_run(c);
    run_until(f->base, &seen.ends, 1);
    return seen;
}

static void a_bucket_is_tried_without_writing(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {
        {200, "", NULL, NULL, false},
        {404, "<Error><Code>NoSuchKey</Code></Error>", NULL, NULL, false}};
    struct fake_aws f = fake_aws_new("s3", steps, 2, true);
    struct seen seen = check(&f);
    assert_int_equal(f.server->request_count, 3);
    assert_sent(&f, 0, "HEAD /letters ");
    assert_sent(&f, 1, "PUT /letters/dlq/sluice-check ");
    assert_non_null(strstr(f.server->requests[1], "If-Match: " PERMISSIONS_PROBE_ETAG));
    assert_sent(&f, 2, "GET /letters/dlq/sluice-check ");
    for (size_t i = 0; i < 3; i++)
        assert_text(&seen, i, "ok");
    json_decref(seen.lines);
    fake_aws_free(&f);
}

/* No condition would keep the object from being written. */
static void without_conditions_no_put_is_tried(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {
        {200, "", NULL, NULL, false},
        {404, "<Error><Code>NoSuchKey</Code></Error>", NULL, NULL, false}};
    struct fake_aws f = fake_aws_new("s3", steps, 2, true);
    f.endpoint.unconditional = true;
    struct seen seen = check(&f);
    assert_int_equal(f.server->request_count, 2);
    assert_sent(&f, 0, "HEAD /letters ");
    assert_sent(&f, 1, "GET /letters/dlq/sluice-check ");
    assert_int_equal(json_array_size(seen.lines), 3);
    assert_text(&seen, 0, "s3:PutObject is not tried");
    json_decref(seen.lines);
    fake_aws_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bucket_is_tried_without_writing),
        cmocka_unit_test(without_conditions_no_put_is_tried),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

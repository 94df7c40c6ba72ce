#include "common/aws/bucket_open.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/common/fake_aws.h"

#define ERROR(code) "<Error><Code>" code "</Code><Message>no</Message></Error>"
#define REFUSED                                                                                    \
    {                                                                                              \
        412, ERROR("PreconditionFailed"), NULL, NULL, false                                        \
    }
#define DONE                                                                                       \
    {                                                                                              \
        200, NULL, "ETag: \"1\"\r\n", NULL, false                                                  \
    }

static const struct bucket_open_options bucket_options = {"b", "dlq/", "retry"};

struct opened {
    int calls;
    struct opening *free_me; /* from inside the callback */
};

static void see(void *arg)
{
    struct opened *o = arg;
    o->calls++;
    opening_free(o->free_me);
}

/* As fake_aws_new, but not the embedded store. */
static struct fake_aws new_elsewhere(const struct fake_step *steps, size_t count)
{
    struct fake_aws f = fake_aws_new("s3", steps, count, false);
    f.endpoint.identity = "aws";
    fake_aws_keys(&f, "");
    return f;
}

static struct opening *start(struct fake_aws *f, struct opened *o)
{
    return bucket_open_start(f->base, f->client, &f->endpoint, &bucket_options, see, o);
}

static void assert_header(struct fake_aws *f, size_t n, const char *name, const char *expected)
{
    char *value = fake_header(f->server, n, name);
    if (expected)
        assert_string_equal(value, expected);
    else
        assert_null(value);
    free(value);
}

static void wait_for_text(struct fake_aws *f, struct opening *open, const char *text)
{
    for (int i = 0; i < 5000 && !strstr(opening_waiting(open), text); i++)
        run_ms(f->base, 1);
    assert_non_null(strstr(opening_waiting(open), text));
}

/* While the bucket is asked for, and while its conditions are tried. */
static void giving_up_is_silent(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {DONE, {0, NULL, NULL, NULL, false}};
    for (size_t asked = 1; asked <= 2; asked++) {
        struct fake_aws f = new_elsewhere(steps + 2 - asked, asked);
        struct opened o = {0};
        struct opening *open = start(&f, &o);
        for (int i = 0; i < 5000 && f.server->request_count < asked; i++)
            run_ms(f.base, 1);
        assert_int_equal(f.server->request_count, asked);
        opening_free(open);
        run_ms(f.base, 20);
        assert_int_equal(o.calls, 0);
        fake_aws_free(&f);
    }
    opening_free(NULL);
}

static void a_bucket_is_made(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {
        {403, ERROR("AccessDenied"), NULL, NULL, false},
        {503, NULL, NULL, NULL, true},
        {409, "<Error><Code>BucketAlreadyOwnedByYou</Code></Error>", NULL, NULL, false}};
    struct fake_aws f = fake_aws_new("s3", steps, 3, true);
    struct opened o = {0};
    struct opening *open =
        bucket_open_start(f.base, f.client, &f.endpoint, &bucket_options, see, &o);
    assert_non_null(strstr(opening_waiting(open), "bucket \"b\": "));
    for (int i = 0; i < 1000 && !strstr(opening_waiting(open), "AccessDenied"); i++)
        run_ms(f.base, 1);
    assert_string_equal(
        opening_waiting(open),
        "bucket \"b\": s3:CreateBucket is denied; allow it to the account of this service, "
        "etc/iam/retry.json is the policy that this worker needs (AccessDenied: no)");
    assert_non_null(opening_error(open));
    run_until(f.base, &o.calls, 1);
    assert_null(opening_waiting(open));
    assert_int_equal(f.server->request_count, 3);
    assert_memory_equal(f.server->requests[0], "PUT /b HTTP/1.1", 15);
    opening_free(open);
    fake_aws_free(&f);
}

/* The object is there from another time, or is made now. */
static void conditions_that_are_kept(void **state)
{
    (void)state;
    static const struct fake_step there[] = {DONE, REFUSED, REFUSED, REFUSED};
    static const struct fake_step made[] = {
        DONE, DONE, REFUSED, {404, ERROR("NoSuchKey"), NULL, NULL, false}};
    const struct fake_step *const all[] = {there, made};
    for (size_t i = 0; i < 2; i++) {
        struct fake_aws f = new_elsewhere(all[i], 4);
        struct opened o = {0};
        o.free_me = start(&f, &o);
        run_until(f.base, &o.calls, 1);
        assert_int_equal(f.server->request_count, 4);
        assert_memory_equal(f.server->requests[0], "HEAD /b HTTP/1.1", 16);
        for (size_t n = 1; n < 4; n++)
            assert_memory_equal(f.server->requests[n], "PUT /b/dlq/.sluice-probe HTTP/1.1", 33);
        assert_header(&f, 1, "if-none-match", "*");
        assert_header(&f, 2, "if-none-match", "*");
        assert_header(&f, 3, "if-none-match", NULL);
        assert_header(&f, 3, "if-match", "\"00000000000000000000000000000000\"");
        fake_aws_free(&f);
    }
}

struct refusal {
    struct fake_step steps[4];
    const char *tried;
};

static void conditions_that_are_ignored(void **state)
{
    (void)state;
    static const struct refusal all[] = {
        {{DONE, DONE, DONE, DONE}, "If-None-Match: * was answered with HTTP 200 where 412"},
        {{DONE, REFUSED, REFUSED, DONE},
         "If-Match and the ETag of no object was answered with HTTP 200 where 412"},
        {{DONE, {501, ERROR("NotImplemented"), NULL, NULL, false}},
         "If-None-Match: * was answered with HTTP 501 where 412"},
    };
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
        struct fake_aws f = new_elsewhere(all[i].steps, all[i].steps[2].status ? 4 : 2);
        struct opened o = {0};
        struct opening *open = start(&f, &o);
        wait_for_text(&f, open, all[i].tried);
        const char *error = opening_error(open);
        assert_non_null(error);
        assert_non_null(strstr(error, "bucket \"b\": its server does not keep conditions: "
                                      "PutObject of \"dlq/.sluice-probe\" with "));
        assert_non_null(strstr(error, "dead letters would overwrite each other; keep them on "
                                      "another service, or set dead_letters.conditional_writes to "
                                      "false"));
        assert_int_equal(o.calls, 0);
        opening_free(open);
        fake_aws_free(&f);
    }
}

static void without_conditions_none_is_tried(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {DONE};
    struct fake_aws f = new_elsewhere(steps, 1);
    struct opened o = {0};
    f.endpoint.unconditional = true;
    o.free_me = start(&f, &o);
    run_until(f.base, &o.calls, 1);
    assert_int_equal(f.server->request_count, 1);
    fake_aws_free(&f);
}

/* A trial that cannot be made is no verdict: it is made again. */
static void a_trial_that_is_denied_is_repeated(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {
        DONE, {403, ERROR("AccessDenied"), NULL, NULL, false}, DONE, DONE, REFUSED, REFUSED};
    struct fake_aws f = new_elsewhere(steps, 6);
    struct opened o = {0};
    struct opening *open = start(&f, &o);
    wait_for_text(&f, open,
                  "s3:PutObject is denied; allow it to the account of this service, "
                  "etc/iam/retry.json is the policy");
    assert_non_null(opening_error(open));
    run_until(f.base, &o.calls, 1);
    assert_int_equal(f.server->request_count, 6);
    assert_null(opening_waiting(open));
    assert_null(opening_error(open));
    opening_free(open);
    fake_aws_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(giving_up_is_silent),
        cmocka_unit_test(a_bucket_is_made),
        cmocka_unit_test(conditions_that_are_kept),
        cmocka_unit_test(conditions_that_are_ignored),
        cmocka_unit_test(without_conditions_none_is_tried),
        cmocka_unit_test(a_trial_that_is_denied_is_repeated),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

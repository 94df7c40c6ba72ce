#include "workers/retry/letter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/common/fake_aws.h"

#define THERE                                                                                      \
    {                                                                                              \
        200, "as it was read", "ETag: \"e\"\r\n", NULL, false                                      \
    }
#define REWRITTEN                                                                                  \
    {                                                                                              \
        200, "as others wrote it", "ETag: \"f\"\r\n", NULL, false                                  \
    }
#define DONE                                                                                       \
    {                                                                                              \
        204, NULL, NULL, NULL, false                                                               \
    }
#define LOST                                                                                       \
    {                                                                                              \
        0, NULL, NULL, NULL, true                                                                  \
    }
#define BUSY                                                                                       \
    {                                                                                              \
        503, "", NULL, NULL, false                                                                 \
    }
#define REFUSED                                                                                    \
    {                                                                                              \
        412, "<Error><Code>PreconditionFailed</Code></Error>", NULL, NULL, false                   \
    }
#define GONE                                                                                       \
    {                                                                                              \
        404, "<Error><Code>NoSuchKey</Code></Error>", NULL, NULL, false                            \
    }

struct seen {
    bool done;
    enum letter_answer answer;
    char text[128];
};

static void see(void *arg, enum letter_answer answer, const char *text)
{
    struct seen *seen = arg;
    seen->done = true;
    seen->answer = answer;
    snprintf(seen->text, sizeof(seen->text), "%s", text);
}

static void wait_for(struct fake_aws *f, struct seen *seen)
{
    int64_t until_ms = clock_mono_ms() + 60000;
    while (!seen->done && clock_mono_ms() < until_ms)
        event_base_loop(f->base, EVLOOP_ONCE);
    assert_true(seen->done);
}

/* The first step is the read. */
static void delete_ends_as(const struct fake_step *steps, size_t count, enum letter_answer answer,
                           const char *text)
{
    struct fake_aws f = fake_aws_new("s3", steps, count, true);
    const struct dead_letters d = {
        .base = f.base, .client = f.client, .s3 = &f.endpoint, .bucket = "dead"};
    struct letter *l = letter_new(&d, "dlq/a");
    struct seen was_read = {0}, deleted = {0};
    letter_read(l, see, &was_read);
    wait_for(&f, &was_read);
    assert_int_equal(was_read.answer, LETTER_UNREADABLE); /* what is in it does not matter */
    letter_delete(l, see, &deleted);
    wait_for(&f, &deleted);
    char *condition = fake_header(f.server, 1, "if-match");
    assert_string_equal(condition, "\"e\"");
    assert_int_equal(f.server->request_count, count);
    assert_int_equal(deleted.answer, answer);
    assert_string_equal(deleted.text, text);
    free(condition);
    letter_free(l);
    fake_aws_free(&f);
}

#define DELETE_ENDS_AS(answer, text, ...)                                                          \
    do {                                                                                           \
        static const struct fake_step steps[] = {THERE, __VA_ARGS__};                              \
        delete_ends_as(steps, sizeof(steps) / sizeof(steps[0]), answer, text);                     \
    } while (0)

static void what_is_gone_is_deleted_whatever_became_of_the_answer(void **state)
{
    (void)state;
    DELETE_ENDS_AS(LETTER_OK, "", DONE);
    DELETE_ENDS_AS(LETTER_OK, "", LOST, DONE);
    DELETE_ENDS_AS(LETTER_OK, "", LOST, GONE);
    DELETE_ENDS_AS(LETTER_OK, "", LOST, REFUSED, GONE);
    DELETE_ENDS_AS(LETTER_OK, "", BUSY, BUSY, BUSY, GONE);
}

static void what_is_still_there_is_not_deleted(void **state)
{
    (void)state;
    DELETE_ENDS_AS(LETTER_CHANGED, "it was changed meanwhile", REFUSED, REWRITTEN);
    DELETE_ENDS_AS(LETTER_CHANGED, "it was changed meanwhile", LOST, REFUSED, REWRITTEN);
    DELETE_ENDS_AS(LETTER_TROUBLE, "the storage did not delete it", BUSY, BUSY, BUSY, THERE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_gone_is_deleted_whatever_became_of_the_answer),
        cmocka_unit_test(what_is_still_there_is_not_deleted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

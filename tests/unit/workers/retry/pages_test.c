#include "workers/retry/pages.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/common/fake_aws.h"

#define PAGE(inside, truncated)                                                                    \
    "<ListBucketResult>" inside "<IsTruncated>" truncated "</IsTruncated></ListBucketResult>"
#define OBJECT(key) "<Contents><Key>" key "</Key></Contents>"
#define TOKEN(token) "<NextContinuationToken>" token "</NextContinuationToken>"

struct world {
    struct pages *pages;
    struct walk *walk;
    char met[256], error[256];
    bool done;
};

static void on_list(void *arg, const char *after)
{
    struct world *w = arg;
    pages_list(w->pages, w->walk, after);
}

static bool on_start(void *arg, const char *key)
{
    struct world *w = arg;
    strcat(strcat(w->met, key), " ");
    return false;
}

static void on_done(void *arg, const struct walk_end *end)
{
    struct world *w = arg;
    snprintf(w->error, sizeof(w->error), "%s", end->error);
    w->done = true;
}

/* Walks over what the server lists; the requests' lines are left in f. */
static void walk(struct fake_aws *f, struct world *w)
{
    const struct dead_letters d = {.base = f->base,
                                   .client = f->client,
                                   .s3 = &f->endpoint,
                                   .bucket = "dead",
                                   .prefix = "dlq/"};
    const struct walk_options options = {.after = "",
                                         .beyond = "",
                                         .limit = 100,
                                         .max_keys = 100,
                                         .window = 1,
                                         .start_until_mono_ms = clock_mono_ms() + 10000,
                                         .list = on_list,
                                         .start = on_start,
                                         .done = on_done,
                                         .arg = w};
    w->pages = pages_new(&d, 250);
    w->walk = walk_new(f->base, &options);
    int64_t until_ms = clock_mono_ms() + 15000;
    while (!w->done && clock_mono_ms() < until_ms)
        event_base_loop(f->base, EVLOOP_ONCE);
    assert_true(w->done);
    walk_free(w->walk);
    pages_free(w->pages);
}

static bool asked(const struct fake_aws *f, size_t n, const char *what)
{
    return n < f->server->request_count && strstr(f->server->requests[n], what);
}

/* As in a bucket with versions where much was deleted. */
static void a_page_without_keys_is_not_the_end(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {
        {200, PAGE(TOKEN("t/1"), "true"), NULL, NULL, false},
        {200, PAGE(TOKEN("t/2"), "true"), NULL, NULL, false},
        {200, PAGE(OBJECT("dlq/a") TOKEN("t/3"), "true"), NULL, NULL, false},
        {200, PAGE(OBJECT("dlq/b"), "false"), NULL, NULL, false}};
    struct fake_aws f = fake_aws_new("s3", steps, 4, true);
    struct world w = {0};
    walk(&f, &w);
    assert_string_equal(w.met, "dlq/a dlq/b ");
    assert_string_equal(w.error, "");
    assert_true(asked(&f, 1, "continuation-token=t%2F1"));
    assert_true(asked(&f, 2, "continuation-token=t%2F2"));
    assert_true(asked(&f, 3, "start-after=dlq%2Fa") && !asked(&f, 3, "continuation-token"));
    assert_int_equal(f.server->request_count, 4);
    fake_aws_free(&f);
}

/* A server that knows no start-after gives the first page again: its token leads on. */
static void a_page_of_keys_already_met_is_passed_over(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {
        {200, PAGE(OBJECT("dlq/a") TOKEN("t1"), "true"), NULL, NULL, false},
        {200, PAGE(OBJECT("dlq/a") TOKEN("t1"), "true"), NULL, NULL, false},
        {200, PAGE(OBJECT("dlq/b"), "false"), NULL, NULL, false}};
    struct fake_aws f = fake_aws_new("s3", steps, 3, true);
    struct world w = {0};
    walk(&f, &w);
    assert_string_equal(w.met, "dlq/a dlq/b ");
    assert_true(asked(&f, 2, "continuation-token=t1"));
    fake_aws_free(&f);
}

static void a_server_that_leads_nowhere_is_left(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {
        {200, PAGE(OBJECT("dlq/a"), "true"), NULL, NULL, false}};
    struct fake_aws f = fake_aws_new("s3", steps, 1, true);
    struct world w = {0};
    walk(&f, &w);
    assert_string_equal(w.met, "dlq/a ");
    assert_int_equal(f.server->request_count, 2);
    fake_aws_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_page_without_keys_is_not_the_end),
        cmocka_unit_test(a_page_of_keys_already_met_is_passed_over),
        cmocka_unit_test(a_server_that_leads_nowhere_is_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

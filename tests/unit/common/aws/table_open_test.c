#include "common/aws/table_open.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/common/fake_aws.h"

#define ERROR(type) "{\"__type\":\"com.amazonaws.dynamodb.v20120810#" type "\",\"message\":\"m\"}"
#define TABLE(status) "{\"Table\":{\"TableStatus\":\"" status "\"}}"

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

static char *target(struct fake_aws *f, size_t n)
{
    return fake_header(f->server, n, "x-amz-target");
}

static void assert_targets(struct fake_aws *f, const char *const *names, size_t count)
{
    assert_int_equal(f->server->request_count, count);
    for (size_t i = 0; i < count; i++) {
        char *seen = target(f, i);
        assert_string_equal(strchr(seen, '.') + 1, names[i]);
        free(seen);
    }
}

static void a_missing_table_is_made(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {
        {400, ERROR("AccessDeniedException"), NULL, NULL, false},
        {400, ERROR("ResourceNotFoundException"), NULL, NULL, false},
        {200, "{}", NULL, NULL, false},
        {200, TABLE("CREATING"), NULL, NULL, false},
        {200, TABLE("ACTIVE"), NULL, NULL, false},
        {200, "{}", NULL, NULL, false}};
    static const char *const names[] = {"DescribeTable", "DescribeTable", "CreateTable",
                                        "DescribeTable", "DescribeTable", "UpdateTimeToLive"};
    struct fake_aws f = fake_aws_new("dynamodb", steps, 6, true);
    struct opened o = {0};
    struct opening *open = table_open_start(f.base, f.client, &f.endpoint, "retry", "t", see, &o);
    assert_non_null(strstr(opening_waiting(open), "table \"t\": "));
    for (int i = 0; i < 1000 && !strstr(opening_waiting(open), "AccessDenied"); i++)
        run_ms(f.base, 1);
    assert_string_equal(opening_waiting(open),
                        "table \"t\": dynamodb:DescribeTable is denied; allow it to the account "
                        "of this service, etc/iam/retry.json is the policy that this worker needs "
                        "(AccessDeniedException: m)");
    assert_non_null(opening_error(open));
    for (int i = 0; i < 1000 && !strstr(opening_waiting(open), "being made"); i++)
        run_ms(f.base, 1);
    run_until(f.base, &o.calls, 1);
    assert_targets(&f, names, 6);
    assert_string_equal(fake_body(f.server, 2),
                        "{\"TableName\":\"t\",\"AttributeDefinitions\":[{\"AttributeName\":\"id\","
                        "\"AttributeType\":\"S\"}],\"KeySchema\":[{\"AttributeName\":\"id\","
                        "\"KeyType\":\"HASH\"}],\"BillingMode\":\"PAY_PER_REQUEST\"}");
    assert_string_equal(fake_body(f.server, 5),
                        "{\"TableName\":\"t\",\"TimeToLiveSpecification\":{\"Enabled\":true,"
                        "\"AttributeName\":\"expires\"}}");
    assert_null(opening_waiting(open));
    opening_free(open);
    fake_aws_free(&f);
}

/* Another worker creates it at the same time, and has switched on its time to live. */
static void two_at_once_are_no_trouble(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {
        {400, ERROR("ResourceNotFoundException"), NULL, NULL, false},
        {400, ERROR("ResourceInUseException"), NULL, NULL, false},
        {200, TABLE("ACTIVE"), NULL, NULL, false},
        {400, ERROR("ValidationException"), NULL, NULL, false}};
    struct fake_aws f = fake_aws_new("dynamodb", steps, 4, true);
    struct opened o = {0};
    o.free_me = table_open_start(f.base, f.client, &f.endpoint, "retry", "t", see, &o);
    run_until(f.base, &o.calls, 1);
    assert_int_equal(f.server->request_count, 4);
    fake_aws_free(&f);
}

static void a_time_to_live_that_is_denied_is_done_without(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {
        {200, TABLE("ACTIVE"), NULL, NULL, false},
        {500, ERROR("InternalServerError"), NULL, NULL, false},
        {200, TABLE("UPDATING"), NULL, NULL, false},
        {400, ERROR("AccessDeniedException"), NULL, NULL, false}};
    struct fake_aws f = fake_aws_new("dynamodb", steps, 4, true);
    struct opened o = {0};
    o.free_me = table_open_start(f.base, f.client, &f.endpoint, "retry", "t", see, &o);
    run_until(f.base, &o.calls, 1);
    assert_int_equal(f.server->request_count, 4);
    fake_aws_free(&f);
}

static void giving_up_is_silent(void **state)
{
    (void)state;
    static const struct fake_step steps[] = {{0, NULL, NULL, NULL, false}};
    struct fake_aws f = fake_aws_new("dynamodb", steps, 1, true);
    struct opened o = {0};
    struct opening *asking = table_open_start(f.base, f.client, &f.endpoint, "retry", "t", see, &o);
    run_ms(f.base, 20);
    opening_free(asking);
    run_ms(f.base, 20);
    assert_int_equal(o.calls, 0);
    opening_free(NULL);
    fake_aws_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_missing_table_is_made),
        cmocka_unit_test(two_at_once_are_no_trouble),
        cmocka_unit_test(a_time_to_live_that_is_denied_is_done_without),
        cmocka_unit_test(giving_up_is_silent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

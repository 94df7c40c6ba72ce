#include "supervisor/limits.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <sys/resource.h>

#include <cmocka.h>

static void set(int ingest, int retry)
{
    json_t *conf = json_pack("{s:{s:i}, s:{s:i}}", "ingest", "max_connections", ingest, "retry",
                             "max_connections", retry);
    assert_non_null(conf);
    limits_set(conf);
    json_decref(conf);
}

static rlim_t soft(int resource)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(resource, &limit), 0);
    return limit.rlim_cur;
}

static void open_files_are_raised_and_never_lowered(void **state)
{
    (void)state;
    struct rlimit limit = {.rlim_cur = 64, .rlim_max = 4000};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
    set(100, 10);
    assert_int_equal(soft(RLIMIT_NOFILE), 2 * 110 + 1024);
    set(1000, 10);
    assert_int_equal(soft(RLIMIT_NOFILE), 2 * 1010 + 1024);
    set(10, 10);
    assert_int_equal(soft(RLIMIT_NOFILE), 2 * 1010 + 1024);
    set(60000, 10);
    assert_int_equal(soft(RLIMIT_NOFILE), 4000);
    assert_int_equal(soft(RLIMIT_CORE), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(open_files_are_raised_and_never_lowered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

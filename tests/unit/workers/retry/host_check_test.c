#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "workers/retry/host_check.h"

static const struct {
    const char *host;
    bool allowed;
} rows[] = {
    {NULL, true},
    {"127.0.0.1:8081", true},
    {"127.0.0.1", true},
    {"192.0.2.7:8081", true},
    {"[::1]:8081", true},
    {"[::1]", true},
    {"localhost", true},
    {"LocalHost:9", true},
    {"sluice.example:8081", true},
    {"SLUICE.example", true},
    {"evil.example", false},
    {"evil.example:8081", false},
    {"localhost.evil.example", false},
    {"127.0.0.1.evil.example", false},
    {"sluice.example.evil.example", false},
    {"", false},
    {":8081", false},
    {"[::1", false},
    {"[::1]x", false},
    {"[evil.example]", false},
    {"localhost:80x", false},
    {"localhost:80:80", false},
    {"0x7f.1", false},
    {"2130706433", false},
    {"127.1", false},
};

static void table(void **state)
{
    (void)state;
    json_t *listen = json_pack("[s,s,s]", "127.0.0.1:8081", "sluice.example:8081", "[::1]:8081");
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (host_check_allowed(rows[i].host, listen) != rows[i].allowed)
            fail_msg("%s", rows[i].host);
    }
    json_decref(listen);
}

static void over_long_names(void **state)
{
    (void)state;
    char host[400];
    for (size_t i = 0; i < sizeof(host) - 1; i++)
        host[i] = 'a';
    host[sizeof(host) - 1] = '\0';
    json_t *listen = json_array();
    assert_false(host_check_allowed(host, listen));
    json_decref(listen);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(table), cmocka_unit_test(over_long_names)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "workers/delivery_gate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static const char conf_text[] =
    "{\"destinations\":{\"crm\":{\"type\":\"http\",\"breaker_open_s\":7},\"file\":{\"type\":"
    "\"file\"}},"
    "\"sources\":{\"plain\":{\"destination\":\"crm\",\"check\":{\"url\":\"\"}},"
    "\"checked\":{\"destination\":\"crm\",\"check\":{\"url\":\"https://api/x\"}},"
    "\"local\":{\"destination\":\"file\"},"
    "\"both\":{\"destination\":\"file\",\"check\":{\"url\":\"https://api/x\"}}}}";

static void a_check_has_its_source_stand_alone(void **state)
{
    static const struct {
        const char *source, *key;
        int open_ms;
    } rows[] = {
        {"plain", "destination:crm", 7000},
        {"checked", "destination:crm/checked", 7000},
        {"local", NULL, 0},
        {"both", "destination:file/both", 10000},
    };
    (void)state;
    json_t *conf = json_loads(conf_text, 0, NULL);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *key = delivery_gate_key(conf, rows[i].source);
        assert_true((key == NULL) == (rows[i].key == NULL));
        if (key) {
            assert_string_equal(key, rows[i].key);
            assert_int_equal(delivery_gate_open_ms(conf, rows[i].source), rows[i].open_ms);
        }
        free(key);
    }
    json_decref(conf);
}

static void who_may_ask_for_a_wait(void **state)
{
    static const struct {
        const char *class;
        int status, wait_ms;
    } rows[] = {
        {"destination", 429, 5000}, {"destination", 503, 5000}, {"check", 429, 5000},
        {"destination", 502, 0},    {"timeout", 0, 0},          {"token", 0, 9000},
        {"token", 401, 0}, /* there was one, and the API does not like it */
    };
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const struct delivery_outcome outcome = {.verdict = RETRY,
                                                 .class = rows[i].class,
                                                 .error = "",
                                                 .status = rows[i].status,
                                                 .of_destination = true,
                                                 .retry_after_s = 5};
        assert_int_equal(delivery_gate_wait_ms(&outcome, 9000), rows[i].wait_ms);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_check_has_its_source_stand_alone),
        cmocka_unit_test(who_may_ask_for_a_wait),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

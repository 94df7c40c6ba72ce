#include "workers/metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void test_text(void **state)
{
    (void)state;
    json_t *account =
        json_loads("{\"counters\":{\"sends\":12345678901234,\"status_400\":2,\"status_x\":1,"
                   "\"Bad name\":1,\"text\":\"no\",\"negative\":-1},\"in_flight\":3,"
                   "\"gauges\":{\"database_bytes\":0.5,\"full\":true},\"waiting\":[\"a\",\"b\"]}",
                   0, NULL);
    struct metrics *m = metrics_new();
    const struct metrics_worker store = {.name = "sto\"re\\\n",
                                         .role = "store",
                                         .up = true,
                                         .healthy = true,
                                         .restarts = 4,
                                         .account = account};
    const struct metrics_worker dead = {
        .name = "consumer-0", .role = "consumer", .healthy = true, .restarts = 7};
    metrics_add_worker(m, &store);
    metrics_add_worker(m, &dead);
    char *text = metrics_text(m);
    const char *const lines[] = {
        "# TYPE sluice_build_info gauge\nsluice_build_info{version=\"" SLUICE_VERSION "\"} 1\n",
        "# TYPE sluice_worker_up gauge\n"
        "sluice_worker_up{worker=\"sto\\\"re\\\\\\n\",role=\"store\"} 1\n"
        "sluice_worker_up{worker=\"consumer-0\",role=\"consumer\"} 0\n",
        "sluice_worker_healthy{worker=\"consumer-0\",role=\"consumer\"} 0\n",
        "# TYPE sluice_worker_restarts_total counter\n",
        "sluice_worker_restarts_total{worker=\"consumer-0\",role=\"consumer\"} 7\n",
        "# HELP sluice_store_sends_total Send calls.\n# TYPE sluice_store_sends_total counter\n"
        "sluice_store_sends_total{worker=\"sto\\\"re\\\\\\n\"} 12345678901234\n",
        "sluice_store_refused_by_status_total{worker=\"sto\\\"re\\\\\\n\",status=\"400\"} 2\n",
        "sluice_store_status_x_total{",
        "sluice_store_in_flight{worker=\"sto\\\"re\\\\\\n\"} 3\n",
        "sluice_store_database_bytes{worker=\"sto\\\"re\\\\\\n\"} 0.5\n",
        "sluice_store_full{worker=\"sto\\\"re\\\\\\n\"} 1\n",
        "sluice_worker_waiting_for{worker=\"sto\\\"re\\\\\\n\"} 2\n",
    };
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++)
        assert_non_null(strstr(text, lines[i]));
    assert_null(strstr(text, "Bad"));
    assert_null(strstr(text, "store_text"));
    assert_null(strstr(text, "store_negative"));
    assert_null(strstr(text, "sluice_consumer_"));
    free(text);
    metrics_free(m);
    json_decref(account);
}

static void test_unknown_is_left_out(void **state)
{
    (void)state;
    struct metrics *m = metrics_new();
    const struct metrics_worker w = {.name = "x", .role = "ingest", .restarts = -1};
    metrics_add_worker(m, &w);
    char *text = metrics_text(m);
    assert_null(strstr(text, "restarts"));
    free(text);
    metrics_free(m);
    metrics_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_unknown_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

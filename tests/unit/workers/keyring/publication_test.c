#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/aws/material.h"
#include "common/base/clock.h"
#include "workers/keyring/publication.h"

#define SECRET "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"

static struct publication at(const char *rfc3339)
{
    struct publication p = {.identity = "embedded",
                            .region = "local",
                            .access_key_id = "SLUICEABCDEFGHIJKLMN",
                            .secret = SECRET};
    assert_int_equal(clock_parse_rfc3339(rfc3339, &p.wall_ms), 0);
    return p;
}

static void take_all(struct material *m, const struct publication *p)
{
    for (size_t i = 0; i < PUBLICATION_ITEMS; i++) {
        json_t *item = publication_item(p, i);
        char *text = json_dumps(item, JSON_COMPACT);
        assert_null(strstr(text, SECRET));
        assert_int_equal(material_put(m, item), 0);
        free(text);
        json_decref(item);
    }
}

static void three_days_of_each_service(void **state)
{
    (void)state;
    static const char *const services[] = {"sqs", "s3", "dynamodb"};
    static const char *const dates[] = {"20240228", "20240229", "20240301"};
    struct publication p = at("2024-02-29T23:59:59.999Z");
    struct material *m = material_new();
    take_all(m, &p);
    for (size_t s = 0; s < 3; s++) {
        for (size_t d = 0; d < 3; d++) {
            const struct sigv4_key *key =
                material_signing_key(m, "embedded", "local", services[s], dates[d]);
            assert_non_null(key);
            unsigned char expected[SIGV4_KEY_BYTES];
            sigv4_derive_key(SECRET, dates[d], "local", services[s], expected);
            assert_memory_equal(key->key, expected, sizeof(expected));
            assert_string_equal(key->access_key_id, "SLUICEABCDEFGHIJKLMN");
        }
        assert_null(material_signing_key(m, "embedded", "local", services[s], "20240227"));
    }
    material_free(m);
}

static void the_next_day_adds_a_key(void **state)
{
    (void)state;
    struct material *m = material_new();
    struct publication p = at("2025-12-31T12:00:00Z");
    take_all(m, &p);
    p = at("2026-01-01T00:00:30Z");
    take_all(m, &p);
    assert_non_null(material_signing_key(m, "embedded", "local", "sqs", "20251231"));
    assert_non_null(material_signing_key(m, "embedded", "local", "sqs", "20260101"));
    assert_non_null(material_signing_key(m, "embedded", "local", "sqs", "20260102"));
    material_free(m);
}

static void dates_are_utc(void **state)
{
    (void)state;
    char date[9];
    publication_date(0, date);
    assert_string_equal(date, "19700101");
    publication_date((int64_t)86400 * 1000 - 1, date);
    assert_string_equal(date, "19700101");
    publication_date((int64_t)86400 * 1000, date);
    assert_string_equal(date, "19700102");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(three_days_of_each_service),
        cmocka_unit_test(the_next_day_adds_a_key),
        cmocka_unit_test(dates_are_utc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

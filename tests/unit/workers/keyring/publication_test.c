#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "common/aws/material.h"
#include "common/base/clock.h"
#include "common/ipc/channel.h"
#include "workers/keyring/aws_source.h"
#include "workers/keyring/publication.h"

#define SECRET "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"

static struct publication at(const char *rfc3339)
{
    struct publication p = {.identity = "aws",
                            .region = "eu-central-1",
                            .service = "sqs",
                            .access_key_id = "SLUICEABCDEFGHIJKLMN",
                            .secret = SECRET,
                            .token = "",
                            .version = 1795253400123};
    assert_int_equal(clock_parse_rfc3339(rfc3339, &p.wall_ms), 0);
    return p;
}

static void the_key_of_each_day(void **state)
{
    (void)state;
    static const char *const dates[] = {"20240228", "20240229", "20240301"};
    struct publication p = at("2024-02-29T23:59:59.999Z");
    struct material *m = material_new();
    for (int day = -1; day <= 1; day++) {
        json_t *item = publication_item(&p, day);
        char *text = json_dumps(item, JSON_COMPACT);
        assert_null(strstr(text, SECRET));
        assert_int_equal(material_put(m, item), 0);
        free(text);
        json_decref(item);
    }
    for (size_t d = 0; d < 3; d++) {
        const struct sigv4_key *key =
            material_signing_key(m, "aws", "eu-central-1", "sqs", dates[d]);
        unsigned char expected[SIGV4_KEY_BYTES];
        assert_non_null(key);
        sigv4_derive_key(SECRET, dates[d], "eu-central-1", "sqs", expected);
        assert_memory_equal(key->key, expected, sizeof(expected));
        assert_string_equal(key->access_key_id, "SLUICEABCDEFGHIJKLMN");
        assert_int_equal(key->version, 1795253400123);
        assert_null(key->session_token);
    }
    assert_null(material_signing_key(m, "aws", "eu-central-1", "s3", "20240229"));
    material_free(m);
}

static void the_longest_token_fits_into_a_packet(void **state)
{
    (void)state;
    char token[AWS_TOKEN_MAX + 1], id[AWS_KEY_ID_MAX + 1];
    memset(token, '"', AWS_TOKEN_MAX); /* escaped it has two bytes, which is as long as it gets */
    memset(token, 'x', AWS_TOKEN_MAX - 4000);
    token[AWS_TOKEN_MAX] = '\0';
    memset(id, 'A', AWS_KEY_ID_MAX);
    id[AWS_KEY_ID_MAX] = '\0';
    struct publication p = at("2024-02-29T12:00:00Z");
    p.token = token;
    p.access_key_id = id;
    json_t *item = publication_item(&p, 0);
    assert_true(json_dumpb(item, NULL, 0, JSON_COMPACT) < CHANNEL_PACKET_BYTES);
    struct material *m = material_new();
    assert_int_equal(material_put(m, item), 0);
    const struct sigv4_key *key = material_signing_key(m, "aws", "eu-central-1", "sqs", "20240229");
    assert_string_equal(key->session_token, token);
    material_free(m);
    json_decref(item);
}

static void versions_grow(void **state)
{
    (void)state;
    assert_int_equal(publication_version(0, 1795253400000), 1795253400000);
    assert_int_equal(publication_version(1795253400000, 1795253400000), 1795253400001);
    assert_int_equal(publication_version(1795253400005, 1795253400000), 1795253400006);
    assert_int_equal(publication_version(1795253400005, 1795253400006), 1795253400006);
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
        cmocka_unit_test(the_key_of_each_day),
        cmocka_unit_test(the_longest_token_fits_into_a_packet),
        cmocka_unit_test(versions_grow),
        cmocka_unit_test(dates_are_utc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

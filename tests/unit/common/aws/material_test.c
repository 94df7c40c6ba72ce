#include "common/aws/material.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define KEY_A "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF"
#define KEY_B "ff112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static json_t *item(const char *service, const char *date, const char *id, const char *key,
                    const char *token)
{
    return json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:i}", "t", "material", "kind", "sigv4",
                     "identity", "embedded", "region", "local", "service", service, "date", date,
                     "access_key_id", id, "key", key, "token", token, "version", 1);
}

static int put(struct material *m, json_t *msg)
{
    int rc = material_put(m, msg);
    json_decref(msg);
    return rc;
}

static const struct sigv4_key *find(const struct material *m, const char *service, const char *date)
{
    return material_signing_key(m, "embedded", "local", service, date);
}

static void keys_are_found_by_scope(void **state)
{
    (void)state;
    struct material *m = material_new();
    assert_null(find(m, "sqs", "20261121"));
    assert_int_equal(put(m, item("sqs", "20261121", "AKID", KEY_A, "")), 0);
    const struct sigv4_key *key = find(m, "sqs", "20261121");
    assert_non_null(key);
    assert_string_equal(key->access_key_id, "AKID");
    assert_string_equal(key->date, "20261121");
    assert_int_equal(key->key[0], 0x00);
    assert_int_equal(key->key[15], 0xff);
    assert_int_equal(key->key[31], 0xff);
    assert_null(key->session_token);
    assert_null(find(m, "s3", "20261121"));
    assert_null(find(m, "sqs", "20261122"));
    assert_null(material_signing_key(m, "aws", "local", "sqs", "20261121"));
    assert_null(material_signing_key(m, "embedded", "eu-central-1", "sqs", "20261121"));
    assert_ptr_equal(material_key_by_id(m, "embedded", "AKID", "local", "sqs", "20261121"), key);
    assert_null(material_key_by_id(m, "aws", "AKID", "local", "sqs", "20261121"));
    assert_null(material_key_by_id(m, "embedded", "AKID2", "local", "sqs", "20261121"));
    assert_null(material_key_by_id(m, "embedded", "AKID", "local", "s3", "20261121"));
    material_free(m);
}

static void the_last_one_wins(void **state)
{
    (void)state;
    struct material *m = material_new();
    assert_int_equal(put(m, item("sqs", "20261121", "OLD", KEY_A, "t1")), 0);
    assert_int_equal(put(m, item("sqs", "20261121", "NEW", KEY_B, "t2")), 0);
    assert_string_equal(find(m, "sqs", "20261121")->access_key_id, "NEW");
    assert_string_equal(find(m, "sqs", "20261121")->session_token, "t2");
    assert_null(material_key_by_id(m, "embedded", "OLD", "local", "sqs", "20261121"));
    material_free(m);
}

static void three_dates_are_kept(void **state)
{
    (void)state;
    struct material *m = material_new();
    static const char *const DATES[] = {"20261121", "20261119", "20261122", "20261120", "20261118"};
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(put(m, item("sqs", DATES[i], "A", KEY_A, "")), 0);
    assert_int_equal(put(m, item("s3", "20261101", "A", KEY_A, "")), 0);
    assert_non_null(find(m, "sqs", "20261122"));
    assert_non_null(find(m, "sqs", "20261120"));
    assert_non_null(find(m, "sqs", "20261118"));
    assert_null(find(m, "sqs", "20261121"));
    assert_null(find(m, "sqs", "20261119"));
    assert_non_null(find(m, "s3", "20261101"));
    material_free(m);
}

static void a_clock_that_was_years_ahead_is_forgotten(void **state)
{
    (void)state;
    struct material *m = material_new();
    static const char *const dates[] = {"20360106", "20360107", "20360108",
                                        "20261120", "20261121", "20261122"};
    for (size_t i = 0; i < sizeof(dates) / sizeof(dates[0]); i++)
        assert_int_equal(put(m, item("sqs", dates[i], "A", KEY_A, "")), 0);
    for (size_t i = 3; i < 6; i++)
        assert_non_null(find(m, "sqs", dates[i]));
    material_free(m);
}

static void malformed_items_are_refused(void **state)
{
    (void)state;
    struct material *m = material_new();
    static const char *const NEEDED[] = {"kind", "identity",      "region", "service",
                                         "date", "access_key_id", "key"};
    for (size_t i = 0; i < sizeof(NEEDED) / sizeof(NEEDED[0]); i++) {
        json_t *msg = item("sqs", "20261121", "A", KEY_A, "");
        json_object_del(msg, NEEDED[i]);
        assert_int_equal(put(m, msg), -1);
        msg = item("sqs", "20261121", "A", KEY_A, "");
        json_object_set_new(msg, NEEDED[i], json_string(""));
        assert_int_equal(put(m, msg), -1);
        msg = item("sqs", "20261121", "A", KEY_A, "");
        char big[200];
        memset(big, 'a', sizeof(big));
        json_object_set_new(msg, NEEDED[i], json_stringn(big, sizeof(big)));
        assert_int_equal(put(m, msg), -1);
    }
    assert_int_equal(put(m, item("sqs", "2026112", "A", KEY_A, "")), -1);
    char key[] = KEY_A;
    key[63] = 'g';
    assert_int_equal(put(m, item("sqs", "20261121", "A", key, "")), -1);
    key[63] = '\0';
    assert_int_equal(put(m, item("sqs", "20261121", "A", key, "")), -1);
    json_t *msg = item("sqs", "20261121", "A", KEY_A, "");
    json_object_set_new(msg, "token", json_integer(1));
    assert_int_equal(put(m, msg), -1);
    assert_int_equal(put(m, json_null()), -1);
    assert_null(find(m, "sqs", "20261121"));
    material_free(m);
    material_free(NULL);
}

static int put_trouble(struct material *m, const char *identity, const char *error)
{
    return put(m,
               json_pack("{s:s,s:s,s:s}", "kind", "trouble", "identity", identity, "error", error));
}

static void trouble_stays_until_a_key_comes(void **state)
{
    (void)state;
    struct material *m = material_new();
    assert_string_equal(material_trouble(m, "embedded"), "");
    assert_int_equal(put_trouble(m, "aws", "none here"), 0);
    assert_int_equal(put_trouble(m, "embedded", "damaged"), 0);
    assert_string_equal(material_trouble(m, "aws"), "none here");
    assert_int_equal(put(m, item("sqs", "20261121", "A", KEY_A, "")), 0);
    assert_string_equal(material_trouble(m, "embedded"), "");
    assert_string_equal(material_trouble(m, "aws"), "none here");
    assert_int_equal(put_trouble(m, "aws", ""), 0);
    assert_string_equal(material_trouble(m, "aws"), "");
    char big[2 * MATERIAL_TROUBLE_BYTES];
    memset(big, 'x', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    assert_int_equal(put_trouble(m, "aws", big), 0);
    assert_int_equal(strlen(material_trouble(m, "aws")), MATERIAL_TROUBLE_BYTES - 1);
    assert_int_equal(put_trouble(m, "", "x"), -1);
    assert_int_equal(put_trouble(m, big, "x"), -1);
    assert_int_equal(put(m, json_pack("{s:s,s:s}", "kind", "trouble", "identity", "aws")), -1);
    for (int i = 0; i < 100; i++) {
        char name[16];
        snprintf(name, sizeof(name), "i%d", i);
        assert_int_equal(put_trouble(m, name, "x"), i < 14 ? 0 : -1);
    }
    material_free(m);
}

static void keys_know_their_version(void **state)
{
    (void)state;
    struct material *m = material_new();
    json_t *msg = item("sqs", "20261121", "A", KEY_A, "");
    json_object_set_new(msg, "version", json_integer(1795253400123));
    assert_int_equal(put(m, msg), 0);
    assert_int_equal(find(m, "sqs", "20261121")->version, 1795253400123);
    material_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_are_found_by_scope),
        cmocka_unit_test(the_last_one_wins),
        cmocka_unit_test(three_dates_are_kept),
        cmocka_unit_test(a_clock_that_was_years_ahead_is_forgotten),
        cmocka_unit_test(malformed_items_are_refused),
        cmocka_unit_test(trouble_stays_until_a_key_comes),
        cmocka_unit_test(keys_know_their_version),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

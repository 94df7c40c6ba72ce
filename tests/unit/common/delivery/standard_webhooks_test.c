#include "common/delivery/standard_webhooks.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* The example that the reference libraries are tested with. */
#define SECRET "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
#define ID "msg_p5jXN8AQM9LWM0D4loKWxJek"
#define TIMESTAMP 1614265330
#define BODY "{\"test\": 2432232314}"
#define SIGNATURE "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="

static void the_published_signature(void **state)
{
    (void)state;
    struct buf key = {0}, value = {0};
    assert_int_equal(standard_webhooks_key(SECRET, &key), 0);
    assert_int_equal(key.len, 24);
    standard_webhooks_sign(&key, 1, ID, TIMESTAMP, BODY, strlen(BODY), &value);
    assert_string_equal(value.data, SIGNATURE);
    buf_free(&key);
    buf_free(&value);
}

static void a_signature_for_each_key(void **state)
{
    (void)state;
    struct buf keys[2] = {{0}, {0}}, value = {0}, second = {0};
    assert_int_equal(standard_webhooks_key(SECRET, &keys[0]), 0);
    assert_int_equal(standard_webhooks_key("not-base64!", &keys[1]), 0);
    assert_string_equal(keys[1].data, "not-base64!");
    standard_webhooks_sign(keys, 2, ID, TIMESTAMP, BODY, strlen(BODY), &value);
    standard_webhooks_sign(&keys[1], 1, ID, TIMESTAMP, BODY, strlen(BODY), &second);
    assert_memory_equal(value.data, SIGNATURE " ", strlen(SIGNATURE) + 1);
    assert_string_equal(value.data + strlen(SIGNATURE) + 1, second.data);
    buf_free(&keys[0]);
    buf_free(&keys[1]);
    buf_free(&value);
    buf_free(&second);
}

static void an_empty_body_and_one_with_nul(void **state)
{
    (void)state;
    struct buf key = {0}, empty = {0}, nul = {0};
    assert_int_equal(standard_webhooks_key(SECRET, &key), 0);
    standard_webhooks_sign(&key, 1, ID, TIMESTAMP, NULL, 0, &empty);
    standard_webhooks_sign(&key, 1, ID, TIMESTAMP, "\0", 1, &nul);
    assert_string_not_equal(empty.data, nul.data);
    buf_free(&key);
    buf_free(&empty);
    buf_free(&nul);
}

static void bad_secrets(void **state)
{
    (void)state;
    struct buf key = {0};
    assert_int_equal(standard_webhooks_key("whsec_", &key), -1);
    assert_int_equal(standard_webhooks_key("whsec_abc", &key), -1);
    assert_int_equal(standard_webhooks_key("whsec_ab c", &key), -1);
    buf_free(&key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_published_signature),
        cmocka_unit_test(a_signature_for_each_key),
        cmocka_unit_test(an_empty_body_and_one_with_nul),
        cmocka_unit_test(bad_secrets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

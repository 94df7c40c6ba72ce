#include "common/delivery/delivery_ids.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void keys(void **state)
{
    (void)state;
    char key[DELIVERY_IDS_KEY_BYTES], other[DELIVERY_IDS_KEY_BYTES];
    delivery_ids_key("crm|genesys|e1", 0, key);
    /* printf 'crm|genesys|e1|0' | sha256sum */
    assert_string_equal(key, "440760b88dde1b8fe562eb6484978bd943611cb31d7ee92c1146d7ab510cc848");
    delivery_ids_key("crm|genesys|e1", 0, other);
    assert_string_equal(key, other);
    delivery_ids_key("crm|genesys|e1", 1, other);
    assert_string_not_equal(key, other);
    delivery_ids_key("crm|genesys|e2", 0, other);
    assert_string_not_equal(key, other);
}

static void traceparents(void **state)
{
    (void)state;
    char first[DELIVERY_IDS_TRACEPARENT_BYTES], second[DELIVERY_IDS_TRACEPARENT_BYTES];
    delivery_ids_traceparent("01TRACE", 1, first);
    delivery_ids_traceparent("01TRACE", 2, second);
    assert_int_equal(strlen(first), 55);
    assert_memory_equal(first, "00-", 3);
    assert_string_equal(first + 52, "-01");
    assert_int_equal(first[35], '-');
    assert_int_equal(strspn(first, "0123456789abcdef-"), 55);
    assert_memory_equal(first, second, 35); /* one trace, another span */
    assert_string_not_equal(first, second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys),
        cmocka_unit_test(traceparents),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

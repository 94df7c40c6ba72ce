/* libFuzzer target: any text as a condition and as an update. Neither may do anything but answer; a
 * refusal has its sentence, an update that is refused leaves the item alone, and one that holds
 * makes an item of checked values. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/xalloc.h"
#include "workers/store/decimal.h"
#include "workers/store/dynamodb_expression.h"
#include "workers/store/dynamodb_value.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static json_t *load(const char *text)
{
    char why[256];
    json_t *out = json_loads(text, 0, NULL);
    assert(out && dynamodb_item_check(out, why, sizeof(why)));
    return out;
}

static void check_number(const char *text)
{
    struct decimal d;
    struct decimal again;
    struct decimal sum;
    char spelled[DECIMAL_TEXT_BYTES];
    if (!decimal_parse(text, &d))
        return;
    decimal_text(&d, spelled);
    assert(decimal_parse(spelled, &again) && decimal_compare(&d, &again) == 0);
    assert(decimal_add(&d, &again, true, &sum) && sum.count == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = xmalloc(size + 1);
    memcpy(text, data, size);
    text[size] = '\0';
    json_t *item = load("{\"id\":{\"S\":\"x\"},\"n\":{\"N\":\"1\"},\"s\":{\"S\":\"abc\"},"
                        "\"b\":{\"B\":\"AA==\"},\"l\":{\"L\":[{\"N\":\"2\"}]}}");
    json_t *values = load("{\":n\":{\"N\":\"5\"},\":s\":{\"S\":\"ab\"},\":b\":{\"B\":\"AAA=\"}}");
    json_t *names = json_loads("{\"#n\":\"n\",\"#s\":\"s\"}", 0, NULL);
    json_t *before = json_deep_copy(item);
    struct dynamodb_names n;
    dynamodb_names_init(&n, names, values);
    if (dynamodb_condition(text, &n, item) == DYNAMODB_MALFORMED)
        assert(n.why[0]);
    assert(json_equal(item, before));
    json_t *touched = NULL;
    char why[256];
    enum dynamodb_outcome outcome = dynamodb_update(text, &n, "id", item, &touched);
    assert(outcome != DYNAMODB_FAILS && (outcome == DYNAMODB_HOLDS) == (touched != NULL));
    assert(outcome == DYNAMODB_HOLDS ? dynamodb_item_check(item, why, sizeof(why))
                                     : n.why[0] && json_equal(item, before));
    assert(json_equal(json_object_get(item, "id"), json_object_get(before, "id")));
    check_number(text);
    dynamodb_names_clear(&n);
    json_decref(touched);
    json_decref(before);
    json_decref(names);
    json_decref(values);
    json_decref(item);
    free(text);
    return 0;
}

#include "workers/store/dynamodb_value.h"

#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/webhook/base64.h"
#include "workers/store/decimal.h"

#define NESTING_MAX 32

static json_t *inner(const json_t *value)
{
    return json_object_iter_value(json_object_iter((json_t *)(uintptr_t)value));
}

const char *dynamodb_value_type(const json_t *value)
{
    return json_object_iter_key(json_object_iter((json_t *)(uintptr_t)value));
}

static bool is_type(const json_t *value, const char *type)
{
    return strcmp(dynamodb_value_type(value), type) == 0;
}

static bool refuse(char *why, size_t why_size, const char *text)
{
    snprintf(why, why_size, "%s", text);
    return false;
}

static bool check(json_t *value, int depth, char *why, size_t why_size);

static bool check_map(json_t *map, int depth, char *why, size_t why_size)
{
    const char *name;
    json_t *value;
    if (!json_is_object(map))
        return refuse(why, why_size, "A map of attribute values must be a JSON object.");
    json_object_foreach(map, name, value)
    {
        if (!*name)
            return refuse(why, why_size, "An attribute name must not be empty.");
        if (!check(value, depth, why, why_size))
            return false;
    }
    return true;
}

static bool check_list(const json_t *list, int depth, char *why, size_t why_size)
{
    size_t i;
    json_t *value;
    if (!json_is_array(list))
        return refuse(why, why_size, "L must be an array of attribute values.");
    json_array_foreach(list, i, value)
    {
        if (!check(value, depth, why, why_size))
            return false;
    }
    return true;
}

static bool check_number(json_t *value, char *why, size_t why_size)
{
    struct decimal d;
    char text[DECIMAL_TEXT_BYTES];
    const char *sent = json_string_value(inner(value));
    if (!sent || !decimal_parse(sent, &d))
        return refuse(why, why_size,
                      "The parameter cannot be converted to a numeric value of at most 38 "
                      "significant digits");
    decimal_text(&d, text);
    json_object_set_new(value, "N", json_string(text));
    return true;
}

static bool check_binary(const json_t *value, char *why, size_t why_size)
{
    struct buf raw = {0};
    const char *text = json_string_value(inner(value));
    bool good = text && base64_decode(text, strlen(text), &raw);
    buf_free(&raw);
    return good || refuse(why, why_size, "B must be base64.");
}

static bool check(json_t *value, int depth, char *why, size_t why_size)
{
    if (!json_is_object(value) || json_object_size(value) != 1)
        return refuse(why, why_size,
                      "Supplied AttributeValue has more than one datatypes set, must contain "
                      "exactly one of the supported datatypes");
    if (depth > NESTING_MAX)
        return refuse(why, why_size,
                      "Nesting Levels have exceeded supported limits: Attributes may be nested up "
                      "to 32 levels deep");
    json_t *in = inner(value);
    if (is_type(value, "S"))
        return json_is_string(in) || refuse(why, why_size, "S must be a string.");
    if (is_type(value, "N"))
        return check_number(value, why, why_size);
    if (is_type(value, "B"))
        return check_binary(value, why, why_size);
    if (is_type(value, "BOOL"))
        return json_is_boolean(in) || refuse(why, why_size, "BOOL must be true or false.");
    if (is_type(value, "NULL"))
        return json_is_true(in) ||
               refuse(why, why_size, "Null attribute value types must have the value of true");
    if (is_type(value, "M"))
        return check_map(in, depth + 1, why, why_size);
    if (is_type(value, "L"))
        return check_list(in, depth + 1, why, why_size);
    return refuse(why, why_size,
                  "The store knows attribute values of the types S, N, B, BOOL, NULL, M and L.");
}

bool dynamodb_item_check(json_t *item, char *why, size_t why_size)
{
    return check_map(item, 0, why, why_size);
}

static size_t value_bytes(const json_t *value)
{
    const json_t *in = inner(value);
    size_t bytes = 3;
    size_t i;
    json_t *element;
    if (is_type(value, "S"))
        return json_string_length(in);
    if (is_type(value, "N"))
        return json_string_length(in) / 2 + 1;
    if (is_type(value, "B"))
        return json_string_length(in) / 4 * 3;
    if (is_type(value, "M"))
        return 3 + dynamodb_item_bytes(in) + json_object_size(in);
    if (!is_type(value, "L"))
        return 1;
    json_array_foreach(in, i, element) bytes += value_bytes(element) + 1;
    return bytes;
}

size_t dynamodb_item_bytes(const json_t *item)
{
    size_t bytes = 0;
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)item, name, value) bytes +=
        strlen(name) + value_bytes(value);
    return bytes;
}

bool dynamodb_value_equal(const json_t *a, const json_t *b)
{
    return json_equal(a, b); /* numbers have one spelling */
}

static int sign(int order)
{
    return (order > 0) - (order < 0);
}

static int compare_bytes(const char *a, size_t a_len, const char *b, size_t b_len)
{
    size_t len = a_len < b_len ? a_len : b_len;
    int order = len ? memcmp(a, b, len) : 0;
    return order ? sign(order) : (a_len > b_len) - (a_len < b_len);
}

static struct buf bytes_of(const json_t *value)
{
    struct buf raw = {0};
    const json_t *in = inner(value);
    if (!is_type(value, "B"))
        buf_append(&raw, json_string_value(in), json_string_length(in));
    else if (!base64_decode(json_string_value(in), json_string_length(in), &raw))
        buf_reset(&raw);
    return raw;
}

bool dynamodb_value_order(const json_t *a, const json_t *b, int *order_out)
{
    const char *type = dynamodb_value_type(a);
    if (!is_type(b, type))
        return false;
    if (strcmp(type, "N") == 0) {
        struct decimal left;
        struct decimal right;
        if (!decimal_parse(json_string_value(inner(a)), &left) ||
            !decimal_parse(json_string_value(inner(b)), &right))
            return false;
        *order_out = decimal_compare(&left, &right);
        return true;
    }
    if (strcmp(type, "S") != 0 && strcmp(type, "B") != 0)
        return false;
    struct buf left = bytes_of(a);
    struct buf right = bytes_of(b);
    *order_out = compare_bytes(left.data, left.len, right.data, right.len);
    buf_free(&left);
    buf_free(&right);
    return true;
}

json_t *dynamodb_value_add(const json_t *a, const json_t *b, bool subtract, const char **why_out)
{
    struct decimal left;
    struct decimal right;
    struct decimal sum;
    char text[DECIMAL_TEXT_BYTES];
    if (!is_type(a, "N") || !is_type(b, "N")) {
        *why_out = "An operand in the update expression has an incorrect data type";
        return NULL;
    }
    if (!decimal_parse(json_string_value(inner(a)), &left) ||
        !decimal_parse(json_string_value(inner(b)), &right) ||
        !decimal_add(&left, &right, subtract, &sum)) {
        *why_out = "Number overflow. Attempting to store a number with more than 38 digits, or "
                   "with magnitude larger than supported range";
        return NULL;
    }
    decimal_text(&sum, text);
    return json_pack("{s:s}", "N", text);
}

bool dynamodb_value_begins_with(const json_t *value, const json_t *prefix)
{
    const char *type = dynamodb_value_type(value);
    if (!is_type(prefix, type) || (strcmp(type, "S") != 0 && strcmp(type, "B") != 0))
        return false;
    struct buf left = bytes_of(value);
    struct buf right = bytes_of(prefix);
    bool begins =
        left.len >= right.len && (right.len == 0 || memcmp(left.data, right.data, right.len) == 0);
    buf_free(&left);
    buf_free(&right);
    return begins;
}

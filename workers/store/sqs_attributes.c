#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/aws/sqs.h"
#include "workers/store/sqs_op.h"

static int bad(struct sqs_refusal *r, const char *name, const char *what)
{
    return sqs_refuse(r, SQS_INVALID_PARAMETER, "Message (user) attribute '%.100s' %s", name, what);
}

static bool good_name(const char *name)
{
    size_t len = strlen(name);
    if (len == 0 || len > 256 || name[0] == '.' || name[len - 1] == '.' || strstr(name, ".."))
        return false;
    for (const char *p = name; *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr("_-.", *p))
            return false;
    return strncasecmp(name, "aws.", 4) != 0 && strncasecmp(name, "amazon.", 7) != 0;
}

/* "String", "Number", "Binary", each with an optional ".label": which one, or NULL. */
static const char *base_type(const char *type)
{
    static const char *const bases[] = {"String", "Number", "Binary"};
    for (size_t i = 0; type && strlen(type) <= 256 && i < 3; i++) {
        size_t len = strlen(bases[i]);
        if (strncmp(type, bases[i], len) == 0 &&
            (!type[len] || (type[len] == '.' && type[len + 1])))
            return bases[i];
    }
    return NULL;
}

/* The number of bytes that a base64 text stands for; 0 where it is none. */
static size_t decoded_bytes(const char *text)
{
    size_t len = strlen(text);
    size_t chars = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
    size_t pad = len - chars;
    if (len % 4 != 0 || pad > 2 || strspn(text + chars, "=") != pad)
        return 0;
    return len / 4 * 3 - pad;
}

static bool good_number(const char *text)
{
    char *end = NULL;
    if (!*text || strspn(text, "+-.0123456789eE") != strlen(text))
        return false;
    strtod(text, &end);
    return *end == '\0';
}

/* Checks one attribute and says how it counts; *value_out is the text as on the wire. */
static int take_one(const char *name, const json_t *attribute, struct sqs_attribute *out,
                    size_t *bytes_inout, struct sqs_refusal *r)
{
    const char *type = json_string_value(json_object_get(attribute, "DataType"));
    if (!good_name(name))
        return bad(r, name, "has an invalid name.");
    if (!type || !*type)
        return bad(r, name, "must contain a non-empty attribute type.");
    const char *base = base_type(type);
    if (!base)
        return bad(r, name,
                   "has an invalid type. Use String, Number or Binary, with an optional "
                   ".label.");
    bool binary = strcmp(base, "Binary") == 0;
    const char *value =
        json_string_value(json_object_get(attribute, binary ? "BinaryValue" : "StringValue"));
    size_t bytes = !value ? 0 : binary ? decoded_bytes(value) : strlen(value);
    if (!value || !*value)
        return sqs_refuse(
            r, SQS_INVALID_PARAMETER,
            "Message (user) attribute '%.100s' must contain a non-empty value of type "
            "'%s'.",
            name, base);
    if (bytes == 0)
        return bad(r, name, "holds what is not base64.");
    if (!binary && !sqs_body_allowed(value, strlen(value)))
        return sqs_refuse(
            r, SQS_BAD_CONTENTS,
            "Message (user) attribute '%.100s' holds characters that are not allowed.", name);
    if (strcmp(base, "Number") == 0 && !good_number(value))
        return bad(r, name, "must hold a number.");
    *out = (struct sqs_attribute){name, type, value};
    *bytes_inout += strlen(name) + strlen(type) + bytes;
    return 0;
}

static void add_kept(json_t *kept, const struct sqs_attribute *a)
{
    bool binary = strncmp(a->type, "Binary", 6) == 0;
    json_object_set_new(kept, a->name,
                        json_pack("{s:s, s:s}", "DataType", a->type,
                                  binary ? "BinaryValue" : "StringValue", a->value));
}

int sqs_attributes_take(const json_t *attributes, char **json_out, size_t *bytes_out,
                        char md5_out[33], struct sqs_refusal *r)
{
    *json_out = NULL;
    *bytes_out = 0;
    md5_out[0] = '\0';
    if (!attributes || json_is_null(attributes) || json_object_size(attributes) == 0) {
        if (!attributes || json_is_null(attributes) || json_is_object(attributes))
            return 0;
        return sqs_refuse(r, SQS_SERIALIZATION, "MessageAttributes must be a map.");
    }
    size_t count = json_object_size(attributes);
    if (count > SQS_USER_ATTRIBUTES_MAX)
        return sqs_refuse(r, SQS_INVALID_PARAMETER,
                          "Number of message attributes [%zu] exceeds the allowed maximum [10].",
                          count);
    struct sqs_attribute list[SQS_USER_ATTRIBUTES_MAX];
    json_t *kept = json_object();
    size_t n = 0;
    const char *name;
    json_t *attribute;
    json_object_foreach((json_t *)attributes, name, attribute)
    {
        if (take_one(name, attribute, &list[n], bytes_out, r) < 0) {
            json_decref(kept);
            return -1;
        }
        add_kept(kept, &list[n++]);
    }
    sqs_attributes_md5_hex(list, n, md5_out);
    *json_out = json_dumps(kept, JSON_COMPACT);
    json_decref(kept);
    return 0;
}

int sqs_system_attributes_take(const json_t *attributes, const char **trace_out, char md5_out[33],
                               struct sqs_refusal *r)
{
    *trace_out = NULL;
    md5_out[0] = '\0';
    const char *name;
    json_t *attribute;
    json_object_foreach((json_t *)attributes, name, attribute)
    {
        const char *type = json_string_value(json_object_get(attribute, "DataType"));
        const char *value = json_string_value(json_object_get(attribute, "StringValue"));
        if (strcmp(name, "AWSTraceHeader") != 0)
            return sqs_refuse(r, SQS_INVALID_PARAMETER,
                              "Message system attribute name '%.100s' is invalid.", name);
        if (!type || strcmp(type, "String") != 0 || !value || !*value ||
            !sqs_body_allowed(value, strlen(value)))
            return sqs_refuse(r, SQS_INVALID_PARAMETER,
                              "Message system attribute 'AWSTraceHeader' must contain a non-empty "
                              "value of type 'String'.");
        *trace_out = value;
        struct sqs_attribute a = {name, type, value};
        sqs_attributes_md5_hex(&a, 1, md5_out);
    }
    return 0;
}

static bool wanted(const char *name, const json_t *names)
{
    size_t i;
    json_t *item;
    json_array_foreach(names, i, item)
    {
        const char *pattern = json_string_value(item);
        if (!pattern)
            continue;
        size_t len = strlen(pattern);
        if (strcmp(pattern, "All") == 0 || strcmp(pattern, name) == 0)
            return true;
        if (len >= 2 && strcmp(pattern + len - 2, ".*") == 0 &&
            strncmp(pattern, name, len - 2) == 0)
            return true;
    }
    return false;
}

json_t *sqs_attributes_select(const char *kept, const json_t *names, char md5_out[33])
{
    md5_out[0] = '\0';
    if (!kept || json_array_size(names) == 0)
        return NULL;
    json_t *all = json_loads(kept, 0, NULL);
    json_t *out = json_object();
    struct sqs_attribute list[SQS_USER_ATTRIBUTES_MAX];
    size_t n = 0;
    const char *name;
    json_t *attribute;
    json_object_foreach(all, name, attribute)
    {
        if (n == SQS_USER_ATTRIBUTES_MAX || !wanted(name, names))
            continue;
        const char *text = json_string_value(json_object_get(attribute, "StringValue"));
        if (!text)
            text = json_string_value(json_object_get(attribute, "BinaryValue"));
        const char *type = json_string_value(json_object_get(attribute, "DataType"));
        if (!text || !type)
            continue;
        list[n++] = (struct sqs_attribute){name, type, text};
        json_object_set(out, name, attribute);
    }
    if (n > 0)
        sqs_attributes_md5_hex(list, n, md5_out);
    json_decref(all);
    if (n == 0) {
        json_decref(out);
        return NULL;
    }
    return out;
}

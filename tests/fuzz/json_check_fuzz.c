/* Compares json_check with Jansson on whatever libFuzzer finds. They may differ only where
 * json_check takes what Jansson's tree cannot hold: numbers beyond its range, lone surrogates and
 * U+0000 in keys; and where depth is concerned, on which each has a limit of its own. Accepted text
 * is then searched and read as well.
 *
 * Build: clang -fsanitize=fuzzer,address,undefined; the first byte of an input chooses a pointer.
 */
#include <jansson.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/webhook/json_check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const pointers[] = {"",     "/a", "/0",     "/a/b", "/a/0",
                                       "/0/a", "/",  "/a/a/a", "/~0~1"};
#define POINTERS (sizeof(pointers) / sizeof(pointers[0]))

static void report(const char *what, const char *detail)
{
    fprintf(stderr, "%s: %s\n", what, detail);
    abort();
}

/* The tree's value at a pointer, resolved the slow way. */
static const json_t *walk(const json_t *tree, const char *pointer)
{
    char copy[32];
    snprintf(copy, sizeof(copy), "%s", pointer);
    for (char *p = copy; tree && *p;) {
        char *token = p + 1;
        char *end = strchr(token, '/');
        p = end ? end : token + strlen(token);
        char saved = *p;
        *p = '\0';
        if (json_is_object(tree))
            tree = json_object_get(tree, strcmp(token, "~0~1") == 0 ? "~/" : token);
        else if (json_is_array(tree))
            tree = strcmp(token, "0") == 0 ? json_array_get(tree, 0) : NULL;
        else
            tree = NULL;
        *p = saved;
    }
    return tree;
}

static int same_type(const json_t *value, enum json_type type)
{
    static const json_type theirs[] = {JSON_NULL,   JSON_TRUE,  JSON_FALSE, JSON_REAL,
                                       JSON_STRING, JSON_ARRAY, JSON_OBJECT};
    if (type == JSON_CHECK_NUMBER)
        return json_is_number(value);
    return json_typeof(value) == theirs[type];
}

static void compare_value(const char *text, size_t size, const json_t *tree, const char *pointer)
{
    struct json_span span;
    struct buf out = {0};
    int found = json_check_find(text, size, pointer, &span);
    const json_t *want = walk(tree, pointer);
    if (found != (want != NULL))
        report("found by one only", pointer);
    if (found && (span.at + span.len > size || !same_type(want, span.type)))
        report("another value", pointer);
    if (found && json_is_string(want) && json_check_text(text, &span, &out)) {
        const char *plain = json_string_value(want);
        size_t len = json_string_length(want);
        if (!memchr(plain, '\0', len) && (out.len != len || memcmp(out.data, plain, len) != 0))
            report("another text", pointer);
    }
    buf_free(&out);
}

static int excused(enum json_error_code code, const char *words)
{
    return code == json_error_numeric_overflow || code == json_error_null_byte_in_key ||
           code == json_error_stack_overflow || strstr(words, "Unicode") != NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    const char *pointer = pointers[data[0] % POINTERS];
    size--;
    char *text = malloc(size ? size : 1); /* of the text's own size: ASan sees one byte too many */
    memcpy(text, data + 1, size);
    char reason[128] = "";
    json_error_t error;
    int mine = json_check(text, size, reason, sizeof(reason));
    json_t *tree = json_loadb(text, size, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    if (mine && !tree && !excused(json_error_code(&error), error.text))
        report("only json_check accepts; Jansson", error.text);
    /* Jansson skips a NUL byte that it has looked at and put back ("4\\0"). */
    if (!mine && tree && !strstr(reason, "nested too deep") && !memchr(text, '\0', size))
        report("only Jansson accepts; json_check", reason);
    if (mine && tree)
        compare_value(text, size, tree, pointer);
    struct json_span span;
    struct buf out = {0};
    if (mine && json_check_find(text, size, pointer, &span))
        (void)json_check_text(text, &span, &out);
    buf_free(&out);
    json_decref(tree);
    free(text);
    return 0;
}

/* libFuzzer target: arbitrary parsed requests against the guard, and what a pass promises. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "workers/http_guard.h"

#define FIELDS 16

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t count_of(const struct http_guard_request *r, const char *name)
{
    size_t found = 0;
    for (size_t i = 0; i < r->field_count; i++)
        found += strcasecmp(r->fields[i].name, name) == 0;
    return found;
}

static void check_pass(const struct http_guard_request *r)
{
    size_t lengths = count_of(r, "Content-Length");
    size_t encodings = count_of(r, "Transfer-Encoding");
    assert(r->major == 1);
    assert(r->target[0] == '/');
    assert(lengths <= 1);
    assert(encodings == 0);
    assert(count_of(r, "Host") == 1 || (r->minor == 0 && count_of(r, "Host") == 0));
    for (size_t i = 0; i < r->field_count; i++) {
        assert(r->fields[i].name[0]);
        assert(!strpbrk(r->fields[i].name, " \t\r\n:"));
        assert(!strpbrk(r->fields[i].value, "\r\n"));
    }
}

/* Layout: version byte, flags, then lines: the target and "name:value" fields. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3)
        return 0;
    struct http_guard_field fields[FIELDS];
    struct http_guard_request r = {
        .major = data[0] >> 4, .minor = data[0] & 15, .bodiless = data[1] & 1, .fields = fields};
    char *text = malloc(size - 1);
    memcpy(text, data + 2, size - 2);
    text[size - 2] = '\0';
    char *rest = text;
    r.target = strsep(&rest, "\n");
    while (rest && r.field_count < FIELDS) {
        char *value = strsep(&rest, "\n");
        const char *name = strsep(&value, ":");
        fields[r.field_count++] =
            (struct http_guard_field){.name = name, .value = value ? value : ""};
    }
    const char *why = NULL;
    if (http_guard_check(&r, &why) == HTTP_GUARD_PASS)
        check_pass(&r);
    else
        assert(why && *why);
    free(text);
    return 0;
}

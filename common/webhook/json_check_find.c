/* The reading half of json_check.h. It walks over text that json_check accepted, so that nothing
 * here needs a bound but the text's own closing bytes; no tree, no recursion. */
#include "common/webhook/json_check.h"

#include <string.h>

#include "common/base/hex.h"
#include "common/base/utf8.h"

struct scan {
    const unsigned char *s;
    size_t len;
    size_t at;
};

static bool is_space(unsigned char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static void skip_space(struct scan *k)
{
    while (k->at < k->len && is_space(k->s[k->at]))
        k->at++;
}

static void skip_string(struct scan *k)
{
    for (k->at++; k->s[k->at] != '"'; k->at++)
        if (k->s[k->at] == '\\')
            k->at++;
    k->at++;
}

static void skip_value(struct scan *k)
{
    size_t depth = 0;
    do {
        skip_space(k);
        unsigned char c = k->s[k->at];
        if (c == '"') {
            skip_string(k);
        } else if (c == '{' || c == '[') {
            depth++;
            k->at++;
        } else if (c == '}' || c == ']') {
            depth--;
            k->at++;
        } else if (c == ',' || c == ':') {
            k->at++;
        } else {
            while (k->at < k->len && !is_space(k->s[k->at]) && !strchr(",:]}", k->s[k->at]))
                k->at++;
        }
    } while (depth > 0);
}

static enum json_type type_of(unsigned char c)
{
    switch (c) {
    case '{':
        return JSON_CHECK_OBJECT;
    case '[':
        return JSON_CHECK_ARRAY;
    case '"':
        return JSON_CHECK_STRING;
    case 't':
        return JSON_CHECK_TRUE;
    case 'f':
        return JSON_CHECK_FALSE;
    case 'n':
        return JSON_CHECK_NULL;
    default:
        return JSON_CHECK_NUMBER;
    }
}

/* Takes in the value at k->at (behind blanks) and leaves k behind it. */
static struct json_span take_value(struct scan *k)
{
    skip_space(k);
    struct json_span span = {.type = type_of(k->s[k->at]), .at = k->at};
    skip_value(k);
    span.len = k->at - span.at;
    return span;
}

static unsigned long unit_at(const unsigned char *s)
{
    unsigned long unit = 0;
    for (int i = 0; i < 4; i++)
        unit = unit << 4 | (unsigned long)hex_digit((char)s[i]);
    return unit;
}

/* Appends the escape at s ("\\" first); returns its length. left is what remains of the string. */
static size_t append_escape(const unsigned char *s, size_t left, struct buf *out)
{
    static const char names[] = "bfnrt";
    static const char values[] = "\b\f\n\r\t";
    if (s[1] != 'u') {
        const char *named = strchr(names, s[1]);
        char c = named ? values[named - names] : (char)s[1];
        buf_append(out, &c, 1);
        return 2;
    }
    unsigned long cp = unit_at(s + 2);
    size_t used = 6;
    if (cp == 0) {
        buf_append(out, s, 6);
        return 6;
    }
    if (cp >= 0xd800 && cp <= 0xdbff && left >= 12 && s[6] == '\\' && s[7] == 'u') {
        unsigned long low = unit_at(s + 8);
        if (low >= 0xdc00 && low <= 0xdfff) {
            cp = 0x10000 + ((cp - 0xd800) << 10) + (low - 0xdc00);
            used = 12;
        }
    }
    if (cp >= 0xd800 && cp <= 0xdfff)
        cp = 0xfffd;
    char bytes[4];
    buf_append(out, bytes, utf8_encode(cp, bytes));
    return used;
}

/* s and len are what stands between the quotes. */
static void append_string(const unsigned char *s, size_t len, struct buf *out)
{
    for (size_t at = 0; at < len;) {
        const unsigned char *escape = memchr(s + at, '\\', len - at);
        size_t plain = escape ? (size_t)(escape - (s + at)) : len - at;
        buf_append(out, s + at, plain);
        at += plain;
        if (escape)
            at += append_escape(s + at, len - at, out);
    }
}

bool json_check_text(const void *text, const struct json_span *span, struct buf *out)
{
    const unsigned char *s = (const unsigned char *)text + span->at;
    if (span->type == JSON_CHECK_ARRAY || span->type == JSON_CHECK_OBJECT)
        return false;
    buf_puts(out, ""); /* an empty string is text too: out->data is never NULL after this */
    if (span->type == JSON_CHECK_STRING)
        append_string(s + 1, span->len - 2, out);
    else
        buf_append(out, s, span->len);
    return true;
}

static bool key_is(const struct scan *k, const struct json_span *key, const struct buf *token)
{
    const unsigned char *s = k->s + key->at + 1;
    size_t len = key->len - 2;
    if (!memchr(s, '\\', len))
        return len == token->len && memcmp(s, token->data, len) == 0;
    struct buf plain = {0};
    append_string(s, len, &plain);
    bool same = plain.len == token->len && memcmp(plain.data, token->data, plain.len) == 0;
    buf_free(&plain);
    return same;
}

/* Both look into the container that starts at k->at. The whole object is read, since of two equal
 * keys the last one counts. */
static bool find_member(struct scan *k, const struct buf *token, struct json_span *out)
{
    bool found = false;
    for (k->at++;; k->at++) {
        skip_space(k);
        if (k->s[k->at] == '}')
            return found;
        struct json_span key = take_value(k);
        skip_space(k);
        k->at++; /* the colon */
        struct json_span value = take_value(k);
        if (key_is(k, &key, token)) {
            *out = value;
            found = true;
        }
        skip_space(k);
        if (k->s[k->at] == '}')
            return found;
    }
}

static bool find_item(struct scan *k, const struct buf *token, struct json_span *out)
{
    size_t index = 0;
    if (token->len == 0 || token->len > 9 || (token->data[0] == '0' && token->len > 1))
        return false;
    for (size_t i = 0; i < token->len; i++) {
        if (token->data[i] < '0' || token->data[i] > '9')
            return false;
        index = index * 10 + (size_t)(token->data[i] - '0');
    }
    for (k->at++;; k->at++) {
        skip_space(k);
        if (k->s[k->at] == ']')
            return false;
        *out = take_value(k);
        if (index-- == 0)
            return true;
        skip_space(k);
        if (k->s[k->at] == ']')
            return false;
    }
}

/* The reference token that *pointer stands before ("/a~1b" -> "a/b"); moves *pointer behind it. */
static bool take_token(const char **pointer, struct buf *token)
{
    const char *p = *pointer;
    buf_reset(token);
    buf_puts(token, "");
    if (*p != '/')
        return false;
    for (p++; *p && *p != '/'; p++) {
        if (*p != '~') {
            buf_append(token, p, 1);
        } else if (p[1] == '0' || p[1] == '1') {
            buf_puts(token, p[1] == '0' ? "~" : "/");
            p++;
        } else {
            return false;
        }
    }
    *pointer = p;
    return true;
}

bool json_check_find(const void *text, size_t len, const char *pointer, struct json_span *span_out)
{
    struct scan k = {.s = text, .len = len};
    struct json_span span = take_value(&k);
    struct buf token = {0};
    bool found = true;
    while (found && *pointer) {
        found = take_token(&pointer, &token);
        k.at = span.at;
        if (found && span.type == JSON_CHECK_OBJECT)
            found = find_member(&k, &token, &span);
        else if (found && span.type == JSON_CHECK_ARRAY)
            found = find_item(&k, &token, &span);
        else
            found = false;
    }
    buf_free(&token);
    if (found)
        *span_out = span;
    return found;
}

bool json_check_scalar(const void *text, size_t len, const char *pointer, struct buf *out)
{
    struct json_span span;
    size_t before = out->len;
    return json_check_find(text, len, pointer, &span) && span.type != JSON_CHECK_NULL &&
           json_check_text(text, &span, out) && out->len > before;
}

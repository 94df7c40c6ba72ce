/* A checker of JSON grammar that keeps one bit a level: no tree, no recursion, so that a stranger's
 * body costs its own length and nothing more. json_check_find.c reads what it accepted. */
#include "common/webhook/json_check.h"

#include <stdio.h>
#include <string.h>

#include "common/base/hex.h"
#include "common/base/utf8.h"

struct scan {
    const unsigned char *s;
    size_t len;
    size_t at;
    const char *wrong; /* what is wrong at `at`, or NULL for "unexpected byte" */
};

static bool is_space(unsigned char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_digit(unsigned char c)
{
    return c >= '0' && c <= '9';
}

static bool more(const struct scan *k)
{
    return k->at < k->len;
}

static void skip_space(struct scan *k)
{
    while (more(k) && is_space(k->s[k->at]))
        k->at++;
}

static bool fail(struct scan *k, const char *wrong)
{
    k->wrong = wrong;
    return false;
}

static bool check_digits(struct scan *k)
{
    if (!more(k) || !is_digit(k->s[k->at]))
        return false;
    while (more(k) && is_digit(k->s[k->at]))
        k->at++;
    return true;
}

static bool check_number(struct scan *k)
{
    if (k->s[k->at] == '-')
        k->at++;
    if (more(k) && k->s[k->at] == '0')
        k->at++;
    else if (!check_digits(k))
        return false;
    if (more(k) && k->s[k->at] == '.') {
        k->at++;
        if (!check_digits(k))
            return false;
    }
    if (more(k) && (k->s[k->at] == 'e' || k->s[k->at] == 'E')) {
        k->at++;
        if (more(k) && (k->s[k->at] == '+' || k->s[k->at] == '-'))
            k->at++;
        if (!check_digits(k))
            return false;
    }
    return true;
}

static bool check_escape(struct scan *k)
{
    k->at++;
    if (!more(k))
        return false;
    unsigned char c = k->s[k->at];
    if (c == '\0' || !strchr("\"\\/bfnrtu", c))
        return fail(k, "unknown escape");
    k->at++;
    if (c != 'u')
        return true;
    for (int i = 0; i < 4; i++, k->at++)
        if (!more(k) || hex_digit((char)k->s[k->at]) < 0)
            return false;
    return true;
}

static bool check_string(struct scan *k)
{
    for (k->at++; more(k);) {
        unsigned char c = k->s[k->at];
        if (c == '"') {
            k->at++;
            return true;
        }
        if (c == '\\') {
            if (!check_escape(k))
                return false;
            continue;
        }
        if (c < 0x20)
            return fail(k, "control byte in a string");
        size_t n = utf8_sequence(k->s + k->at, k->len - k->at);
        if (n == 0)
            return fail(k, "invalid UTF-8");
        k->at += n;
    }
    return false;
}

static bool check_word(struct scan *k, const char *word)
{
    for (; *word; word++, k->at++)
        if (!more(k) || k->s[k->at] != (unsigned char)*word)
            return false;
    return true;
}

static bool check_scalar(struct scan *k)
{
    unsigned char c = k->s[k->at];
    if (c == '"')
        return check_string(k);
    if (c == '-' || is_digit(c))
        return check_number(k);
    if (c == 't')
        return check_word(k, "true");
    if (c == 'f')
        return check_word(k, "false");
    if (c == 'n')
        return check_word(k, "null");
    return false;
}

/* What may come next. */
enum expect { VALUE, VALUE_OR_CLOSE, KEY, KEY_OR_CLOSE, AFTER_VALUE };

struct levels { /* one bit an open container: set for an object */
    unsigned char bits[JSON_CHECK_DEPTH / 8];
    size_t depth;
};

static bool in_object(const struct levels *l)
{
    return l->bits[(l->depth - 1) / 8] & (1u << ((l->depth - 1) % 8));
}

static bool open_level(struct scan *k, struct levels *l, enum expect *next)
{
    if (l->depth == JSON_CHECK_DEPTH)
        return fail(k, "nested too deep");
    bool object = k->s[k->at++] == '{';
    unsigned char bit = (unsigned char)(1u << (l->depth % 8));
    unsigned char *byte = &l->bits[l->depth / 8];
    *byte = object ? (unsigned char)(*byte | bit) : (unsigned char)(*byte & ~bit);
    l->depth++;
    *next = object ? KEY_OR_CLOSE : VALUE_OR_CLOSE;
    return true;
}

static bool close_level(struct scan *k, struct levels *l, enum expect *next)
{
    if (l->depth == 0 || k->s[k->at] != (in_object(l) ? '}' : ']'))
        return false;
    k->at++;
    l->depth--;
    *next = AFTER_VALUE;
    return true;
}

static bool step_value(struct scan *k, struct levels *l, enum expect *next)
{
    unsigned char c = k->s[k->at];
    if (*next == VALUE_OR_CLOSE && c == ']')
        return close_level(k, l, next);
    if (c == '{' || c == '[')
        return open_level(k, l, next);
    *next = AFTER_VALUE;
    return check_scalar(k);
}

static bool step_key(struct scan *k, struct levels *l, enum expect *next)
{
    unsigned char c = k->s[k->at];
    if (*next == KEY_OR_CLOSE && c == '}')
        return close_level(k, l, next);
    if (c != '"' || !check_string(k))
        return false;
    skip_space(k);
    if (!more(k) || k->s[k->at] != ':')
        return false;
    k->at++;
    *next = VALUE;
    return true;
}

static bool step_after(struct scan *k, struct levels *l, enum expect *next)
{
    if (k->s[k->at] != ',' || l->depth == 0)
        return close_level(k, l, next);
    k->at++;
    *next = in_object(l) ? KEY : VALUE;
    return true;
}

static bool check(struct scan *k)
{
    struct levels levels = {.depth = 0};
    enum expect next = VALUE;
    for (;;) {
        skip_space(k);
        if (!more(k))
            return next == AFTER_VALUE && levels.depth == 0;
        bool ok = next == AFTER_VALUE                   ? step_after(k, &levels, &next)
                  : next == KEY || next == KEY_OR_CLOSE ? step_key(k, &levels, &next)
                                                        : step_value(k, &levels, &next);
        if (!ok)
            return false;
    }
}

bool json_check(const void *text, size_t len, char *reason, size_t reason_size)
{
    struct scan k = {.s = text, .len = len};
    if (check(&k))
        return true;
    if (!reason || reason_size == 0)
        return false;
    if (!more(&k))
        snprintf(reason, reason_size, "the text ends too early, at offset %zu", k.at);
    else if (k.wrong)
        snprintf(reason, reason_size, "%s (byte 0x%02x) at offset %zu", k.wrong, k.s[k.at], k.at);
    else
        snprintf(reason, reason_size, "unexpected byte 0x%02x at offset %zu", k.s[k.at], k.at);
    return false;
}

#include "workers/store/decimal.h"

#include <stdlib.h>
#include <string.h>

#define EXPONENT_MIN (-129) /* 0.1 x 10^-129 = 1E-130 */
#define EXPONENT_MAX 126

/* Takes n digits whose first one stands for 10^(exponent-1); trims the zeros of both ends. */
static bool settle(const unsigned char *digits, int n, long exponent, bool negative,
                   struct decimal *out)
{
    while (n > 0 && digits[0] == 0) {
        digits++;
        n--;
        exponent--;
    }
    while (n > 0 && digits[n - 1] == 0)
        n--;
    *out = (struct decimal){.negative = negative && n > 0, .count = n};
    if (n == 0)
        return true;
    if (n > DECIMAL_DIGITS || exponent < EXPONENT_MIN || exponent > EXPONENT_MAX)
        return false;
    memcpy(out->digits, digits, (size_t)n);
    out->exponent = (int)exponent;
    return true;
}

bool decimal_parse(const char *text, struct decimal *out)
{
    unsigned char digits[256];
    int n = 0;
    long exponent = 0;
    bool point = false;
    bool any = false;
    bool negative = *text == '-';
    text += *text == '-' || *text == '+';
    for (; (*text >= '0' && *text <= '9') || (*text == '.' && !point); text++) {
        if (*text == '.') {
            point = true;
            continue;
        }
        any = true;
        if (n == (int)sizeof(digits))
            return false;
        digits[n++] = (unsigned char)(*text - '0');
        exponent += !point;
    }
    if (*text == 'e' || *text == 'E') {
        const char *p = text + 1;
        p += *p == '-' || *p == '+';
        size_t len = strspn(p, "0123456789");
        if (len == 0 || len > 6)
            return false;
        exponent += strtol(text + 1, NULL, 10);
        text = p + len;
    }
    return any && !*text && settle(digits, n, exponent, negative, out);
}

static int compare_magnitude(const struct decimal *a, const struct decimal *b)
{
    if (a->count == 0 || b->count == 0)
        return (a->count > 0) - (b->count > 0);
    if (a->exponent != b->exponent)
        return a->exponent < b->exponent ? -1 : 1;
    for (int i = 0; i < DECIMAL_DIGITS; i++)
        if (a->digits[i] != b->digits[i])
            return a->digits[i] < b->digits[i] ? -1 : 1;
    return 0;
}

int decimal_compare(const struct decimal *a, const struct decimal *b)
{
    if (a->negative != b->negative)
        return a->negative ? -1 : 1;
    int order = compare_magnitude(a, b);
    return a->negative ? -order : order;
}

/* The digit of d that stands for 10^(place-1). */
static int digit_at(const struct decimal *d, int place)
{
    int i = d->exponent - place;
    return i >= 0 && i < d->count ? d->digits[i] : 0;
}

bool decimal_add(const struct decimal *a, const struct decimal *b, bool subtract,
                 struct decimal *out)
{
    unsigned char digits[EXPONENT_MAX - EXPONENT_MIN + DECIMAL_DIGITS + 2];
    struct decimal other = *b;
    other.negative = b->count > 0 && b->negative != subtract;
    if (a->count == 0 || other.count == 0) {
        *out = a->count ? *a : other;
        return true;
    }
    if (compare_magnitude(a, &other) < 0) {
        struct decimal larger = other;
        other = *a;
        return decimal_add(&larger, &other, false, out);
    }
    /* |a| >= |other|: from the last place of either up to one above a's first. */
    bool minus = a->negative != other.negative;
    int a_last = a->exponent - a->count;
    int b_last = other.exponent - other.count;
    int last = a_last < b_last ? a_last : b_last;
    int n = a->exponent + 1 - last;
    int carry = 0;
    for (int i = n - 1; i >= 0; i--) {
        int place = a->exponent + 1 - i;
        int sum = digit_at(a, place) + carry + (minus ? -1 : 1) * digit_at(&other, place);
        carry = sum > 9 ? 1 : sum < 0 ? -1 : 0;
        digits[i] = (unsigned char)(sum - 10 * carry);
    }
    return settle(digits, n, a->exponent + 1, a->negative, out);
}

void decimal_text(const struct decimal *d, char out[DECIMAL_TEXT_BYTES])
{
    char *p = out;
    if (d->negative)
        *p++ = '-';
    if (d->exponent <= 0)
        *p++ = '0';
    for (int place = d->exponent; place > 0; place--)
        *p++ = (char)('0' + digit_at(d, place));
    if (d->exponent < d->count) {
        *p++ = '.';
        for (int place = 0; place > d->exponent - d->count; place--)
            *p++ = (char)('0' + digit_at(d, place));
    }
    *p = '\0';
}

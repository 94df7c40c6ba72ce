#ifndef WORKERS_STORE_DECIMAL_H
#define WORKERS_STORE_DECIMAL_H

#include <stdbool.h>

/* DynamoDB's numbers: up to 38 significant decimal digits, magnitude from 1E-130 to below 1E+126,
 * exact. Pure. */
#define DECIMAL_DIGITS 38
#define DECIMAL_TEXT_BYTES 176

struct decimal { /* 0.d1d2d3... x 10^exponent; zero has no digits and is not negative */
    bool negative;
    int count;
    int exponent;
    unsigned char digits[DECIMAL_DIGITS]; /* 0..9; neither the first nor the last is 0 */
};

/* False where text is no number, or has too many digits or too large an exponent. */
bool decimal_parse(const char *text, struct decimal *out);
/* Below, at or above 0. */
int decimal_compare(const struct decimal *a, const struct decimal *b);
/* a + b, or a - b. False where the result needs more digits or a larger exponent. */
bool decimal_add(const struct decimal *a, const struct decimal *b, bool subtract,
                 struct decimal *out);
/* The one spelling: no exponent, no leading or trailing zeros. */
void decimal_text(const struct decimal *d, char out[DECIMAL_TEXT_BYTES]);

#endif

#ifndef COMMON_BASE_HEX_H
#define COMMON_BASE_HEX_H

#include <stddef.h>

/* Bytes as hexadecimal digits, lower-case, and a NUL behind them: out has room for 2 * len + 1. */
void hex_encode(const void *bytes, size_t len, char *out);

/* The value of one digit of either case, or -1. */
int hex_digit(char c);

#endif

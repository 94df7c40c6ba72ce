#include "common/base/utf8.h"

#include <stdint.h>
#include <stdio.h>

#include "common/base/buf.h"

/* The second byte's range decides overlong forms, surrogates and the upper end; all bytes after it
 * are 0x80..0xBF. */
static size_t multi_byte(const unsigned char *s, size_t len)
{
    unsigned char low = 0x80;
    unsigned char high = 0xbf;
    size_t need;
    if (s[0] >= 0xc2 && s[0] <= 0xdf) {
        need = 2;
    } else if (s[0] >= 0xe0 && s[0] <= 0xef) {
        need = 3;
        low = s[0] == 0xe0 ? 0xa0 : 0x80;
        high = s[0] == 0xed ? 0x9f : 0xbf;
    } else if (s[0] >= 0xf0 && s[0] <= 0xf4) {
        need = 4;
        low = s[0] == 0xf0 ? 0x90 : 0x80;
        high = s[0] == 0xf4 ? 0x8f : 0xbf;
    } else {
        return 0;
    }
    if (len < need || s[1] < low || s[1] > high)
        return 0;
    for (size_t i = 2; i < need; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    return need;
}

size_t utf8_sequence(const void *text, size_t len)
{
    const unsigned char *s = text;
    if (len == 0)
        return 0;
    return s[0] < 0x80 ? 1 : multi_byte(s, len);
}

size_t utf8_encode(unsigned long cp, char out[4])
{
    if (cp < 0x80) {
        out[0] = (char)cp;
        return 1;
    }
    if (cp < 0x800) {
        out[0] = (char)(0xc0 | (cp >> 6));
        out[1] = (char)(0x80 | (cp & 0x3f));
        return 2;
    }
    if (cp < 0x10000) {
        out[0] = (char)(0xe0 | (cp >> 12));
        out[1] = (char)(0x80 | ((cp >> 6) & 0x3f));
        out[2] = (char)(0x80 | (cp & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | (cp >> 18));
    out[1] = (char)(0x80 | ((cp >> 12) & 0x3f));
    out[2] = (char)(0x80 | ((cp >> 6) & 0x3f));
    out[3] = (char)(0x80 | (cp & 0x3f));
    return 4;
}

char *utf8_safe(const void *text, size_t len, size_t max_bytes)
{
    const unsigned char *s = text;
    struct buf out = {0};
    for (size_t at = 0; at < len;) {
        size_t n = utf8_sequence(s + at, len - at);
        int plain = n > 1 || (n == 1 && s[at] >= 0x20 && s[at] != 0x7f);
        if (out.len + (plain ? n : 3) > max_bytes)
            break;
        if (plain)
            buf_append(&out, s + at, n);
        else
            buf_printf(&out, "%%%02X", s[at]);
        at += plain ? n : 1;
    }
    return buf_steal(&out);
}

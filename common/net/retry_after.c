#include "common/net/retry_after.h"

#include <stdbool.h>
#include <string.h>

#include "common/base/clock.h"

#define BLANKS " \t"

static int capped(int64_t seconds, int cap_s)
{
    return seconds > cap_s ? cap_s : seconds < 0 ? 0 : (int)seconds;
}

/* The text without the blanks around it; false where it does not fit. */
static bool trim(const char *text, char *out, size_t size)
{
    text += strspn(text, BLANKS);
    size_t len = strlen(text);
    while (len && strchr(BLANKS, text[len - 1]))
        len--;
    if (len >= size)
        return false;
    memcpy(out, text, len);
    out[len] = '\0';
    return true;
}

int retry_after_s(const char *value, const char *date, int64_t now_ms, int cap_s)
{
    char text[64], now_text[64];
    int64_t until_ms, server_ms;
    if (!value || !trim(value, text, sizeof(text)) || !*text)
        return 0;
    if (strspn(text, "0123456789") == strlen(text)) {
        int64_t seconds = 0;
        for (const char *p = text; *p && seconds <= cap_s; p++)
            seconds = seconds * 10 + (*p - '0');
        return capped(seconds, cap_s);
    }
    if (clock_parse_http_date(text, &until_ms))
        return 0;
    if (date && trim(date, now_text, sizeof(now_text)) &&
        clock_parse_http_date(now_text, &server_ms) == 0)
        now_ms = server_ms;
    return capped((until_ms - now_ms + 999) / 1000, cap_s);
}

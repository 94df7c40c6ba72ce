#include "common/base/clock.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};

static int64_t now_ms(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t clock_mono_ms(void)
{
    return now_ms(CLOCK_MONOTONIC);
}

int64_t clock_wall_ms(void)
{
    return now_ms(CLOCK_REALTIME);
}

static struct tm split(int64_t wall_ms, int *ms_out)
{
    int64_t seconds = wall_ms / 1000;
    int64_t ms = wall_ms % 1000;
    if (ms < 0) {
        ms += 1000;
        seconds--;
    }
    time_t t = (time_t)seconds;
    struct tm tm = {0};
    gmtime_r(&t, &tm);
    *ms_out = (int)ms;
    return tm;
}

void clock_rfc3339(int64_t wall_ms, char out[CLOCK_TEXT_BYTES])
{
    int ms;
    struct tm tm = split(wall_ms, &ms);
    size_t n = strftime(out, CLOCK_TEXT_BYTES, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(out + n, CLOCK_TEXT_BYTES - n, ".%03dZ", ms);
}

void clock_amz_date(int64_t wall_ms, char out[CLOCK_TEXT_BYTES])
{
    int ms;
    struct tm tm = split(wall_ms, &ms);
    strftime(out, CLOCK_TEXT_BYTES, "%Y%m%dT%H%M%SZ", &tm);
}

void clock_http_date(int64_t wall_ms, char out[CLOCK_TEXT_BYTES])
{
    int ms;
    struct tm tm = split(wall_ms, &ms);
    /* The C locale's names, which are the protocol's: no process of ours calls setlocale. */
    strftime(out, CLOCK_TEXT_BYTES, "%a, %d %b %Y %H:%M:%S GMT", &tm);
}

/* Turns checked fields into milliseconds; -1 where timegm would have had to normalise them. */
static int join(int year, int month, int day, int hour, int minute, int second, int64_t ms,
                int64_t *wall_ms_out)
{
    struct tm tm = {.tm_year = year - 1900,
                    .tm_mon = month - 1,
                    .tm_mday = day,
                    .tm_hour = hour,
                    .tm_min = minute,
                    .tm_sec = second};
    struct tm wanted = tm;
    time_t t = timegm(&tm);
    if (tm.tm_mon != wanted.tm_mon || tm.tm_mday != wanted.tm_mday ||
        tm.tm_hour != wanted.tm_hour || tm.tm_min != wanted.tm_min || tm.tm_sec != wanted.tm_sec)
        return -1;
    *wall_ms_out = (int64_t)t * 1000 + ms;
    return 0;
}

/* Whether text begins with this shape, in which 'd' stands for a digit and every other character
 * for itself: sscanf alone would take signs and blanks for digits. */
static int has_shape(const char *text, const char *shape)
{
    for (; *shape; text++, shape++)
        if (*shape == 'd' ? !isdigit((unsigned char)*text) : *text != *shape)
            return 0;
    return 1;
}

static int two_digits(const char *text)
{
    return (text[0] - '0') * 10 + text[1] - '0';
}

/* "+01:00", or as ISO 8601 has it too, "+0100" and "+01". What is behind it; NULL where it is none.
 */
static const char *skip_offset(const char *text, int64_t *offset_ms_out)
{
    const char *p = text + 1;
    int minutes = 0;
    if (!has_shape(p, "dd"))
        return NULL;
    int hours = two_digits(p);
    p += 2;
    if (has_shape(p, ":dd") || has_shape(p, "dd")) {
        p += *p == ':';
        minutes = two_digits(p);
        p += 2;
    }
    if (hours > 23 || minutes > 59)
        return NULL;
    *offset_ms_out = (hours * 60 + minutes) * INT64_C(60000) * (*text == '-' ? -1 : 1);
    return p;
}

int clock_parse_rfc3339(const char *text, int64_t *wall_ms_out)
{
    int year, month, day, hour, minute, second;
    if (!has_shape(text, "dddd-dd-dd") || !text[10] || !strchr("Tt ", text[10]) ||
        !has_shape(text + 11, "dd:dd:dd") ||
        sscanf(text, "%4d-%2d-%2d%*c%2d:%2d:%2d", &year, &month, &day, &hour, &minute, &second) !=
            6)
        return -1;
    const char *p = text + 19;
    int64_t ms = 0;
    if (*p == '.') {
        int64_t scale = 100;
        if (!isdigit((unsigned char)p[1]))
            return -1;
        for (p++; isdigit((unsigned char)*p); p++, scale /= 10)
            ms += (*p - '0') * scale;
    }
    int64_t offset_ms = 0;
    if (*p == 'Z' || *p == 'z') {
        p++;
    } else if (*p == '+' || *p == '-') {
        p = skip_offset(p, &offset_ms);
        if (!p)
            return -1;
    } else {
        return -1;
    }
    if (*p || join(year, month, day, hour, minute, second, ms, wall_ms_out))
        return -1;
    *wall_ms_out -= offset_ms;
    return 0;
}

int clock_parse_amz_date(const char *text, int64_t *wall_ms_out)
{
    int year, month, day, hour, minute, second;
    if (strlen(text) != 16 || !has_shape(text, "ddddddddTddddddZ") ||
        sscanf(text, "%4d%2d%2dT%2d%2d%2dZ", &year, &month, &day, &hour, &minute, &second) != 6)
        return -1;
    return join(year, month, day, hour, minute, second, 0, wall_ms_out);
}

int clock_parse_http_date(const char *text, int64_t *wall_ms_out)
{
    int day, year, hour, minute, second;
    char month[4];
    /* "Sat, 21 Nov 2026 09:30:00 GMT": the name of the day is not looked at. */
    if (strlen(text) != 29 || !has_shape(text + 3, ", dd ") ||
        !has_shape(text + 11, " dddd dd:dd:dd GMT") ||
        sscanf(text + 5, "%2d %3[A-Za-z] %4d %2d:%2d:%2d", &day, month, &year, &hour, &minute,
               &second) != 6)
        return -1;
    for (int i = 0; i < 12; i++)
        if (strcmp(month, months[i]) == 0)
            return join(year, i + 1, day, hour, minute, second, 0, wall_ms_out);
    return -1;
}

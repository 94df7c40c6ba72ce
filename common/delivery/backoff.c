#include "common/delivery/backoff.h"

#include <assert.h>
#include <openssl/sha.h>
#include <stdio.h>
#include <string.h>

struct backoff_range backoff_range(int base_s, int cap_s, int n)
{
    assert(base_s >= 1 && cap_s >= 1 && n >= 0);
    int64_t hi = base_s;
    for (int i = 0; i < n && hi < cap_s; i++)
        hi *= 2;
    if (hi > cap_s)
        hi = cap_s;
    int64_t lo = hi / 2 > 1 ? hi / 2 : 1;
    if (hi < lo + 1)
        hi = lo + 1;
    if (hi > cap_s)
        hi = cap_s;
    return (struct backoff_range){.lo_s = (int)lo, .hi_s = (int)hi};
}

/* The first 64 bits of SHA-256(event id ":" n), big-endian. */
static uint64_t hash(const char *event_id, int n)
{
    char number[16];
    unsigned char digest[SHA256_DIGEST_LENGTH];
    char text[1024];
    int number_len = snprintf(number, sizeof(number), ":%d", n);
    size_t id_len = strnlen(event_id, sizeof(text) - sizeof(number));
    memcpy(text, event_id, id_len);
    memcpy(text + id_len, number, (size_t)number_len);
    SHA256((const unsigned char *)text, id_len + (size_t)number_len, digest);
    uint64_t value = 0;
    for (int i = 0; i < 8; i++)
        value = value << 8 | digest[i];
    return value;
}

int backoff_delay_s(int base_s, int cap_s, int n, const char *event_id)
{
    struct backoff_range r = backoff_range(base_s, cap_s, n);
    uint64_t width = (uint64_t)(r.hi_s - r.lo_s + 1);
    return r.lo_s + (int)(hash(event_id, n) % width);
}

#include "common/base/ip_range.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

int ip_address_parse(const char *text, struct ip_address *out)
{
    *out = (struct ip_address){.len = strchr(text, ':') ? 16 : 4};
    return inet_pton(out->len == 16 ? AF_INET6 : AF_INET, text, out->bytes) == 1 ? 0 : -1;
}

int ip_address_of(const struct sockaddr *from, struct ip_address *out)
{
    *out = (struct ip_address){0};
    if (from->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, from, sizeof(in));
        out->len = 4;
        memcpy(out->bytes, &in.sin_addr, 4);
        return 0;
    }
    if (from->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, from, sizeof(in6));
        out->len = 16;
        memcpy(out->bytes, &in6.sin6_addr, 16);
        return 0;
    }
    return -1;
}

void ip_address_text(const struct ip_address *a, char out[IP_ADDRESS_TEXT_BYTES])
{
    out[0] = '\0';
    inet_ntop(a->len == 16 ? AF_INET6 : AF_INET, a->bytes, out, IP_ADDRESS_TEXT_BYTES);
}

struct ip_address ip_address_unwrap(const struct ip_address *a)
{
    static const struct {
        unsigned char prefix[12];
        size_t prefix_len;
        size_t at; /* where the four bytes are */
    } forms[] = {
        {{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff}, 12, 12},
        {{0}, 12, 12},
        {{0x00, 0x64, 0xff, 0x9b}, 12, 12},
        {{0x20, 0x02}, 2, 2},
    };
    static const unsigned char unspecified_or_loopback[15];
    if (a->len != 16 || (memcmp(a->bytes, unspecified_or_loopback, 15) == 0 && a->bytes[15] <= 1))
        return *a;
    for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
        if (memcmp(a->bytes, forms[i].prefix, forms[i].prefix_len) != 0)
            continue;
        struct ip_address inner = {.len = 4};
        memcpy(inner.bytes, a->bytes + forms[i].at, 4);
        return inner;
    }
    return *a;
}

/* The bits of a byte that lie within a prefix which ends `bits` behind the byte's start. */
static unsigned mask_of(unsigned bits)
{
    return bits >= 8 ? 0xffU : (0xff00U >> bits) & 0xffU;
}

static unsigned bits_left(unsigned prefix_bits, size_t byte)
{
    return prefix_bits > byte * 8 ? prefix_bits - (unsigned)byte * 8 : 0;
}

int ip_range_parse(const char *text, struct ip_range *out)
{
    char address[IP_ADDRESS_TEXT_BYTES];
    size_t len = strcspn(text, "/");
    if (len >= sizeof(address))
        return -1;
    memcpy(address, text, len);
    address[len] = '\0';
    if (ip_address_parse(address, &out->first))
        return -1;
    out->prefix_bits = (unsigned)out->first.len * 8;
    if (text[len] == '/') {
        const char *digits = text + len + 1;
        size_t count = strspn(digits, "0123456789");
        unsigned long bits = strtoul(digits, NULL, 10);
        if (count == 0 || count > 3 || digits[count] || bits > out->prefix_bits)
            return -1;
        out->prefix_bits = (unsigned)bits;
    }
    for (size_t i = 0; i < out->first.len; i++)
        if (out->first.bytes[i] & ~mask_of(bits_left(out->prefix_bits, i)))
            return -1;
    return 0;
}

bool ip_range_contains(const struct ip_range *range, const struct ip_address *a)
{
    if (range->first.len != a->len)
        return false;
    for (size_t i = 0; i < a->len; i++)
        if ((range->first.bytes[i] ^ a->bytes[i]) & mask_of(bits_left(range->prefix_bits, i)))
            return false;
    return true;
}

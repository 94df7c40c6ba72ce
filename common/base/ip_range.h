#ifndef COMMON_BASE_IP_RANGE_H
#define COMMON_BASE_IP_RANGE_H

#include <stdbool.h>
#include <stddef.h>

/* IP addresses and ranges of them (CIDR). Pure. */
struct sockaddr;

struct ip_address {
    size_t len; /* 4 or 16 */
    unsigned char bytes[16];
};

struct ip_range {
    struct ip_address first;
    unsigned prefix_bits;
};

#define IP_ADDRESS_TEXT_BYTES 46

/* "10.1.2.3" or "fd00::1"; 0, or -1 where text is neither. */
int ip_address_parse(const char *text, struct ip_address *out) __attribute__((warn_unused_result));
/* Of AF_INET and AF_INET6; -1 for another family. */
int ip_address_of(const struct sockaddr *from, struct ip_address *out)
    __attribute__((warn_unused_result));
void ip_address_text(const struct ip_address *a, char out[IP_ADDRESS_TEXT_BYTES]);

/* The IPv4 address that an IPv6 address only carries: ::ffff:0:0/96 (mapped), ::/96 (compatible,
 * but for :: and ::1), 64:ff9b::/96 (NAT64) and 2002::/16 (6to4). Any other stays what it is. */
struct ip_address ip_address_unwrap(const struct ip_address *a);

/* "10.0.0.0/8", "fd00::/8", or one address. 0, or -1 where text is no range, or has bits set behind
 * its prefix ("10.1.2.3/8": a slip more often than not). */
int ip_range_parse(const char *text, struct ip_range *out) __attribute__((warn_unused_result));
bool ip_range_contains(const struct ip_range *range, const struct ip_address *a);

#endif

#include "common/base/egress.h"

#include <assert.h>
#include <stdbool.h>

#include "common/base/xalloc.h"

static const char *const metadata[] = {
    "169.254.169.254",                   /* AWS, Azure, Google Cloud and most others */
    "169.254.170.2",   "169.254.170.23", /* AWS: credentials of containers */
    "168.63.129.16",                     /* Azure: the host of a virtual machine */
    "100.100.100.200",                   /* Alibaba Cloud */
    "fd00:ec2::254",   "fd00:ec2::23",   /* AWS by IPv6 */
    "fd20:ce::254",                      /* Google Cloud by IPv6 */
};

static const struct {
    const char *range;
    const char *what;
} closed[] = {
    {"0.0.0.0/8", "an address of no network"},
    {"10.0.0.0/8", "a private address"},
    {"100.64.0.0/10", "an address of a carrier's own network"},
    {"127.0.0.0/8", "a loopback address"},
    {"169.254.0.0/16", "a link-local address"},
    {"172.16.0.0/12", "a private address"},
    {"192.0.0.0/24", "a reserved address"},
    {"192.0.2.0/24", "a reserved address"},
    {"192.168.0.0/16", "a private address"},
    {"198.18.0.0/15", "a reserved address"},
    {"198.51.100.0/24", "a reserved address"},
    {"203.0.113.0/24", "a reserved address"},
    {"224.0.0.0/4", "a multicast address"},
    {"240.0.0.0/4", "a reserved address"},
    {"::/128", "an address of no network"},
    {"::1/128", "a loopback address"},
    {"64:ff9b:1::/48", "a reserved address"},
    {"100::/64", "a reserved address"},
    {"2001::/23", "a reserved address"},
    {"2001:db8::/32", "a reserved address"},
    {"fc00::/7", "a private address"},
    {"fe80::/10", "a link-local address"},
    {"fec0::/10", "a private address"},
    {"ff00::/8", "a multicast address"},
};

static bool is_in(const char *range, const struct ip_address *address)
{
    struct ip_range parsed;
    int failed = ip_range_parse(range, &parsed);
    assert(!failed);
    return ip_range_contains(&parsed, address);
}

bool egress_is_metadata(const struct ip_address *address)
{
    const struct ip_address inner = ip_address_unwrap(address);
    for (size_t i = 0; i < sizeof(metadata) / sizeof(metadata[0]); i++)
        if (is_in(metadata[i], &inner))
            return true;
    return false;
}

const char *egress_refusal(const struct ip_address *address, const struct ip_range *allowed,
                           size_t allowed_count)
{
    const struct ip_address inner = ip_address_unwrap(address);
    if (egress_is_metadata(&inner))
        return "a cloud's metadata address, which is never called";
    for (size_t i = 0; i < allowed_count; i++)
        if (ip_range_contains(&allowed[i], &inner))
            return NULL;
    for (size_t i = 0; i < sizeof(closed) / sizeof(closed[0]); i++)
        if (is_in(closed[i].range, &inner))
            return closed[i].what;
    return NULL;
}

char *egress_refuse_dial(const struct sockaddr *from, const struct ip_range *allowed,
                         size_t allowed_count, const char *at)
{
    struct ip_address address;
    char text[IP_ADDRESS_TEXT_BYTES];
    if (ip_address_of(from, &address))
        return xstrdup("neither an IPv4 nor an IPv6 address");
    const char *what = egress_refusal(&address, allowed, allowed_count);
    if (!what)
        return NULL;
    ip_address_text(&address, text);
    if (egress_is_metadata(&address))
        return xasprintf("%s is %s", text, what);
    return xasprintf("%s is %s: add its network to %s.allow_networks", text, what, at);
}

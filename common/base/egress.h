#ifndef COMMON_BASE_EGRESS_H
#define COMMON_BASE_EGRESS_H

#include <stddef.h>

#include "common/base/ip_range.h"

/* Which addresses a delivery may be sent to. Asked with the address that is about to be dialled,
 * after names were resolved, so that neither a name that resolves to something else the second time
 * nor an unusual spelling of an address gets around it. Pure.
 *
 * Public addresses may be dialled. Those of this host, of private networks and of no network need a
 * range in allowed. The addresses at which clouds hand out credentials are refused whatever is
 * allowed. An IPv6 address that only carries an IPv4 address counts as that one.
 *
 * NULL where the address may be dialled; else what is against it, such as "a loopback address". */
const char *egress_refusal(const struct ip_address *address, const struct ip_range *allowed,
                           size_t allowed_count);

struct sockaddr;
/* The same for an address as it is dialled, in words that name the key of the configuration to
 * correct: at is the object with allow_networks, such as "destinations.crm". NULL, or malloc. */
char *egress_refuse_dial(const struct sockaddr *address, const struct ip_range *allowed,
                         size_t allowed_count, const char *at);

/* Whether no range can open the address. */
bool egress_is_metadata(const struct ip_address *address);

#endif

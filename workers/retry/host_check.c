#include "workers/retry/host_check.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#define HOST_BYTES 256

/* "name:8081" and "[::1]:8081" to "name" and "::1". False where it is neither form. */
static bool host_part(const char *text, char out[HOST_BYTES])
{
    const char *start = text;
    size_t len = 0;
    const char *rest = NULL;
    if (*text == '[') {
        start = text + 1;
        len = strcspn(start, "]");
        if (start[len] != ']')
            return false;
        rest = start + len + 1;
    } else {
        len = strcspn(start, ":");
        rest = start + len;
    }
    if (len == 0 || len >= HOST_BYTES)
        return false;
    if (*rest && (*rest != ':' || strspn(rest + 1, "0123456789") != strlen(rest + 1)))
        return false;
    memcpy(out, start, len);
    out[len] = '\0';
    return true;
}

static bool is_address(const char *name)
{
    unsigned char bytes[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, name, bytes) == 1 || inet_pton(AF_INET6, name, bytes) == 1;
}

bool host_check_allowed(const char *host, const json_t *listen)
{
    char name[HOST_BYTES];
    if (!host)
        return true;
    if (!host_part(host, name))
        return false;
    if (is_address(name) || strcasecmp(name, "localhost") == 0)
        return true;
    for (size_t i = 0; i < json_array_size(listen); i++) {
        char ours[HOST_BYTES];
        const char *address = json_string_value(json_array_get(listen, i));
        if (address && host_part(address, ours) && strcasecmp(name, ours) == 0)
            return true;
    }
    return false;
}

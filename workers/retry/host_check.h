#ifndef WORKERS_RETRY_HOST_CHECK_H
#define WORKERS_RETRY_HOST_CHECK_H

#include <jansson.h>
#include <stdbool.h>

/* Whether a browser may have meant us with this Host header. A page of a stranger can point its own
 * name at our address (DNS rebinding) and would then share our origin: so a name must be one that
 * the listeners are configured with, or localhost. Address literals cannot be re-pointed and pass.
 * listen is the array of configured "host:port". NULL (HTTP/1.0) passes: no browser sends none. */
bool host_check_allowed(const char *host, const json_t *listen);

#endif

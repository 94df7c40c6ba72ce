#ifndef COMMON_CONF_CONF_CHECK_HTTP_H
#define COMMON_CONF_CONF_CHECK_HTTP_H

#include <jansson.h>

/* What a destination of the type http must have beyond the form of each key: files that can be
 * read, a certificate to its key, and an address that may be called where the URL has one instead
 * of a name (names are judged when they are resolved). */
struct conf_errors;

void conf_check_http(const char *name, const json_t *destination, struct conf_errors *errors);

#endif

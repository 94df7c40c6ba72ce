#ifndef COMMON_CONF_CONF_CHECK_HTTP_H
#define COMMON_CONF_CONF_CHECK_HTTP_H

#include <jansson.h>

/* What an outgoing call must have beyond the form of each key. */
struct conf_errors;

/* An object with allow_networks, and ca_file, cert_file and key_file where it has them; at is its
 * path. Files can be read, a certificate stands to its key, and the address may be called where the
 * URL under url_key has one instead of a name (names are judged when they are resolved). */
void conf_check_http(const char *at, const json_t *object, const char *url_key,
                     struct conf_errors *errors);

/* Whether the URL under url_key may carry a secret or a token: by https, or inside a network that
 * allow_networks lists. Adds the error where it may not. */
void conf_check_http_secret(const char *at, const json_t *object, const char *url_key,
                            struct conf_errors *errors);

#endif

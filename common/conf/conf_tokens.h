#ifndef COMMON_CONF_CONF_TOKENS_H
#define COMMON_CONF_CONF_TOKENS_H

#include <jansson.h>

struct conf_errors;

/* One bearer token as written, {"name", "secret", "role"}, with its final values (new reference):
 * the secret may be {"file": path}, relative to base_dir. NULL after adding errors. */
json_t *conf_tokens_check(const char *path, const json_t *written, const char *base_dir,
                          struct conf_errors *errors);

#endif

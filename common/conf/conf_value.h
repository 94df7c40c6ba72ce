#ifndef COMMON_CONF_CONF_VALUE_H
#define COMMON_CONF_CONF_VALUE_H

#include <jansson.h>

struct conf_errors;
struct conf_key;

/* The final value (new reference) of one key from what is written for it: variables and secret
 * files taken in, type, bounds and format checked, paths made absolute. NULL after adding what is
 * wrong to errors. */
json_t *conf_value_check(const struct conf_key *key, const char *path, const json_t *written,
                         const char *base_dir, struct conf_errors *errors);

/* "", 0, [] or {}: what stands for a value that is missing. */
json_t *conf_value_empty(const struct conf_key *key);

#endif

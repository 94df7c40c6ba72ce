#ifndef COMMON_CONF_CONF_CHECK_OAUTH_H
#define COMMON_CONF_CONF_CHECK_OAUTH_H

#include <jansson.h>

/* What the parts of a configuration that have to do with access tokens must have beyond the form of
 * each key: the objects under oauth, and the calls that carry their tokens (destinations, and the
 * check and acknowledge of sources, whose addresses and files are looked at here too). */
struct conf_errors;

#define CONF_CHECK_OAUTH_MAX 64 /* how many a keyring looks after */

void conf_check_oauth(const json_t *conf, struct conf_errors *errors);

#endif

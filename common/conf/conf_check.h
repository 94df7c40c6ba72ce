#ifndef COMMON_CONF_CONF_CHECK_H
#define COMMON_CONF_CONF_CHECK_H

#include <jansson.h>

struct conf_errors;

/* Checks what one key cannot know alone, on a configuration that conf_fill has made: names that
 * refer to other parts, paths and addresses that clash, numbers that must fit each other. Adds
 * errors, and warnings for what works but is seldom meant. */
void conf_check(const json_t *conf, struct conf_errors *errors);

#endif

#ifndef COMMON_CONF_CONF_FILL_H
#define COMMON_CONF_CONF_FILL_H

#include <jansson.h>

struct conf_errors;

/* Makes the normalised configuration (new reference) from what is written: unknown keys are
 * refused, values checked by the key table, variables and secret files taken in, relative paths put
 * behind base_dir, and presets and defaults laid under. Every fault is added to errors and a
 * stand-in of the right type put in its place, so that later checks can go on. */
json_t *conf_fill(const json_t *written, const char *base_dir, struct conf_errors *errors);

#endif

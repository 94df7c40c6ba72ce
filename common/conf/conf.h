#ifndef COMMON_CONF_CONF_H
#define COMMON_CONF_CONF_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The configuration: one JSON file with comments, described by one key table
 * (conf_keys.h), checked as a whole (conf_check.h).
 *
 * Loading does, in this order: read the file (at most 1 MiB), strip comments,
 * parse, resolve ${NAME} and {"file": path}, refuse unknown keys with a "did you
 * mean", check types and bounds, lay presets and defaults under what is
 * written, check references between parts. All errors are collected in one pass.
 *
 * The result is *normalised*: every key of the table is present wherever its
 * object is, with its final value; paths are absolute. So the getters below
 * never have a fallback: an absent key is our bug and asserts. */

struct conf_error {
    char *path;    /* "sources.genesys.retry.cap_s", or "" for the file as a whole */
    char *message; /* what is wrong and what to write instead; UTF-8 */
};

struct conf_errors {
    struct conf_error *list; /* own */
    size_t count;
    struct conf_error *warnings; /* own; do not fail the load */
    size_t warning_count;
};

/* The normalised configuration (new reference), or NULL with at least one error. Relative paths in
 * the file are taken from base_dir (NULL: the directory that the file is in). */
json_t *conf_load(const char *path, const char *base_dir, struct conf_errors *errors);

/* For a tool that needs only a part of the file, where a fault elsewhere (a variable that only the
 * service's environment has) must not be in the way: as conf_load, but with errors the
 * configuration is returned all the same, stand-ins at the faulty places. NULL only where the file
 * does not parse. The caller asks conf_errors_concern for the parts it uses. */
json_t *conf_inspect(const char *path, const char *base_dir, struct conf_errors *errors);

/* Whether there is an error at this path, above it or below it. */
bool conf_errors_concern(const struct conf_errors *errors, const char *path);
void conf_errors_free(struct conf_errors *errors);

/* What a role may see of a normalised configuration (new reference): its slice, by the roles flag
 * of the key table. Equal slices (json_equal) mean that the role need not be restarted. */
json_t *conf_slice(const json_t *conf, const char *role);

/* A copy of a normalised configuration in which every SECRET value reads "***". */
json_t *conf_masked(const json_t *conf);

/* Whether a running service may go from one normalised configuration to the next. False after
 * adding an error for each changed key that needs a restart. */
bool conf_reload_allowed(const json_t *current, const json_t *next, struct conf_errors *errors);

/* Getters on a normalised object. path is dotted: conf_int(source, "retry.base_s"). */
int64_t conf_int(const json_t *object, const char *path);
bool conf_bool(const json_t *object, const char *path);
const char *conf_str(const json_t *object, const char *path);     /* borrowed, never NULL */
const json_t *conf_value(const json_t *object, const char *path); /* borrowed, never NULL */

struct ip_range;
/* The ranges of "allow_networks" (malloc). What is no range is left out: a check tells it. */
struct ip_range *conf_networks(const json_t *object, size_t *count_out);

#endif

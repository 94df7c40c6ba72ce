#ifndef SUPERVISOR_PAUSES_H
#define SUPERVISOR_PAUSES_H

#include <jansson.h>
#include <stdbool.h>

/* The sources that somebody has paused: a set of names in a file, {"paused": [name...]}, so that it
 * outlives the service. */
struct pauses;

/* Reads the file. One that is missing is an empty set; one that is damaged too, after an error in
 * the log. */
struct pauses *pauses_new(const char *path);
void pauses_free(struct pauses *p); /* NULL is a no-op */

bool pauses_has(const struct pauses *p, const char *source);
const json_t *pauses_names(const struct pauses *p); /* an array, in the order of the pauses */

/* Adds or takes out these names (an array; what is so already stays) and writes the file. 0; -1
 * with errno, and nothing is changed. */
int pauses_set(struct pauses *p, const json_t *sources, bool paused)
    __attribute__((warn_unused_result));

#endif

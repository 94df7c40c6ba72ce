#ifndef SUPERVISOR_PAUSES_H
#define SUPERVISOR_PAUSES_H

#include <jansson.h>
#include <stdbool.h>

/* The sources that somebody has paused, when, and who, in a file, so that it outlives the service:
 * {"paused": [{"source", "at": RFC 3339, "by": "" where it is not known}...]}. */
struct pauses;

/* Reads the file. One that is missing is an empty set; of one that is damaged what can be read
 * counts, after an error in the log. */
struct pauses *pauses_new(const char *path);
void pauses_free(struct pauses *p); /* NULL is a no-op */

bool pauses_has(const struct pauses *p, const char *source);
const json_t *pauses_list(const struct pauses *p); /* the array, in the order of the pauses */

/* Adds or takes out these names (an array; what is so already stays as it is) and writes the file.
 * 0; -1 with errno, and nothing is changed. */
int pauses_add(struct pauses *p, const json_t *sources, const char *at, const char *by)
    __attribute__((warn_unused_result));
int pauses_remove(struct pauses *p, const json_t *sources) __attribute__((warn_unused_result));

#endif

#ifndef SUPERVISOR_ASKS_H
#define SUPERVISOR_ASKS_H

#include <jansson.h>
#include <stdint.h>

/* What workers ask of the keyring (`need`, `stale`), thinned out: many workers repeat the same each
 * second, and one that lost its mind may ask anything. Each different ask goes on once a second,
 * and ASKS_MAX of them. */
struct asks;

#define ASKS_MAX 64
#define ASKS_TEXT_MAX 127 /* bytes of each member */

struct asks *asks_new(void);
void asks_free(struct asks *a);

/* The message to pass on (new reference: nothing but what such a message has), or NULL: *why_out is
 * what is wrong with it, or NULL where its like has gone on within this second. */
json_t *asks_admit(struct asks *a, const json_t *msg, int64_t now_ms, const char **why_out);

#endif

#ifndef WORKERS_RETRY_CURSOR_H
#define WORKERS_RETRY_CURSOR_H

/* The opaque next_token of a listing: base64url of {"v":1,"after":KEY}. It names the last key that
 * was dealt with, so a sweep goes on behind it whatever was deleted meanwhile, and meets no key
 * twice. Pure. */

/* The token (malloc) that stands behind this key; "" for the beginning. */
char *cursor_make(const char *after);

/* The key (malloc); "" for the empty token, which is the beginning. NULL where the token is none of
 * ours, or names no key under this prefix. */
char *cursor_read(const char *prefix, const char *token);

#endif

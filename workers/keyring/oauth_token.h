#ifndef WORKERS_KEYRING_OAUTH_TOKEN_H
#define WORKERS_KEYRING_OAUTH_TOKEN_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/base/buf.h"

/* What is said to a token endpoint, and what its answers say (RFC 6749). Pure. conf is a normalised
 * object under oauth. */

/* Appends text as a form field has it (application/x-www-form-urlencoded). */
void oauth_token_encode(const char *text, struct buf *out);

/* The request's form. */
void oauth_token_form(const json_t *conf, struct buf *out);

/* The value of the Authorization header for auth basic: id and secret are form-encoded first
 * (section 2.3.1). False for auth post, where the form carries them. */
bool oauth_token_basic(const json_t *conf, struct buf *out);

/* A longer one would not fit into the packet that carries it to the workers. */
#define OAUTH_TOKEN_MAX_BYTES 12288
#define OAUTH_TOKEN_DEFAULT_S 300 /* the life of a token whose answer does not say */
#define OAUTH_TOKEN_LONGEST_S 86400
#define OAUTH_TOKEN_WHY_BYTES 256

struct oauth_token {
    char *text; /* own; wipe it */
    int64_t lifetime_s;
};

/* The body of an answer with status 200. 0, or -1 with the reason, which quotes nothing of it. */
int oauth_token_parse(const void *body, size_t len, struct oauth_token *out,
                      char why[OAUTH_TOKEN_WHY_BYTES]) __attribute__((warn_unused_result));

/* Whether an answer with status 200 is a refusal all the same: it names an error, and no token. */
bool oauth_token_is_refusal(const void *body, size_t len);

/* Any other answer in words: the server's error and description without what they repeat of the
 * secrets. What the operator can do about it is named. True where only a correction helps. */
bool oauth_token_refusal(const json_t *conf, int status, const void *body, size_t len,
                         char why[OAUTH_TOKEN_WHY_BYTES]);

/* The address of the discovery document, and the token endpoint in it; NULL with the reason where
 * it is not a good one or not this issuer's. (malloc) */
char *oauth_token_discovery_url(const json_t *conf);
char *oauth_token_endpoint(const json_t *conf, const void *body, size_t len,
                           char why[OAUTH_TOKEN_WHY_BYTES]);

#endif

#ifndef COMMON_DELIVERY_TOKENS_H
#define COMMON_DELIVERY_TOKENS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* The access tokens that the keyring publishes, as a worker holds them, and those who wait for one.
 * An item is
 *
 *   {"t":"material","kind":"oauth","identity":NAME,"token":"…","version":1,"expires_at_ms":…}
 *
 * (NAME stands under "oauth" in the configuration; the time is wall clock), and while there is none
 *
 *   {"t":"material","kind":"trouble","service":"oauth","identity":NAME,"error":"why","version":2,
 *    "retry_at_ms":…}
 *
 * which a token ends. The last to arrive wins, whatever its version: channels are ordered, and the
 * clock of a keyring that starts again may have been set back. */
struct tokens;
struct token_wait;
struct event_base;

/* How a worker asks the keyring. */
struct tokens_hooks {
    void (*need)(void *arg, const char *name);                   /* none is here, or it is in use */
    void (*stale)(void *arg, const char *name, int64_t version); /* it was refused */
    void *arg;
};

struct tokens *tokens_new(struct event_base *base, const struct tokens_hooks *hooks);
void tokens_free(struct tokens *t); /* wipes; nobody may wait */

/* Takes in an item; false where it is none of these. */
bool tokens_put(struct tokens *t, const json_t *msg);

/* token is borrowed for the call; NULL where there is none, with the reason in why. Once, never
 * from inside tokens_wait; the wait is over then. */
typedef void token_cb(void *arg, const char *token, int64_t version, const char *why);

/* Waits for a good token. refused_version: one that was refused, so that another is wanted; 0:
 * any. Ends without one after timeout_ms, and at once while the keyring says why there is none. */
struct token_wait *tokens_wait(struct tokens *t, const char *name, int64_t refused_version,
                               int64_t timeout_ms, token_cb *done, void *arg);
void token_wait_cancel(struct token_wait *wait);

/* Appends the troubles of those that are in use here. */
void tokens_waiting(const struct tokens *t, json_t *list);

#endif

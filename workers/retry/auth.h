#ifndef WORKERS_RETRY_AUTH_H
#define WORKERS_RETRY_AUTH_H

#include <jansson.h>
#include <stdint.h>
#include <sys/types.h>

/* Who may ask the retry API what. Pure: time is a parameter.
 *
 * A bearer token (`retry.tokens`) has the role that is written beside it. A peer on the Unix socket
 * is known by its uid: root, the service's own and those in `retry.uids` are admins. Where
 * `retry.open_on_loopback` is written, whoever reaches a loopback listener is an admin too. A token
 * that is presented must be right wherever it comes from.
 *
 * Wrong tokens are counted for all clients together: after AUTH_FAILURES_MAX within a minute
 * whoever is not allowed gets 429 in place of 401. Right tokens keep working. */
#define AUTH_FAILURES_MAX 10
#define AUTH_WHO_BYTES 96

enum auth_role { AUTH_NONE, AUTH_READ, AUTH_REDRIVE, AUTH_ADMIN };

struct auth;

/* conf is the normalised slice; nothing of it is kept: tokens are kept as their SHA-256. */
struct auth *auth_new(const json_t *conf, uid_t own_uid);
void auth_free(struct auth *auth);

struct auth_request {
    const char *authorization; /* the header, or NULL */
    uid_t peer_uid;            /* (uid_t)-1 on TCP */
    const char *listener;      /* the address it came in at */
    enum auth_role needed;
};

struct auth_verdict {
    int status;               /* 0: allowed; 401, 403 or 429 */
    char who[AUTH_WHO_BYTES]; /* for the audit line: `token "ops"`, `uid 0`, `loopback` */
    int retry_after_s;        /* with 429 */
};

struct auth_verdict auth_judge(struct auth *auth, const struct auth_request *request,
                               int64_t now_mono_ms);

/* "read", "redrive", "admin". */
const char *auth_role_word(enum auth_role role);

#endif

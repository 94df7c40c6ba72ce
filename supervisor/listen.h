#ifndef SUPERVISOR_LISTEN_H
#define SUPERVISOR_LISTEN_H

#include "supervisor/role.h"

/* The listening sockets that workers inherit. They live here, so that a worker can die or be
 * replaced without one connection refused. One that two generations of a role share is the same
 * socket. All are non-blocking and close-on-exec. */
struct listen_pool;
struct listener;

struct listen_pool *listen_pool_new(void);
void listen_pool_free(struct listen_pool *pool); /* every listener must have been released */

/* The socket for this address of this role: the one that is open, with one more user, or a new one.
 * address: "127.0.0.1:8080", "[::1]:8080", "*:8080", or "unix:/path" (made with mode 0660).
 * NULL with a sentence in *why_out (malloc) that names who is in the way. */
struct listener *listen_acquire(struct listen_pool *pool, enum role role, const char *address,
                                char **why_out);

/* The last user's release closes the socket and removes a Unix socket's file. NULL is a no-op. */
void listen_release(struct listener *l);

/* Closes our copy while users remain, so that nobody waits in a queue which no one will empty. */
void listen_close(struct listener *l);

int listener_fd(const struct listener *l);
/* The address that is really bound: port 0 is replaced by the port it became. */
const char *listener_address(const struct listener *l);

#endif

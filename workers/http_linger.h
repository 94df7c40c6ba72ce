#ifndef WORKERS_HTTP_LINGER_H
#define WORKERS_HTTP_LINGER_H

/* A client that is refused while it still sends would lose our answer: closing a socket with unread
 * bytes resets the connection. So a refused connection is kept a moment longer under a descriptor
 * of our own, what it sends is thrown away, and it ends when the client does, after two seconds of
 * silence or after half a minute. Part of http_server. */
struct http_linger;
struct event_base;

struct http_linger *http_linger_new(struct event_base *base);
void http_linger_free(struct http_linger *l);

/* fd stays the caller's. Where too many linger already, nothing happens. */
void http_linger_add(struct http_linger *l, int fd);

#endif

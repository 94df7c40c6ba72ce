#ifndef SUPERVISOR_NOTIFY_H
#define SUPERVISOR_NOTIFY_H

/* Tells a service manager how the service is (the protocol of sd_notify(3), without its library):
 * datagrams to the socket that NOTIFY_SOCKET names. Nobody answers, and nothing here can fail the
 * service or block it. */
struct notify;

/* Takes NOTIFY_SOCKET and removes it from the environment, so that no worker or program of a
 * destination speaks for us. NULL where there is none; all below do nothing with NULL. */
struct notify *notify_new(void);
void notify_free(struct notify *n);

/* READY=1, also after a reload. status: a line for people. */
void notify_ready(struct notify *n, const char *status);
/* RELOADING=1 with MONOTONIC_USEC; notify_ready must follow, refused or not. */
void notify_reloading(struct notify *n);
void notify_stopping(struct notify *n, const char *status);
/* STATUS= alone. */
void notify_status(struct notify *n, const char *status);

#endif

#ifndef SUPERVISOR_CTL_CONTROL_CLIENT_H
#define SUPERVISOR_CTL_CONTROL_CLIENT_H

#include <jansson.h>

struct ctl;

/* One request to the supervisor's control socket, blocking.
 *
 * Returns the answer (new reference) or NULL after printing what went wrong, with the exit status
 * in *status_out (EX_CONFIG: no run directory; EX_UNAVAILABLE: nobody there, or no answer in
 * timeout_ms). Where fd_out is given the connection stays open and is the caller's. */
json_t *control_client_call(const struct ctl *ctl, const char *command, int timeout_ms,
                            int *status_out, int *fd_out);

/* The same with a request of more members than its command; takes it over. */
json_t *control_client_ask(const struct ctl *ctl, json_t *request, int timeout_ms, int *status_out,
                           int *fd_out);

/* Waits until the other end closes. */
void control_client_wait_end(int fd);

#endif

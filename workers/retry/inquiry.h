#ifndef WORKERS_RETRY_INQUIRY_H
#define WORKERS_RETRY_INQUIRY_H

#include <jansson.h>

/* What only the supervisor knows: how all workers are, those too that are dead, hang or wait to be
 * started again; what they hold back from; and which sources are paused. It is asked over its
 * control socket. Its numbers are those of the workers' newest beats, so a second old at most. */
struct event_base;
struct inquiry;

/* answer: that of the command "health", {"healthy", "workers", "gates", "paused"}, borrowed for the
 * call; NULL where the supervisor did not answer within INQUIRY_MS, and why says so. Runs once,
 * never from inside inquiry_start; the inquiry is then gone. */
typedef void inquiry_cb(void *arg, const json_t *answer, const char *why);

#define INQUIRY_MS 3000

/* control_path: borrowed for the call. */
struct inquiry *inquiry_start(struct event_base *base, const char *control_path, inquiry_cb *done,
                              void *arg);

/* Ends it without a call. */
void inquiry_cancel(struct inquiry *q);

#endif

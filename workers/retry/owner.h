#ifndef WORKERS_RETRY_OWNER_H
#define WORKERS_RETRY_OWNER_H

#include <stdbool.h>
#include <sys/types.h>

/* Who holds a dead letter: "HOST:PLACE:PID:RANDOM". PLACE tells one boot and one namespace of
 * process ids from all others on earth, so that a claim of a process that has died here is known to
 * be nobody's before it runs out. */
#define OWNER_BYTES 160

/* A new name, different at each call. */
void owner_make(char out[OWNER_BYTES]);

/* Whether that owner is certainly gone: a process of this very place that is not alive. Of the
 * calling process itself, false. */
bool owner_is_gone(const char *owner);

/* The same, pure: place as in our own names; alive says whether a process id is in use. */
bool owner_is_gone_from(const char *owner, const char *place, bool (*alive)(pid_t pid));

#endif

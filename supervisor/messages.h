#ifndef SUPERVISOR_MESSAGES_H
#define SUPERVISOR_MESSAGES_H

#include <jansson.h>

/* What workers tell each other through the supervisor: one function a kind of message
 * (common/ipc/message.h), which checks who may send it and passes it on. */
struct process;
struct supervisor;

/* Both are calls of struct process_host; arg is the struct supervisor. */

/* A message that process.c does not know. */
void messages_take(void *arg, struct process *from, const json_t *msg);

/* A worker was just forked: sends what it has to know from the start. */
void messages_greet(void *arg, struct process *p);

/* What the keyring of a reload that is tried has published goes to the workers that the reload
 * tries. With the commit it goes to all, after the plans were exchanged; when the reload is rolled
 * back it is forgotten. */
void messages_commit(struct supervisor *s);
void messages_roll_back(struct supervisor *s);

#endif

#ifndef SUPERVISOR_HOLDER_H
#define SUPERVISOR_HOLDER_H

#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>

/* Who stands in our way, found through /proc: for messages only, never for a decision.
 *
 * Both write a phrase into text, such as "python3 (pid 4711)". A process of another user cannot be
 * looked into; then the phrase says "a process that this user may not look into". */

/* The process that listens on this TCP address. */
void holder_of_port(const struct sockaddr *address, char *text, size_t size);

/* A process other than this one that has the file open. */
void holder_of_file(int fd, char *text, size_t size);

/* The phrase for a known pid. */
void holder_of_pid(pid_t pid, char *text, size_t size);

#endif

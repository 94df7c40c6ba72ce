#ifndef SUPERVISOR_LOCKS_H
#define SUPERVISOR_LOCKS_H

#include <stdint.h>

/* The two locks (flock) that keep one supervisor and one store per state directory.
 *
 * RUN/sluiced.lock is the supervisor's alone and contains its pid. STATE/store/lock is opened here
 * and inherited by the store, so that it stays locked while a store lives, even one whose
 * supervisor was killed. Neither file is ever removed: a lock on a removed file guards nothing.
 *
 * Both return the locked descriptor (close-on-exec), to be kept open for life; or -1 after logging
 * why, with *exit_status_out set (sysexits). */

/* Held by another supervisor: names it and fails at once. */
int locks_supervisor(const char *run_dir, int *exit_status_out) __attribute__((warn_unused_result));

/* Held by the store of a generation that is draining: waits up to wait_ms. Before this returns
 * nothing may be bound or unlinked. Blocks; for use before the event loop starts. */
int locks_store(const char *state_dir, int64_t wait_ms, int *exit_status_out)
    __attribute__((warn_unused_result));

/* A pidfile for init scripts, locked in the same way: whoever finds it unlocked knows that nobody
 * lives. Made where it is missing (0644), not through a symbolic link. Its directory should be one
 * into which only root writes: root signals whatever it says. */
int locks_pidfile(const char *path, int *exit_status_out) __attribute__((warn_unused_result));

/* Removes the pidfile, its lock still held, and closes fd. -1 is a no-op. */
void locks_pidfile_remove(const char *path, int fd);

#endif

#ifndef SUPERVISOR_ORPHANS_H
#define SUPERVISOR_ORPHANS_H

#include <stdbool.h>
#include <sys/types.h>

/* The programs that a dead worker had running. They become our children instead of init's, so that
 * none is collected, and its process group's number used again, before we have ended its group. */

/* From now on orphans below us come to us. */
void orphans_adopt(void);

/* SIGKILL to a process group that a worker said was its own: only where a child of ours is in it,
 * which is not our own group. */
void orphans_kill_group(pid_t group);

struct orphans_reaper {
    /* Collects the worker with this pid; false where it is none. */
    bool (*worker)(void *arg, pid_t pid);
    /* Whether a worker that has not been collected yet says that this is its program's. */
    bool (*is_needed)(void *arg, pid_t pid);
    void *arg;
};

/* Collects every child that has ended. A worker's status goes to its owner; an orphan that is still
 * needed stays, and so does what comes after it, until its worker's end brings the next call. */
void orphans_reap(const struct orphans_reaper *reaper);

#endif

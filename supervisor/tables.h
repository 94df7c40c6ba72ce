#ifndef SUPERVISOR_TABLES_H
#define SUPERVISOR_TABLES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "supervisor/process.h"

/* The in-flight tables (common/ipc/inflight_table.h): one for each consumer process, made before it
 * and kept beyond its death. After a death the process groups in it are ended; where messages are
 * left in it, it goes to a ready consumer to be settled, and to the next where that one dies, is
 * drained or falls silent before it has said so. With no ready consumer it waits for one. */
struct tables;

/* More tables than this do not wait: the oldest is dropped, and its messages come back when their
 * visibility timeouts end. */
#define TABLES_WAITING_MAX 64

/* processes is borrowed and outlives it. */
struct tables *tables_new(struct process_list *processes);
void tables_free(struct tables *t); /* drops all; NULL is a no-op */

/* For a process that is about to be forked: the descriptor of its new table, or /dev/null where its
 * role has none; the caller's to close. -1 with errno. */
int tables_open(struct tables *t, const struct process *p) __attribute__((warn_unused_result));

/* The process was reaped, or never forked. asked: somebody wanted its end, so that it is no
 * message's fault. keep: whether what it had in hand is to be settled. */
void tables_died(struct tables *t, const struct process *p, bool asked, bool keep);

/* Whether a process that lives has noted this process group. */
bool tables_has_group(const struct tables *t, pid_t group);

/* A consumer says that a table is settled; an unknown number means nothing. */
void tables_settled(struct tables *t, const struct process *by, long long number);

/* Hands out what waits. Called when anything about the processes has changed, and each second. */
void tables_progress(struct tables *t);

/* Pure: who is to settle the next table: a ready one with the fewest in hand, the first of these;
 * -1: nobody is ready. */
struct tables_candidate {
    bool is_ready;
    size_t in_hand;
};
int tables_choose(const struct tables_candidate *list, size_t count);

#endif

#ifndef COMMON_DELIVERY_EXEC_CHILD_H
#define COMMON_DELIVERY_EXEC_CHILD_H

#include <sys/types.h>

/* Starting the program of an exec destination: the only fork in common. */
struct exec_child {
    pid_t pid;     /* also its process group */
    int pid_fd;    /* readable when it has ended */
    int stdin_fd;  /* write end, non-blocking */
    int stdout_fd; /* read end, non-blocking */
    int stderr_fd; /* read end, non-blocking */
};

/* group: where the process group is noted (see delivery.h), or NULL. Once it is there, whoever else
 * reads it may end the group; the caller puts 0 there before it reaps the child.
 *
 * Runs file with argv and envp (both NULL-terminated) in a process group of its own, with default
 * signals, an empty signal mask, no descriptor but 0-2, killed when we die, and first in line when
 * memory runs out. All descriptors of child_out are close-on-exec and the caller's. A program that
 * cannot be executed exits 127 with the reason on its standard error. 0, or -1 with errno. */
int exec_child_start(const char *file, char *const argv[], char *const envp[], _Atomic pid_t *group,
                     struct exec_child *child_out) __attribute__((warn_unused_result));

/* Signals the whole group; an ended group is no error. */
void exec_child_kill(pid_t pid, int signal);

#endif

#ifndef SUPERVISOR_SPAWN_H
#define SUPERVISOR_SPAWN_H

#include <stddef.h>
#include <sys/types.h>

/* The only fork of the supervisor. */
struct spawn_request {
    const char *program; /* path of the executable */
    char *const *argv;   /* NULL-terminated */
    char *const *envp;   /* NULL-terminated: the child's whole environment */
    const int *fds;      /* fds[i] becomes descriptor 3 + i of the child; all others stay behind */
    size_t fd_count;     /* at most SPAWN_MAX_FDS */
};

#define SPAWN_MAX_FDS 64

/* The child's pid, or -1 with errno. The child gets SIGTERM when this process dies, default signal
 * handling, an empty signal mask and /dev/null as standard input. An exec that fails ends it with
 * status SPAWN_EXEC_FAILED. */
pid_t spawn_run(const struct spawn_request *request) __attribute__((warn_unused_result));

#define SPAWN_EXEC_FAILED 127

#endif

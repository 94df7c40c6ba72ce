#include "supervisor/spawn.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "common/base/fault.h"

enum { FIRST_FD = 3 };

/* Everything from here to exec runs in the child of a process whose locks may be held: only
 * async-signal-safe calls. */

static int reset_signals(void)
{
    struct sigaction standard = {.sa_handler = SIG_DFL};
    sigset_t none;
    for (int signo = 1; signo < NSIG; signo++)
        sigaction(signo, &standard, NULL); /* refused for SIGKILL, SIGSTOP and libc's own */
    sigemptyset(&none);
    return sigprocmask(SIG_SETMASK, &none, NULL);
}

/* First every descriptor is copied out of the way, then each copy put in its place: a source may
 * have the number of another's target. dup2 clears close-on-exec; the rest is closed by exec. */
static int place_fds(const struct spawn_request *request)
{
    int copies[SPAWN_MAX_FDS];
    int count = (int)request->fd_count;
    for (int i = 0; i < count; i++) {
        copies[i] = fcntl(request->fds[i], F_DUPFD_CLOEXEC, FIRST_FD + count);
        if (copies[i] < 0)
            return -1;
    }
    for (int i = 0; i < count; i++) {
        if (dup2(copies[i], FIRST_FD + i) < 0)
            return -1;
    }
    /* Ours all close by themselves; this is for those that we were started with. */
    close_range((unsigned)(FIRST_FD + count), ~0U, CLOSE_RANGE_CLOEXEC);
    int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    return null_fd < 0 ? -1 : dup2(null_fd, STDIN_FILENO);
}

static void run_child(const struct spawn_request *request, pid_t parent)
{
    /* The parent may have died before the call took effect: then nobody would send the signal. */
    if (prctl(PR_SET_PDEATHSIG, SIGTERM) != 0 || getppid() != parent)
        _exit(SPAWN_EXEC_FAILED);
    if (place_fds(request) < 0 || reset_signals() != 0)
        _exit(SPAWN_EXEC_FAILED);
    execve(request->program, request->argv, request->envp);
    _exit(SPAWN_EXEC_FAILED);
}

pid_t spawn_run(const struct spawn_request *request)
{
    assert(request->fd_count <= SPAWN_MAX_FDS);
    sigset_t all, before;
    pid_t parent = getpid();
    sigfillset(&all);
    /* A signal between fork and exec would run our handler in the child and write into the loop's
     * pipe, which the two share. */
    sigprocmask(SIG_SETMASK, &all, &before);
    bool is_refused = fault_point("spawn.fork");
    errno = EAGAIN;
    pid_t pid = is_refused ? -1 : fork();
    if (pid == 0)
        run_child(request, parent);
    int saved = errno;
    sigprocmask(SIG_SETMASK, &before, NULL);
    errno = saved;
    return pid;
}

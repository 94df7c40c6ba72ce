#include "supervisor/orphans.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/log.h"

void orphans_adopt(void)
{
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0)
        log_warn("programs of dead workers cannot be watched to their end: %s", strerror(errno));
}

void orphans_kill_group(pid_t group)
{
    siginfo_t unused;
    if (group <= 1 || group == getpgrp() ||
        waitid(P_PGID, (id_t)group, &unused, WEXITED | WNOHANG | WNOWAIT) != 0)
        return;
    if (kill(-group, SIGKILL) != 0 && errno != ESRCH)
        log_warn("process group %d of a dead worker could not be killed: %s", (int)group,
                 strerror(errno));
}

void orphans_reap(const struct orphans_reaper *reaper)
{
    for (;;) {
        siginfo_t ended = {0};
        if (waitid(P_ALL, 0, &ended, WEXITED | WNOHANG | WNOWAIT) != 0 || ended.si_pid == 0)
            return;
        if (reaper->worker(reaper->arg, ended.si_pid))
            continue;
        if (reaper->is_needed(reaper->arg, ended.si_pid))
            return;
        waitpid(ended.si_pid, NULL, WNOHANG);
    }
}

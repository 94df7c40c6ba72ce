#include "common/delivery/exec_child.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

/* Each pipe's [0] is the read end. */
struct pipes {
    int in[2];
    int out[2];
    int err[2];
};

static void close_pair(int fds[2])
{
    for (int i = 0; i < 2; i++) {
        if (fds[i] != -1)
            close(fds[i]);
        fds[i] = -1;
    }
}

static void pipes_close(struct pipes *p)
{
    int saved = errno;
    close_pair(p->in);
    close_pair(p->out);
    close_pair(p->err);
    errno = saved;
}

static int pipes_open(struct pipes *p)
{
    *p = (struct pipes){{-1, -1}, {-1, -1}, {-1, -1}};
    if (pipe2(p->in, O_CLOEXEC) == 0 && pipe2(p->out, O_CLOEXEC) == 0 &&
        pipe2(p->err, O_CLOEXEC) == 0)
        return 0;
    pipes_close(p);
    return -1;
}

/* From here to exec only async-signal-safe calls. */

static void say(const char *text)
{
    ssize_t ignored = write(STDERR_FILENO, text, strlen(text));
    (void)ignored;
}

static void reset_signals(void)
{
    sigset_t none;
    for (int s = 1; s < NSIG; s++)
        signal(s, SIG_DFL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static void prefer_for_oom(void)
{
    int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
    if (fd == -1)
        return;
    ssize_t ignored = write(fd, "500", 3);
    (void)ignored;
    close(fd);
}

static _Noreturn void child_main(const char *file, char *const argv[], char *const envp[],
                                 const struct pipes *p, pid_t parent, _Atomic pid_t *group)
{
    setpgid(0, 0);
    /* Before we look for the parent: where it is gone unseen, the group has been noted. */
    if (group)
        atomic_store(group, getpid());
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(127);
    /* Pipe ends below 3 would be overwritten by the first dup2; fds 0-2 are open in every worker.
     */
    if (dup2(p->in[0], STDIN_FILENO) == -1 || dup2(p->out[1], STDOUT_FILENO) == -1 ||
        dup2(p->err[1], STDERR_FILENO) == -1)
        _exit(127);
    close_range(3, ~0U, CLOSE_RANGE_CLOEXEC);
    prefer_for_oom();
    reset_signals();
    execve(file, argv, envp);
    const char *why = strerrordesc_np(errno);
    say("cannot execute ");
    say(file);
    say(": ");
    say(why ? why : "unknown error");
    say("\n");
    _exit(127);
}

int exec_child_start(const char *file, char *const argv[], char *const envp[], _Atomic pid_t *group,
                     struct exec_child *child_out)
{
    struct pipes p;
    sigset_t all, before;
    if (pipes_open(&p) == -1)
        return -1;
    /* Our handlers must not run in the child. */
    sigfillset(&all);
    sigprocmask(SIG_SETMASK, &all, &before);
    pid_t parent = getpid();
    pid_t pid = fork();
    if (pid == 0)
        child_main(file, argv, envp, &p, parent, group);
    int saved = errno;
    sigprocmask(SIG_SETMASK, &before, NULL);
    errno = saved;
    if (pid == -1) {
        pipes_close(&p);
        return -1;
    }
    setpgid(pid, pid); /* whoever of the two comes first */
    if (group)
        atomic_store(group, pid);
    int pid_fd = pidfd_open(pid, 0);
    if (pid_fd == -1) {
        saved = errno;
        exec_child_kill(pid, SIGKILL);
        waitpid(pid, NULL, 0);
        if (group) /* only now: until its end the child might note it again */
            atomic_store(group, 0);
        errno = saved;
        pipes_close(&p);
        return -1;
    }
    *child_out = (struct exec_child){pid, pid_fd, p.in[1], p.out[0], p.err[0]};
    p.in[1] = p.out[0] = p.err[0] = -1;
    pipes_close(&p);
    fcntl(child_out->stdin_fd, F_SETFL, O_NONBLOCK);
    fcntl(child_out->stdout_fd, F_SETFL, O_NONBLOCK);
    fcntl(child_out->stderr_fd, F_SETFL, O_NONBLOCK);
    return 0;
}

void exec_child_kill(pid_t pid, int signal)
{
    if (pid > 0)
        kill(-pid, signal);
}

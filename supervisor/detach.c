#include "supervisor/detach.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "common/conf/conf.h"

struct detach {
    int pipe_fd; /* own; the starter reads one byte, its exit status; -1 once it was told */
};

/* The starter's part: no loop, no memory, nothing but the wait. */
__attribute__((noreturn)) static void wait_for_daemon(int pipe_fd, pid_t child)
{
    unsigned char status;
    ssize_t n;
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
        continue; /* the first child has nothing to tell: only the daemon has the pipe now */
    do {
        n = read(pipe_fd, &status, 1);
    } while (n < 0 && errno == EINTR);
    if (n != 1) {
        fputs("sluiced: the daemon died before it was ready; see its log\n", stderr);
        _exit(EX_SOFTWARE);
    }
    _exit(status);
}

/* The log has a copy of the starter's standard error; the descriptors themselves go to /dev/null,
 * else whoever reads the starter's output would wait for the daemon's end. */
static int leave_terminal(void)
{
    int null_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
    int echo_fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (null_fd < 0 || echo_fd < 0)
        return -1;
    log_echo(echo_fd);
    for (int fd = 0; fd <= STDERR_FILENO; fd++) {
        if (dup2(null_fd, fd) < 0)
            return -1;
    }
    close(null_fd);
    return chdir("/");
}

struct detach *detach_start(void)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return NULL;
    pid_t child = fork();
    if (child > 0) {
        close(ends[1]);
        wait_for_daemon(ends[0], child);
    }
    if (child < 0) {
        int saved = errno;
        close(ends[0]);
        close(ends[1]);
        errno = saved;
        return NULL;
    }
    close(ends[0]);
    struct detach *d = xcalloc(1, sizeof *d);
    d->pipe_fd = ends[1];
    /* A session of its own, and then a process that does not lead it: no terminal that it opens can
     * become its terminal. */
    pid_t daemon = setsid() < 0 ? -1 : fork();
    if (daemon > 0)
        _exit(EX_OK);
    if (daemon < 0 || leave_terminal() != 0) {
        log_error("the daemon cannot be started: %s", strerror(errno));
        detach_end(d, EX_OSERR);
        _exit(EX_OSERR);
    }
    return d;
}

static void tell(struct detach *d, int status)
{
    unsigned char byte = (unsigned char)status;
    /* A starter that is gone was not interested; SIGPIPE is ignored. */
    if (write(d->pipe_fd, &byte, 1) != 1)
        log_warn("whoever started this daemon did not wait until it was ready");
    close(d->pipe_fd);
    d->pipe_fd = -1;
    log_echo(-1);
}

bool detach_is_waited_for(const struct detach *d)
{
    return d != NULL && d->pipe_fd >= 0;
}

void detach_ready(struct detach *d)
{
    if (detach_is_waited_for(d))
        tell(d, EX_OK);
}

void detach_end(struct detach *d, int status)
{
    if (detach_is_waited_for(d)) {
        if (status == EX_OK)
            log_error("stopped before every worker was ready");
        tell(d, status == EX_OK ? EX_UNAVAILABLE : status);
    }
    free(d);
}

bool detach_default_log(json_t *conf)
{
    if (conf_str(conf, "log.file")[0] != '\0')
        return false;
    char *path = xasprintf("%s/sluiced.log", conf_str(conf, "state_dir"));
    json_object_set_new(json_object_get(conf, "log"), "file", json_string(path));
    free(path);
    return true;
}

#include "supervisor/orphans.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static struct {
    pid_t worker; /* the one child that is a worker */
    int workers_reaped;
    pid_t needed;
} t;

static bool reap_worker(void *arg, pid_t pid)
{
    (void)arg;
    if (pid != t.worker)
        return false;
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    t.workers_reaped++;
    return true;
}

static bool is_needed(void *arg, pid_t pid)
{
    (void)arg;
    return pid == t.needed;
}

static const struct orphans_reaper reaper = {reap_worker, is_needed, NULL};

/* A worker that has left a program behind and ended. */
static pid_t worker_with_program(pid_t *program_out)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    pid_t worker = fork();
    if (worker == 0) {
        pid_t program = fork();
        if (program == 0) {
            for (;;)
                pause();
        }
        ssize_t n = write(fds[1], &program, sizeof program);
        _exit(n < 0);
    }
    assert_int_equal(read(fds[0], program_out, sizeof *program_out), sizeof *program_out);
    close(fds[0]);
    close(fds[1]);
    siginfo_t info;
    assert_int_equal(waitid(P_PID, (id_t)worker, &info, WEXITED | WNOWAIT), 0);
    return worker;
}

static int set_up(void **state)
{
    (void)state;
    orphans_adopt();
    t.workers_reaped = 0;
    t.needed = 0;
    return 0;
}

static void end(pid_t pid)
{
    siginfo_t info;
    kill(pid, SIGKILL);
    assert_int_equal(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
}

static void orphans_come_to_us_and_are_reaped(void **state)
{
    (void)state;
    pid_t program;
    t.worker = worker_with_program(&program);
    end(program);
    orphans_reap(&reaper);
    assert_int_equal(t.workers_reaped, 1);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* nobody is left */
}

static void one_that_is_needed_stays(void **state)
{
    (void)state;
    pid_t program;
    t.worker = worker_with_program(&program);
    end(program);
    t.needed = program;
    orphans_reap(&reaper);
    end(program); /* its number is still taken */
    t.needed = 0;
    orphans_reap(&reaper);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
}

static void without_children_there_is_nothing_to_do(void **state)
{
    (void)state;
    orphans_reap(&reaper);
    orphans_kill_group(0);
    orphans_kill_group(-1);
    orphans_kill_group(1);
    orphans_kill_group(getpgrp());
    assert_int_equal(t.workers_reaped, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(orphans_come_to_us_and_are_reaped, set_up),
        cmocka_unit_test_setup(one_that_is_needed_stays, set_up),
        cmocka_unit_test_setup(without_children_there_is_nothing_to_do, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

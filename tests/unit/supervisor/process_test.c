#include "supervisor/process.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static int how_it_ended(pid_t pid)
{
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void ticks(struct process *p, int count, bool on_time)
{
    for (int i = 0; i < count; i++)
        process_tick(p, on_time);
}

/* A program that says nothing. */
static pid_t start(struct process *p)
{
    pid_t pid = fork();
    if (pid == 0) {
        alarm(60);
        for (;;)
            pause();
    }
    assert_true(pid > 0);
    *p = (struct process){.name = (char *)"consumer-0", .pid = pid, .slot = {.state = SLOT_UP}};
    return pid;
}

static void a_silent_worker_is_aborted(void **state)
{
    struct process p;
    pid_t pid = start(&p);
    (void)state;
    ticks(&p, 9, true);
    assert_true(process_is_silent(&p));
    assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
    ticks(&p, 1, true);
    assert_int_equal(how_it_ended(pid), SIGABRT);
}

static void a_late_tick_says_nothing_of_the_worker(void **state)
{
    struct process p;
    pid_t pid = start(&p);
    (void)state;
    ticks(&p, 9, true);
    ticks(&p, 50, false);
    assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
    ticks(&p, 1, true);
    assert_int_equal(how_it_ended(pid), SIGABRT);
}

static void the_silence_of_one_that_is_not_up_does_not_count(void **state)
{
    struct process p;
    pid_t pid = start(&p);
    (void)state;
    ticks(&p, 9, true);
    p.slot.state = SLOT_DRAINING;
    ticks(&p, 50, true);
    assert_false(process_is_silent(&p));
    assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(how_it_ended(pid), SIGKILL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_silent_worker_is_aborted),
        cmocka_unit_test(a_late_tick_says_nothing_of_the_worker),
        cmocka_unit_test(the_silence_of_one_that_is_not_up_does_not_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

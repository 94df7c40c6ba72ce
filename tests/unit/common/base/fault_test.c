#include "common/base/fault.h"

#include <signal.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* The specification is read once in a process, so each case has one of its own; its answers come
 * back as the bits of the exit status, its death as a signal. */
static int run(const char *spec, const char *point, int times)
{
    pid_t pid = fork();
    if (pid == 0) {
        if (spec)
            setenv("SLUICE_FAULT", spec, 1);
        else
            unsetenv("SLUICE_FAULT");
        int bits = 0;
        for (int i = 0; i < times; i++)
            bits |= fault_point(point) << i;
        _exit(bits);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

static void points(void **state)
{
    (void)state;
    assert_int_equal(run(NULL, "store.commit", 4), 0);
    assert_int_equal(run("", "store.commit", 4), 0);
    assert_int_equal(run("store.commit:2:fail", "store.commit", 4), 2);
    assert_int_equal(run("store.commit:2:always", "store.commit", 4), 14);
    assert_int_equal(run("store.commit:1", "store.commit", 1), -SIGKILL);
    assert_int_equal(run("store.commit:3:kill", "store.commit", 2), 0);
    assert_int_equal(run("store.commit:3:kill", "store.commit", 3), -SIGKILL);
    assert_int_equal(run("store.commit:3:each", "store.commit", 2), 0);
    assert_int_equal(run("store.commit:3:each", "store.commit", 3), -SIGKILL);
    assert_int_equal(run("a:1:fail,store.commit:1:fail", "store.commit", 2), 1);
    assert_int_equal(run("a:1:fail,b:1:fail", "store.commit", 2), 0);
    assert_int_equal(run("a:1:fail,a:3:fail", "a", 4), 5);
}

static int run_about(const char *match, const char *text)
{
    pid_t pid = fork();
    if (pid == 0) {
        setenv("SLUICE_FAULT", "a:1:always", 1);
        if (match)
            setenv("SLUICE_FAULT_MATCH", match, 1);
        _exit(fault_point_about("a", text, strlen(text)));
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WEXITSTATUS(status);
}

static void a_point_about_a_text_wants_its_match(void **state)
{
    (void)state;
    assert_int_equal(run_about(NULL, "whatever"), 1);
    assert_int_equal(run_about("ever", "whatever"), 1);
    assert_int_equal(run_about("never", "whatever"), 0);
    assert_int_equal(run_about("never", ""), 0);
}

/* Two tickets: two processes die, the third lives. */
static void tickets_bound_the_kills(void **state)
{
    (void)state;
    char dir[] = "/tmp/fault_test.XXXXXX";
    assert_non_null(mkdtemp(dir));
    for (int i = 0; i < 2; i++) {
        char path[64];
        snprintf(path, sizeof(path), "%s/a-%d", dir, i);
        FILE *ticket = fopen(path, "w");
        assert_non_null(ticket);
        fclose(ticket);
    }
    setenv("SLUICE_FAULT_TICKETS", dir, 1);
    assert_int_equal(run("a:1", "a", 1), -SIGKILL);
    assert_int_equal(run("b:1", "a", 1), 0);
    assert_int_equal(run("b:1,aa:1", "b", 1), 0);
    assert_int_equal(run("b:1,aa:1", "aa", 1), 0);
    assert_int_equal(run("a:1", "a", 1), -SIGKILL);
    assert_int_equal(run("a:1", "a", 1), 0);
    assert_int_equal(run("a:1:each", "a", 3), 0);
    unsetenv("SLUICE_FAULT_TICKETS");
    assert_int_equal(rmdir(dir), 0);
}

static void make_ticket(const char *path)
{
    FILE *ticket = fopen(path, "w");
    if (ticket)
        fclose(ticket);
}

/* Passes the point twice without a ticket, and once with one; the signal that ended it, or 0. */
static int die_later(const char *action, const char *ticket)
{
    pid_t pid = fork();
    if (pid == 0) {
        char spec[32];
        snprintf(spec, sizeof(spec), "a:1:%s", action);
        setenv("SLUICE_FAULT", spec, 1);
        fault_point("a");
        fault_point("a");
        make_ticket(ticket);
        fault_point("a");
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

/* "each" waits for a ticket, "kill" has had its turn. */
static void a_ticket_may_come_later(void **state)
{
    (void)state;
    char dir[] = "/tmp/fault_test.XXXXXX";
    char ticket[64];
    assert_non_null(mkdtemp(dir));
    snprintf(ticket, sizeof(ticket), "%s/a", dir);
    setenv("SLUICE_FAULT_TICKETS", dir, 1);
    assert_int_equal(die_later("each", ticket), SIGKILL);
    assert_int_not_equal(access(ticket, F_OK), 0);
    assert_int_equal(die_later("kill", ticket), 0);
    assert_int_equal(unlink(ticket), 0);
    unsetenv("SLUICE_FAULT_TICKETS");
    assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(points), cmocka_unit_test(a_point_about_a_text_wants_its_match),
        cmocka_unit_test(tickets_bound_the_kills), cmocka_unit_test(a_ticket_may_come_later)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

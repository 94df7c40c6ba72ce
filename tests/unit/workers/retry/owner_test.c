#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "workers/retry/owner.h"

static bool nobody(pid_t pid)
{
    (void)pid;
    return false;
}

static bool only_77(pid_t pid)
{
    return pid == 77;
}

static void table(void **state)
{
    (void)state;
    assert_true(owner_is_gone_from("host:boot.1:76:aa", "boot.1", only_77));
    assert_false(owner_is_gone_from("host:boot.1:77:aa", "boot.1", only_77));
    assert_true(owner_is_gone_from("other:boot.1:76:aa", "boot.1", only_77));
    static const char *const strangers[] = {
        "host:boot.2:76:aa",
        "host:boot.11:76:aa",
        "host:boot.1",
        "host:boot.1:",
        "host:boot.1:76",
        "host:boot.1:0:aa",
        "host",
        "",
        "host:boot.1:-76:aa",
        "host:boot.1: 76:aa",
        "boot.1:76:aa",
        "host:boot.1:x:aa",
        "host::76:aa",
        "host:boot.1:99999999999999999999:aa",
    };
    for (size_t i = 0; i < sizeof(strangers) / sizeof(strangers[0]); i++)
        if (owner_is_gone_from(strangers[i], "boot.1", nobody))
            fail_msg("%s", strangers[i]);
    assert_false(owner_is_gone_from("host::76:aa", "", nobody));
}

static void processes(void **state)
{
    (void)state;
    char ours[OWNER_BYTES], again[OWNER_BYTES], theirs[OWNER_BYTES] = "";
    int ends[2];
    owner_make(ours);
    owner_make(again);
    assert_string_not_equal(ours, again);
    assert_false(owner_is_gone(ours));
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        char name[OWNER_BYTES];
        owner_make(name);
        _exit(write(ends[1], name, sizeof(name)) == sizeof(name) ? 0 : 1);
    }
    assert_int_equal(read(ends[0], theirs, sizeof(theirs)), sizeof(theirs));
    waitpid(child, NULL, 0);
    assert_true(owner_is_gone(theirs));
    close(ends[0]);
    close(ends[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(table), cmocka_unit_test(processes)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

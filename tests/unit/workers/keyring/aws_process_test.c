#include "workers/keyring/aws_process.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/unit/workers/keyring/sources.h"
#include "workers/keyring/aws_job.h"

static void commands_are_split_as_a_shell_splits_words(void **state)
{
    (void)state;
    static const struct {
        const char *command, *words; /* joined by | */
    } cases[] = {
        {"/bin/x", "/bin/x"},
        {"  /bin/x\t--a  b\n--c ", "/bin/x|--a|b|--c"},
        {"x 'a b' \"c d\"", "x|a b|c d"},
        {"x a'b'\"c\"d", "x|abcd"},
        {"x '' \"\"", "x||"},
        {"x 'a\\n\"b'", "x|a\\n\"b"},
        {"x \"a\\\"b\\\\c\\$d\\`e\\nf\"", "x|a\"b\\c$d`e\\nf"},
        {"x a\\ b \\'c", "x|a b|'c"},
        {"x $HOME *", "x|$HOME|*"},
        {"x #y", "x|#y"},
        {"", NULL},
        {"  \n", NULL},
        {"x 'a", NULL},
        {"x \"a", NULL},
        {"x \"a\\\"", NULL},
        {"x \\", NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char joined[200] = "";
        char **words = aws_process_split(cases[i].command);
        assert_int_equal(words == NULL, cases[i].words == NULL);
        for (size_t w = 0; words && words[w]; w++) {
            strcat(joined, w ? "|" : "");
            strcat(joined, words[w]);
        }
        if (words)
            assert_string_equal(joined, cases[i].words);
        aws_process_free_words(words);
    }
}

/* Runs a shell script as the credential process. */
static void run(struct place *p, const char *script, int64_t timeout_ms)
{
    char *path = place_put(p, "script", script);
    char *command = xasprintf("/bin/sh '%s' 'an argument'", path);
    place_wait(p, aws_process_start_for(&p->context, command, timeout_ms, place_see, p));
    free(command);
    free(path);
}

static void a_program_prints_credentials(void **state)
{
    struct place *p = *state;
    run(p,
        "[ \"$1\" = 'an argument' ] || exit 9\n"
        "echo noise >&2\n"
        "echo '{\"Version\":1,\"AccessKeyId\":\"AKID\",\"SecretAccessKey\":\"S/+=\",'\n"
        "echo '\"SessionToken\":\"TOKEN\",\"Expiration\":\"2026-11-21T10:00:00Z\"}'\n",
        20000);
    expect_found(p, "AKID", "S/+=", "TOKEN");
    assert_int_equal(p->credentials.expires_at_ms, 1795255200000);
    run(p, "echo '{\"Version\":1,\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"B\"}'\n", 20000);
    expect_found(p, "A", "B", "");
    assert_int_equal(p->credentials.expires_at_ms, 0);
}

static void a_program_is_found_in_the_path(void **state)
{
    struct place *p = *state;
    char *path =
        place_put(p, "my-credentials",
                  "#!/bin/sh\n"
                  "echo '{\"Version\":1,\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"B\"}'\n");
    char *before = xstrdup(getenv("PATH"));
    char *with = xasprintf("/nowhere::%s:%s", p->dir, before);
    assert_int_equal(chmod(path, 0700), 0);
    setenv("PATH", with, 1);
    place_wait(p, aws_process_start(&p->context, "my-credentials", place_see, p));
    expect_found(p, "A", "B", "");
    setenv("PATH", before, 1);
    free(before);
    free(with);
    free(path);
}

static void failures_say_what_happened(void **state)
{
    struct place *p = *state;
    static const struct {
        const char *script, *why;
    } cases[] = {
        {"echo first >&2; echo 'the vault is sealed' >&2; exit 3\n",
         "it ended with exit status 3: the vault is sealed"},
        {"kill -9 $$\n", "it ended with signal 9"},
        {"exit 0\n", "what came is not a JSON object"},
        {"echo '[1]'\n", "its \"Version\" is not 1"},
        {"echo '{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"B\"}'\n", "its \"Version\" is not 1"},
        {"echo '{\"Version\":2,\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"B\"}'\n",
         "its \"Version\" is not 1"},
        {"echo '{\"Version\":1,\"SecretAccessKey\":\"B\"}'\n", "the access key id is missing"},
        {"echo '{\"Version\":1,\"AccessKeyId\":\"A\"}'\n", "the secret access key is missing"},
        {"printf %s '{\"Version\":1,\"AccessKeyId\":\"A\\r\\nX: y\",\"SecretAccessKey\":\"B\"}'\n",
         "the access key id is missing or not of its form"},
        {"echo "
         "'{\"Version\":1,\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"B\",\"Expiration\":\"soon\"}'"
         "\n",
         "\"Expiration\" is not a time"},
        {"echo "
         "'{\"Version\":1,\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"B\",\"Expiration\":7}'\n",
         "\"Expiration\" is not a time"},
        /* Escaped in JSON it would be longer than a packet. */
        {"printf '{\"Version\":1,\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"B\",'\n"
         "printf '\"SessionToken\":\"%010000d\"}' 0 | sed 's/0/\\\\\\\\/g'\n",
         "the session token is missing or not of its form"},
        {"yes\n", "it prints more than 64 KiB"},
        {"head -c 70000 /dev/zero\n", "it prints more than 64 KiB"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        run(p, cases[i].script, 20000);
        expect_failure(p, AWS_BROKEN, cases[i].why);
    }
    place_wait(p, aws_process_start(&p->context, "/nowhere/x", place_see, p));
    expect_failure(p, AWS_BROKEN, "it ended with exit status 127: cannot execute /nowhere/x");
    place_wait(p, aws_process_start(&p->context, "x 'open", place_see, p));
    expect_failure(p, AWS_BROKEN, "open quote");
}

static bool is_alive(const struct place *p)
{
    char *path = xasprintf("%s/pid", p->dir);
    FILE *file = fopen(path, "r");
    int pid = 0;
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%d", &pid), 1);
    fclose(file);
    free(path);
    return kill(pid, 0) == 0;
}

/* A killed process that nobody has waited for yet is still there for a moment. */
static void expect_dead(const struct place *p)
{
    int64_t deadline_ms = clock_mono_ms() + 20000;
    while (is_alive(p))
        assert_true(clock_mono_ms() < deadline_ms);
}

static void a_program_that_hangs_is_killed_with_its_children(void **state)
{
    struct place *p = *state;
    char *script = xasprintf("sleep 1000 & echo $! >%s/pid\nwait\n", p->dir);
    int64_t start_ms = clock_mono_ms();
    run(p, script, 500);
    expect_failure(p, AWS_BROKEN, "it did not end in time");
    assert_true(clock_mono_ms() - start_ms < 20000);
    expect_dead(p);
    free(script);
}

static void a_program_that_never_stops_complaining_is_ended(void **state)
{
    struct place *p = *state;
    run(p, "for i in 1 2 3; do yes >&2 & done\nwait\n", 500);
    expect_failure(p, AWS_BROKEN, "it did not end in time");
    run(p, "yes >&2 &\nexit 3\n", 20000);
    expect_failure(p, AWS_BROKEN, "it ended with exit status 3");
}

static void what_a_program_leaves_running_is_not_waited_for(void **state)
{
    struct place *p = *state;
    char *script =
        xasprintf("sleep 1000 & echo $! >%s/pid\n"
                  "echo '{\"Version\":1,\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"B\"}'\n",
                  p->dir);
    run(p, script, 20000);
    expect_found(p, "A", "B", "");
    expect_dead(p);
    free(script);
}

static void a_cancelled_program_is_gone(void **state)
{
    struct place *p = *state;
    char *script = xasprintf("echo $$ >%s/pid.new; mv %s/pid.new %s/pid; exec sleep 1000\n", p->dir,
                             p->dir, p->dir);
    char *path = place_put(p, "script", script);
    char *command = xasprintf("/bin/sh %s", path);
    char *pid_path = xasprintf("%s/pid", p->dir);
    struct stat st;
    struct aws_job *job = aws_process_start(&p->context, command, place_see, p);
    while (stat(pid_path, &st) != 0)
        event_base_loop(p->base, EVLOOP_NONBLOCK);
    aws_job_cancel(job);
    expect_dead(p);
    assert_int_equal(p->calls, 0);
    free(script);
    free(path);
    free(command);
    free(pid_path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_are_split_as_a_shell_splits_words),
        cmocka_unit_test_setup_teardown(a_program_prints_credentials, place_enter, place_leave),
        cmocka_unit_test_setup_teardown(a_program_is_found_in_the_path, place_enter, place_leave),
        cmocka_unit_test_setup_teardown(failures_say_what_happened, place_enter, place_leave),
        cmocka_unit_test_setup_teardown(a_program_that_hangs_is_killed_with_its_children,
                                        place_enter, place_leave),
        cmocka_unit_test_setup_teardown(a_program_that_never_stops_complaining_is_ended,
                                        place_enter, place_leave),
        cmocka_unit_test_setup_teardown(what_a_program_leaves_running_is_not_waited_for,
                                        place_enter, place_leave),
        cmocka_unit_test_setup_teardown(a_cancelled_program_is_gone, place_enter, place_leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

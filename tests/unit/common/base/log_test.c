#include "common/base/log.h"

#include <fcntl.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/buf.h"
#include "common/base/fdio.h"

static char path[64];

static int set_up(void **state)
{
    (void)state;
    strcpy(path, "/tmp/log_test.XXXXXX");
    int fd = mkstemp(path);
    close(fd);
    log_name("consumer", 1);
    return log_open(path);
}

static int tear_down(void **state)
{
    (void)state;
    return unlink(path);
}

/* What was written since the last call. */
static char *written(void)
{
    struct buf content = {0};
    assert_int_equal(fdio_read_file(path, 1 << 20, &content), 0);
    assert_int_equal(truncate(path, 0), 0);
    return buf_steal(&content);
}

static void text_line(void **state)
{
    (void)state;
    log_setup(LOG_LEVEL_INFO, false);
    log_info("queue \"%s\": up", "gr\xc3\xbc\xc3\x9f");
    log_debug("not written");
    char *text = written();
    assert_non_null(strstr(text, "Z info consumer[1] queue \"gr\xc3\xbc\xc3\x9f\": up\n"));
    assert_null(strstr(text, "not written"));
    free(text);
}

static void nothing_starts_a_line_of_its_own(void **state)
{
    (void)state;
    log_setup(LOG_LEVEL_DEBUG, false);
    log_error("%s", "a\r\nb\x1b[2J\x7f\xc2\x9b\xff\xe2\x82");
    char *text = written();
    assert_non_null(strstr(text, "a\\x0d\\x0ab\\x1b[2J\\x7f\\x9b\\xff\\xe2\\x82\n"));
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
    free(text);
}

static void json_lines_are_json(void **state)
{
    (void)state;
    log_setup(LOG_LEVEL_DEBUG, true);
    static const char *const nasty[] = {"quote \" back \\ slash",
                                        "\x01\n\t\x7f",
                                        "\xff\xfe",
                                        "\xed\xa0\x80",
                                        "\xf4\x90\x80\x80",
                                        "\xc0\xaf",
                                        "\xe2\x82\xac \xf0\x9f\x98\x80",
                                        "cut \xe2\x82"};
    for (size_t i = 0; i < sizeof(nasty) / sizeof(nasty[0]); i++) {
        log_warn("%s", nasty[i]);
        char *text = written();
        json_t *line = json_loads(text, 0, NULL);
        assert_non_null(line);
        assert_string_equal(json_string_value(json_object_get(line, "level")), "warn");
        assert_string_equal(json_string_value(json_object_get(line, "process")), "consumer[1]");
        json_decref(line);
        free(text);
    }
}

static void a_line_has_a_bound(void **state)
{
    (void)state;
    log_setup(LOG_LEVEL_DEBUG, true);
    char longest[8000];
    memset(longest, 1, sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    log_error("%s", longest);
    char *text = written();
    assert_true(strlen(text) <= 4096);
    json_t *line = json_loads(text, 0, NULL);
    assert_non_null(line);
    json_decref(line);
    free(text);
}

static void a_full_pipe_is_not_waited_for(void **state)
{
    (void)state;
    log_setup(LOG_LEVEL_DEBUG, false);
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    char name[64];
    snprintf(name, sizeof(name), "/proc/self/fd/%d", fds[1]);
    assert_int_equal(log_open(name), 0);
    for (int i = 0; i < 2000; i++)
        log_info("line %d with some text to fill the pipe with, which takes 64 KiB", i);
    char chunk[65536];
    assert_true(read(fds[0], chunk, sizeof(chunk)) > 0);
    log_info("after");
    ssize_t n = read(fds[0], chunk, sizeof(chunk) - 1);
    assert_true(n > 0);
    chunk[n] = '\0';
    assert_non_null(strstr(chunk, "log lines were dropped"));
    assert_non_null(strstr(chunk, "after\n"));
    assert_int_equal(log_open(path), 0);
    close(fds[0]);
    close(fds[1]);
}

static void levels_have_words(void **state)
{
    (void)state;
    enum log_level level = LOG_LEVEL_ERROR;
    assert_int_equal(log_level_parse("debug", &level), 0);
    assert_int_equal(level, LOG_LEVEL_DEBUG);
    assert_int_equal(log_level_parse("loud", &level), -1);
    assert_int_equal(log_open("/nonexistent/log"), -1);
}

static void a_fifo_is_not_waited_for(void **state)
{
    (void)state;
    char fifo[80];
    snprintf(fifo, sizeof(fifo), "%s.fifo", path);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    alarm(60);
    assert_int_equal(log_open(fifo), -1);
    alarm(0);
    assert_int_equal(unlink(fifo), 0);
}

static void goes_back_to_standard_error(void **state)
{
    (void)state;
    free(written());
    int saved = dup(STDERR_FILENO), null = open("/dev/null", O_WRONLY);
    assert_true(saved >= 0 && dup2(null, STDERR_FILENO) >= 0);
    log_close();
    log_info("not for the file");
    assert_true(dup2(saved, STDERR_FILENO) >= 0);
    close(saved);
    close(null);
    assert_int_equal(log_open(path), 0);
    char *text = written();
    assert_string_equal(text, "");
    free(text);
}

static void errors_are_echoed(void **state)
{
    (void)state;
    int ends[2];
    char text[256];
    assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    log_setup(LOG_LEVEL_INFO, false);
    log_echo(ends[1]);
    log_warn("a warning");
    assert_int_equal(read(ends[0], text, sizeof(text)), -1);
    log_error("an error");
    ssize_t n = read(ends[0], text, sizeof(text) - 1);
    assert_true(n > 0);
    text[n] = '\0';
    assert_non_null(strstr(text, " error consumer[1] an error\n"));
    log_echo(-1);
    log_error("another one");
    assert_int_equal(read(ends[0], text, sizeof(text)), 0); /* its last writer is gone */
    close(ends[0]);
}

static bool is_stderr(const char *file)
{
    struct stat one, other;
    return stat(file, &one) == 0 && fstat(STDERR_FILENO, &other) == 0 &&
           one.st_ino == other.st_ino && one.st_dev == other.st_dev;
}

static void standard_error_follows_the_file(void **state)
{
    (void)state;
    char moved[80];
    int kept = dup(STDERR_FILENO);
    snprintf(moved, sizeof(moved), "%s.1", path);
    assert_false(is_stderr(path));
    assert_int_equal(rename(path, moved), 0);
    assert_int_equal(log_open(path), 0);
    bool followed_unasked = is_stderr(path);
    log_take_stderr();
    bool taken = is_stderr(path);
    assert_int_equal(rename(path, moved), 0);
    int opened = log_open(path);
    bool followed = is_stderr(path);
    dup2(kept, STDERR_FILENO);
    close(kept);
    unlink(moved);
    assert_false(followed_unasked);
    assert_true(taken);
    assert_int_equal(opened, 0);
    assert_true(followed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_line),
        cmocka_unit_test(nothing_starts_a_line_of_its_own),
        cmocka_unit_test(json_lines_are_json),
        cmocka_unit_test(a_line_has_a_bound),
        cmocka_unit_test(a_full_pipe_is_not_waited_for),
        cmocka_unit_test(levels_have_words),
        cmocka_unit_test(a_fifo_is_not_waited_for),
        cmocka_unit_test(goes_back_to_standard_error),
        cmocka_unit_test(errors_are_echoed),
        cmocka_unit_test(standard_error_follows_the_file),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

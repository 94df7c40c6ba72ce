#include "common/base/fdio.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/buf.h"
#include "common/base/xalloc.h"

static char directory[64];

static char *in_directory(const char *name)
{
    return xasprintf("%s/%s", directory, name);
}

static int set_up(void **state)
{
    (void)state;
    strcpy(directory, "/tmp/fdio_test.XXXXXX");
    return mkdtemp(directory) ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    char *command = xasprintf("rm -rf '%s'", directory);
    int rc = system(command);
    free(command);
    return rc;
}

static void replaces_and_reads(void **state)
{
    (void)state;
    char *path = in_directory("file");
    struct buf content = {0};
    assert_int_equal(fdio_read_file(path, 100, &content), -1);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(fdio_replace_file(path, "one\0", 4, 0600), 0);
    assert_int_equal(fdio_replace_file(path, "second", 6, 0640), 0);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0640);
    assert_int_equal(fdio_read_file(path, 6, &content), 0);
    assert_string_equal(content.data, "second");
    buf_reset(&content);
    assert_int_equal(fdio_read_file(path, 5, &content), -1);
    assert_int_equal(errno, EFBIG);
    buf_free(&content);
    free(path);
}

static void a_failed_replace_leaves_nothing(void **state)
{
    (void)state;
    char *path = in_directory("missing/file");
    assert_int_equal(fdio_replace_file(path, "x", 1, 0600), -1);
    assert_int_equal(errno, ENOENT);
    free(path);
    path = in_directory("taken");
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(fdio_replace_file(path, "x", 1, 0600), -1);
    assert_int_equal(errno, EISDIR);
    free(path);
    char *command = xasprintf("test -z \"$(find %s -mindepth 1 -name '*.*')\"", directory);
    assert_int_equal(system(command), 0);
    free(command);
}

static void memfd_is_sealed(void **state)
{
    (void)state;
    int fd = fdio_sealed_memfd("test", "bytes", 5);
    assert_true(fd >= 0);
    assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    assert_int_equal(write(fd, "x", 1), -1);
    assert_int_equal(ftruncate(fd, 0), -1);
    struct buf content = {0};
    assert_int_equal(fdio_read_fd(fd, 5, &content), 0);
    assert_int_equal(fdio_read_fd(fd, 5, &content), 0);
    assert_string_equal(content.data, "bytesbytes");
    buf_free(&content);
    close(fd);
}

static void makes_directories(void **state)
{
    (void)state;
    char *path = in_directory("a/b/c");
    assert_int_equal(fdio_make_dirs(path, 0700), 0);
    assert_int_equal(fdio_make_dirs(path, 0700), 0);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_true(S_ISDIR(st.st_mode));
    free(path);
    path = in_directory("plain");
    assert_int_equal(fdio_replace_file(path, "", 0, 0600), 0);
    assert_int_equal(fdio_make_dirs(path, 0700), -1);
    assert_int_equal(errno, ENOTDIR);
    free(path);
    path = in_directory("plain/below");
    assert_int_equal(fdio_make_dirs(path, 0700), -1);
    assert_int_equal(errno, ENOTDIR);
    free(path);
    assert_int_equal(fdio_make_dirs("", 0700), -1);
    assert_int_equal(errno, ENOENT);
    assert_int_equal(fdio_make_dirs("/", 0700), 0);
}

static void a_fifo_is_not_waited_for(void **state)
{
    (void)state;
    char *path = in_directory("fifo");
    struct buf out = {0};
    assert_int_equal(mkfifo(path, 0600), 0);
    alarm(60);
    assert_int_equal(fdio_read_file(path, 100, &out), -1);
    alarm(0);
    free(path);
}

static void write_all_says_why_not(void **state)
{
    (void)state;
    assert_int_equal(fdio_write_all(-1, "x", 1), -1);
    assert_int_equal(errno, EBADF);
    assert_int_equal(fdio_write_all(-1, "", 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replaces_and_reads),     cmocka_unit_test(a_failed_replace_leaves_nothing),
        cmocka_unit_test(memfd_is_sealed),        cmocka_unit_test(makes_directories),
        cmocka_unit_test(write_all_says_why_not), cmocka_unit_test(a_fifo_is_not_waited_for),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

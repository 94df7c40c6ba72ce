#include "common/base/unix_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/fdio.h"
#include "common/base/xalloc.h"

static char directory[64];
static char *deep; /* a directory whose path is longer than sockaddr_un */

static int set_up(void **state)
{
    (void)state;
    strcpy(directory, "/tmp/unix_test.XXXXXX");
    if (!mkdtemp(directory))
        return -1;
    char blanks[181];
    memset(blanks, 'd', 180);
    blanks[90] = ' ';
    blanks[180] = '\0';
    deep = xasprintf("%s/%s", directory, blanks);
    return fdio_make_dirs(deep, 0700);
}

static int tear_down(void **state)
{
    (void)state;
    char *command = xasprintf("rm -rf '%s'", directory);
    int rc = system(command);
    free(command);
    free(deep);
    return rc;
}

static void talks_at(const char *path)
{
    int server = unix_socket_listen(path, 0600);
    assert_true(server >= 0);
    assert_int_equal(fcntl(server, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
    assert_int_equal(fcntl(server, F_GETFL) & O_NONBLOCK, O_NONBLOCK);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_true(S_ISSOCK(st.st_mode));
    assert_int_equal(st.st_mode & 0777, 0600);
    int client = unix_socket_connect(path);
    assert_true(client >= 0);
    int accepted = accept(server, NULL, NULL);
    assert_true(accepted >= 0);
    assert_int_equal(write(client, "hi", 2), 2);
    char two[2];
    assert_int_equal(read(accepted, two, 2), 2);
    close(accepted);
    close(client);
    close(server);
}

static void talks_at_short_and_long_paths(void **state)
{
    (void)state;
    char *path = xasprintf("%s/s.sock", directory);
    talks_at(path);
    talks_at(path); /* the stale file is replaced */
    free(path);
    path = xasprintf("%s/consumer-0.sock", deep);
    talks_at(path);
    talks_at(path);
    free(path);
}

static void short_path_fits(void **state)
{
    (void)state;
    int fd = 7;
    char *path = unix_socket_short_path("/run/x.sock", &fd);
    assert_string_equal(path, "/run/x.sock");
    assert_int_equal(fd, -1);
    free(path);
    char *longer = xasprintf("%s/x.sock", deep);
    path = unix_socket_short_path(longer, &fd);
    assert_true(strlen(path) < 108);
    assert_true(fd >= 0);
    close(fd);
    free(path);
    free(longer);
}

static void failures_have_an_errno(void **state)
{
    (void)state;
    char *path = xasprintf("%s/nobody.sock", deep);
    assert_int_equal(unix_socket_connect(path), -1);
    assert_int_equal(errno, ENOENT);
    free(path);
    path = xasprintf("%s/missing/x.sock", deep);
    assert_int_equal(unix_socket_listen(path, 0600), -1);
    assert_int_equal(errno, ENOENT);
    free(path);
    path = xasprintf("%s/%s", deep,
                     "a-name-for-a-socket-that-is-itself-longer-than-the-64-bytes-that-are-left.s");
    assert_int_equal(unix_socket_listen(path, 0600), -1);
    assert_int_equal(errno, ENAMETOOLONG);
    free(path);
    path = xasprintf("%s/gone.sock", directory);
    int fd = unix_socket_listen(path, 0600);
    close(fd);
    assert_int_equal(unix_socket_connect(path), -1);
    assert_int_equal(errno, ECONNREFUSED);
    free(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(talks_at_short_and_long_paths),
        cmocka_unit_test(short_path_fits),
        cmocka_unit_test(failures_have_an_errno),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

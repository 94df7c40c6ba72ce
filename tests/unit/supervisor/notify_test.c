#include "supervisor/notify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

/* A service manager's socket at that address ('@': abstract). */
static int manager(const char *address)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    size_t len = strlen(address);
    memcpy(at.sun_path, address, len);
    if (address[0] == '@')
        at.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);
    unlink(address);
    assert_int_equal(
        bind(fd, (struct sockaddr *)&at, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len)),
        0);
    setenv("NOTIFY_SOCKET", address, 1);
    return fd;
}

static const char *heard(int fd)
{
    static char text[1024];
    ssize_t n = recv(fd, text, sizeof(text) - 1, 0);
    text[n > 0 ? n : 0] = '\0';
    return text;
}

static void check_all(const char *address)
{
    int fd = manager(address);
    struct notify *n = notify_new();
    assert_non_null(n);
    assert_null(getenv("NOTIFY_SOCKET"));
    notify_ready(n, "two\nlines");
    assert_string_equal(heard(fd), "READY=1\nSTATUS=two lines");
    notify_status(n, "fine");
    assert_string_equal(heard(fd), "STATUS=fine");
    notify_stopping(n, "bye");
    assert_string_equal(heard(fd), "STOPPING=1\nSTATUS=bye");

    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    notify_reloading(n);
    long long usec = 0;
    assert_int_equal(sscanf(heard(fd), "RELOADING=1\nMONOTONIC_USEC=%lld\nSTATUS=", &usec), 1);
    assert_in_range(usec, now.tv_sec * 1000000LL, now.tv_sec * 1000000LL + 10000000);
    close(fd);
    notify_ready(n, "nobody listens: logged once, and nothing else happens");
    notify_ready(n, "again");
    notify_free(n);
}

static void test_path(void **state)
{
    (void)state;
    char path[64];
    snprintf(path, sizeof(path), "/tmp/notify_test.%d", (int)getpid());
    check_all(path);
    unlink(path);
}

static void test_abstract(void **state)
{
    (void)state;
    char name[64];
    snprintf(name, sizeof(name), "@sluice-notify_test.%d", (int)getpid());
    check_all(name);
}

static void test_none(void **state)
{
    (void)state;
    char longer[200];
    memset(longer, 'x', sizeof(longer));
    longer[0] = '/';
    longer[sizeof(longer) - 1] = '\0';
    const char *const bad[] = {NULL, "", "@", "/", "relative", "vsock:2:1", longer};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        unsetenv("NOTIFY_SOCKET");
        if (bad[i])
            setenv("NOTIFY_SOCKET", bad[i], 1);
        assert_null(notify_new());
        assert_null(getenv("NOTIFY_SOCKET"));
    }
    notify_ready(NULL, "");
    notify_reloading(NULL);
    notify_stopping(NULL, "");
    notify_status(NULL, "");
    notify_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_path),
        cmocka_unit_test(test_abstract),
        cmocka_unit_test(test_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "supervisor/listen.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "supervisor/holder.h"

/* A port that the test itself holds, as a stranger would. */
static int stranger(unsigned *port_out)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, len), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
    *port_out = ntohs(a.sin_port);
    return fd;
}

static void refused(struct listen_pool *pool, enum role role, const char *address, const char *part)
{
    char *why;
    assert_null(listen_acquire(pool, role, address, &why));
    assert_non_null(strstr(why, part));
    free(why);
}

static void shares_by_role_and_address(void **state)
{
    (void)state;
    char *why;
    struct listen_pool *pool = listen_pool_new();
    struct listener *a = listen_acquire(pool, ROLE_INGEST, "127.0.0.1:0", &why);
    struct listener *b = listen_acquire(pool, ROLE_INGEST, "127.0.0.1:0", &why);
    assert_non_null(a);
    assert_ptr_equal(a, b);
    assert_string_not_equal(listener_address(a), "127.0.0.1:0");
    listen_release(a);
    assert_true(listener_fd(b) >= 0);
    listen_release(b);
    listen_pool_free(pool);
}

static void overlaps_are_refused(void **state)
{
    (void)state;
    char *why, wildcard[32];
    struct listen_pool *pool = listen_pool_new();
    struct listener *a = listen_acquire(pool, ROLE_INGEST, "127.0.0.1:0", &why);
    assert_non_null(a);
    const char *port = strrchr(listener_address(a), ':');
    snprintf(wildcard, sizeof(wildcard), "*%s", port);
    refused(pool, ROLE_INGEST, wildcard, "overlaps 127.0.0.1:");
    refused(pool, ROLE_RETRY, listener_address(a), "open for ingest");
    listen_release(a);
    listen_pool_free(pool);
}

static void busy_port_names_its_holder(void **state)
{
    (void)state;
    unsigned port;
    int fd = stranger(&port);
    char address[32];
    snprintf(address, sizeof(address), "127.0.0.1:%u", port);
    struct listen_pool *pool = listen_pool_new();
    refused(pool, ROLE_INGEST, address, "is in use by ");
    listen_pool_free(pool);
    close(fd);
}

static void holder_of_another_process(void **state)
{
    (void)state;
    unsigned port;
    int fd = stranger(&port), ready[2], hold[2];
    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(hold), 0);
    pid_t child = fork();
    if (child == 0) { /* keeps the inherited socket until the pipe ends */
        char c;
        close(hold[1]);
        if (write(ready[1], "", 1) == 1 && read(hold[0], &c, 1) == 0)
            _exit(0);
        _exit(1);
    }
    char c, text[128], wanted[32];
    assert_int_equal(read(ready[0], &c, 1), 1);
    struct sockaddr_in a = {.sin_family = AF_INET,
                            .sin_port = htons((uint16_t)port),
                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    close(fd);
    holder_of_port((struct sockaddr *)&a, text, sizeof(text));
    snprintf(wanted, sizeof(wanted), "(pid %d)", (int)child);
    assert_non_null(strstr(text, wanted));
    close(hold[1]);
    close(hold[0]);
    close(ready[0]);
    close(ready[1]);
}

static void bad_addresses(void **state)
{
    (void)state;
    struct listen_pool *pool = listen_pool_new();
    static const char *const bad[] = {"",         "8080",     "127.0.0.1",    "127.0.0.1:",
                                      "a.b:80",   ":80",      "[::1:80",      "127.0.0.1:65536",
                                      "1.2.3:80", "[zz]:80x", "127.0.0.1:80x"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        refused(pool, ROLE_INGEST, bad[i], "is not ADDRESS:PORT");
    refused(pool, ROLE_INGEST, "192.0.2.77:0", "not an address of this machine");
    listen_pool_free(pool);
}

static void unix_socket_comes_and_goes(void **state)
{
    (void)state;
    char dir[] = "/tmp/listen_test.XXXXXX", address[64], *why;
    assert_non_null(mkdtemp(dir));
    snprintf(address, sizeof(address), "unix:%s/store.sock", dir);
    struct listen_pool *pool = listen_pool_new();
    struct listener *l = listen_acquire(pool, ROLE_STORE, address, &why);
    assert_non_null(l);
    assert_int_equal(access(address + 5, F_OK), 0);
    listen_release(l);
    assert_int_not_equal(access(address + 5, F_OK), 0);
    listen_pool_free(pool);
    rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shares_by_role_and_address),
        cmocka_unit_test(overlaps_are_refused),
        cmocka_unit_test(busy_port_names_its_holder),
        cmocka_unit_test(holder_of_another_process),
        cmocka_unit_test(bad_addresses),
        cmocka_unit_test(unix_socket_comes_and_goes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

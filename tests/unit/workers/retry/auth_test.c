#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "workers/retry/auth.h"

#define TCP ((uid_t)-1)

static struct auth *new_auth(int open)
{
    json_t *conf =
        json_pack("{s:{s:[{s:s,s:s,s:s},{s:s,s:s,s:s},{s:s,s:s,s:s},{s:s,s:s,s:s}],"
                  "s:[i],s:b}}",
                  "retry", "tokens", "name", "eyes", "secret", "read-token-0123456789", "role",
                  "read", "name", "ops", "secret", "redrive-token-0123456", "role", "redrive",
                  "name", "root", "secret", "admin-token-012345678", "role", "admin", "name",
                  "none", "secret", "", "role", "admin", "uids", 1234, "open_on_loopback", open);
    struct auth *auth = auth_new(conf, 999);
    json_decref(conf);
    return auth;
}

static struct auth_verdict ask(struct auth *auth, const char *authorization, uid_t uid,
                               const char *listener, enum auth_role needed, int64_t now_ms)
{
    const struct auth_request request = {
        .authorization = authorization, .peer_uid = uid, .listener = listener, .needed = needed};
    return auth_judge(auth, &request, now_ms);
}

static const struct {
    const char *authorization;
    uid_t uid;
    const char *listener;
    enum auth_role needed;
    int open;
    int status;
    const char *who;
} rows[] = {
    {"Bearer read-token-0123456789", TCP, "0.0.0.0:1", AUTH_READ, 0, 0, "token \"eyes\""},
    {"bearer  read-token-0123456789", TCP, "0.0.0.0:1", AUTH_READ, 0, 0, "token \"eyes\""},
    {"Bearer read-token-0123456789", TCP, "0.0.0.0:1", AUTH_REDRIVE, 0, 403, NULL},
    {"Bearer redrive-token-0123456", TCP, "0.0.0.0:1", AUTH_REDRIVE, 0, 0, "token \"ops\""},
    {"Bearer redrive-token-0123456", TCP, "0.0.0.0:1", AUTH_ADMIN, 0, 403, NULL},
    {"Bearer admin-token-012345678", TCP, "0.0.0.0:1", AUTH_ADMIN, 0, 0, "token \"root\""},
    {"Bearer admin-token-012345679", TCP, "0.0.0.0:1", AUTH_READ, 0, 401, NULL},
    {"Bearer ", TCP, "0.0.0.0:1", AUTH_READ, 0, 401, NULL},
    {"Bearer", TCP, "0.0.0.0:1", AUTH_READ, 0, 401, NULL},
    {"", TCP, "0.0.0.0:1", AUTH_READ, 0, 401, NULL},
    {"Basic YTpi", TCP, "127.0.0.1:1", AUTH_READ, 1, 401, NULL},
    {NULL, TCP, "0.0.0.0:1", AUTH_READ, 1, 401, NULL},
    {NULL, TCP, "127.0.0.1:1", AUTH_READ, 0, 401, NULL},
    {NULL, TCP, "127.0.0.1:1", AUTH_ADMIN, 1, 0, "loopback"},
    {NULL, TCP, "127.9.9.9:1", AUTH_ADMIN, 1, 0, "loopback"},
    {NULL, TCP, "[::1]:1", AUTH_ADMIN, 1, 0, "loopback"},
    {NULL, TCP, "localhost:1", AUTH_ADMIN, 1, 0, "loopback"},
    {NULL, TCP, "localhost.example:1", AUTH_READ, 1, 401, NULL},
    {NULL, TCP, "[::]:1", AUTH_READ, 1, 401, NULL},
    {NULL, TCP, "192.0.2.1:1", AUTH_READ, 1, 401, NULL},
    {"Bearer wrong-token-012345678", TCP, "127.0.0.1:1", AUTH_READ, 1, 401, NULL},
    {NULL, 0, "/run/retry.sock", AUTH_ADMIN, 0, 0, "uid 0"},
    {NULL, 999, "/run/retry.sock", AUTH_ADMIN, 0, 0, "uid 999"},
    {NULL, 1234, "/run/retry.sock", AUTH_ADMIN, 0, 0, "uid 1234"},
    {NULL, 1235, "/run/retry.sock", AUTH_READ, 1, 401, NULL},
    {"Bearer read-token-0123456789", 1235, "/run/retry.sock", AUTH_READ, 0, 0, "token \"eyes\""},
    {"Bearer wrong", 0, "/run/retry.sock", AUTH_READ, 0, 401, NULL},
};

static void who_may_what(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct auth *auth = new_auth(rows[i].open);
        struct auth_verdict v =
            ask(auth, rows[i].authorization, rows[i].uid, rows[i].listener, rows[i].needed, 5);
        if (v.status != rows[i].status || (rows[i].who && strcmp(rows[i].who, v.who) != 0))
            fail_msg("row %zu: status %d, who %s", i, v.status, v.who);
        auth_free(auth);
    }
}

static void ten_wrong_tokens_a_minute(void **state)
{
    (void)state;
    struct auth *auth = new_auth(0);
    for (int i = 0; i < 50; i++) /* no token is no failure */
        assert_int_equal(ask(auth, NULL, TCP, "0.0.0.0:1", AUTH_READ, 1000).status, 401);
    for (int i = 0; i < AUTH_FAILURES_MAX; i++)
        assert_int_equal(ask(auth, "Bearer x", TCP, "0.0.0.0:1", AUTH_READ, 1000 + i).status, 401);
    struct auth_verdict v = ask(auth, "Bearer x", TCP, "0.0.0.0:1", AUTH_READ, 2000);
    assert_int_equal(v.status, 429);
    assert_int_equal(v.retry_after_s, 59);
    assert_int_equal(ask(auth, NULL, TCP, "0.0.0.0:1", AUTH_READ, 2000).status, 429);
    const char *right = "Bearer read-token-0123456789";
    assert_int_equal(ask(auth, right, TCP, "0.0.0.0:1", AUTH_READ, 2000).status, 0);
    assert_int_equal(ask(auth, right, TCP, "0.0.0.0:1", AUTH_ADMIN, 2000).status, 403);
    assert_int_equal(ask(auth, "Bearer x", TCP, "0.0.0.0:1", AUTH_READ, 60999).status, 429);
    assert_int_equal(ask(auth, "Bearer x", TCP, "0.0.0.0:1", AUTH_READ, 61000).status, 401);
    assert_int_equal(ask(auth, "Bearer x", TCP, "0.0.0.0:1", AUTH_READ, 61000).status, 429);
    assert_int_equal(ask(auth, "Bearer x", TCP, "0.0.0.0:1", AUTH_READ, 200000).status, 401);
    auth_free(auth);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_may_what),
        cmocka_unit_test(ten_wrong_tokens_a_minute),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

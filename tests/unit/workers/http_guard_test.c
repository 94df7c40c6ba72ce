#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "workers/http_guard.h"

#define HOST                                                                                       \
    {                                                                                              \
        "Host", "example.org"                                                                      \
    }

static struct http_guard_request with(int major, int minor, const char *target,
                                      const struct http_guard_field *fields, size_t count)
{
    return (struct http_guard_request){
        .major = major, .minor = minor, .target = target, .fields = fields, .field_count = count};
}

static enum http_guard_verdict check_fields(const struct http_guard_field *fields, size_t count,
                                            const char **why_out)
{
    struct http_guard_request r = with(1, 1, "/", fields, count);
    return http_guard_check(&r, why_out);
}

static void refuses(const struct http_guard_field *fields, size_t count, const char *part)
{
    const char *why = NULL;
    assert_int_equal(check_fields(fields, count, &why), HTTP_GUARD_MALFORMED);
    assert_non_null(why);
    if (!strstr(why, part))
        fail_msg("\"%s\" does not say \"%s\"", why, part);
}

#define REFUSES(part, ...)                                                                         \
    do {                                                                                           \
        const struct http_guard_field fields_[] = {__VA_ARGS__};                                   \
        refuses(fields_, sizeof(fields_) / sizeof(fields_[0]), part);                              \
    } while (0)

static void plain_requests_pass(void **state)
{
    (void)state;
    const struct http_guard_field fields[] = {
        HOST,
        {"Content-Length", "0"},
        {"X-Odd!#$%&'*+-.^_`|~9", "tab\there, 8-bit \xc3\xa4 and \xff"},
        {"X-Empty", ""},
    };
    const char *why = NULL;
    assert_int_equal(check_fields(fields, 4, &why), HTTP_GUARD_PASS);
    assert_null(why);
}

static void http_1_0_needs_no_host(void **state)
{
    (void)state;
    const char *why = NULL;
    struct http_guard_request r = with(1, 0, "/", NULL, 0);
    assert_int_equal(http_guard_check(&r, &why), HTTP_GUARD_PASS);
    r.minor = 1;
    assert_int_equal(http_guard_check(&r, &why), HTTP_GUARD_MALFORMED);
    assert_non_null(strstr(why, "Host"));
}

static void only_major_version_1_passes(void **state)
{
    (void)state;
    const struct http_guard_field fields[] = {HOST};
    for (int major = -1; major < 12; major++) {
        const char *why = NULL;
        struct http_guard_request r = with(major, 1, "/", fields, 1);
        assert_int_equal(http_guard_check(&r, &why),
                         major == 1 ? HTTP_GUARD_PASS : HTTP_GUARD_MALFORMED);
    }
}

/* Every byte, in every position that it can take. */
static void each_byte_of_a_target(void **state)
{
    (void)state;
    const struct http_guard_field fields[] = {HOST};
    for (int c = 1; c < 256; c++) {
        char target[] = {'/', 'a', (char)c, 'b', '\0'};
        const char *why = NULL;
        struct http_guard_request r = with(1, 1, target, fields, 1);
        bool fine = c >= 0x21 && c <= 0x7e && c != '#';
        assert_int_equal(http_guard_check(&r, &why), fine ? HTTP_GUARD_PASS : HTTP_GUARD_MALFORMED);
    }
    const char *const bad[] = {"", "*", "http://example.org/", "example.org:443", "a", " /"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        const char *why = NULL;
        struct http_guard_request r = with(1, 1, bad[i], fields, 1);
        assert_int_equal(http_guard_check(&r, &why), HTTP_GUARD_MALFORMED);
    }
    const char *why = NULL;
    struct http_guard_request none = with(1, 1, NULL, fields, 1);
    assert_int_equal(http_guard_check(&none, &why), HTTP_GUARD_MALFORMED);
}

static void each_byte_of_a_name(void **state)
{
    (void)state;
    static const char token[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                "!#$%&'*+-.^_`|~";
    for (int c = 1; c < 256; c++) {
        char name[] = {'X', (char)c, '\0'};
        const struct http_guard_field fields[] = {HOST, {name, "v"}};
        const char *why = NULL;
        assert_int_equal(check_fields(fields, 2, &why),
                         strchr(token, c) ? HTTP_GUARD_PASS : HTTP_GUARD_MALFORMED);
    }
    REFUSES("name", HOST, {"", "v"});
    REFUSES("name", HOST, {"Content-Length ", "0"});
}

static void each_byte_of_a_value(void **state)
{
    (void)state;
    for (int c = 1; c < 256; c++) {
        char value[] = {'v', (char)c, 'v', '\0'};
        const struct http_guard_field fields[] = {HOST, {"X", value}};
        const char *why = NULL;
        bool fine = c == '\t' || (c >= 0x20 && c != 0x7f);
        assert_int_equal(check_fields(fields, 2, &why),
                         fine ? HTTP_GUARD_PASS : HTTP_GUARD_MALFORMED);
    }
}

static void each_byte_of_a_host(void **state)
{
    (void)state;
    static const char plain[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]";
    for (int c = 1; c < 256; c++) {
        char host[] = {'h', (char)c, '\0'};
        const struct http_guard_field fields[] = {{"host", host}};
        const char *why = NULL;
        assert_int_equal(check_fields(fields, 1, &why),
                         strchr(plain, c) ? HTTP_GUARD_PASS : HTTP_GUARD_MALFORMED);
    }
    REFUSES("Host", {"Host", ""});
    REFUSES("more than once", HOST, HOST);
    REFUSES("more than once", HOST, {"hOST", "other"});
    char longest[257];
    memset(longest, 'a', sizeof(longest));
    longest[256] = '\0';
    REFUSES("Host", {"Host", longest});
    longest[255] = '\0';
    const struct http_guard_field fields[] = {{"Host", longest}};
    const char *why = NULL;
    assert_int_equal(check_fields(fields, 1, &why), HTTP_GUARD_PASS);
}

static void content_length_is_digits(void **state)
{
    (void)state;
    const char *const good[] = {"0", "00", "7", "999999999999999"};
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        const struct http_guard_field fields[] = {HOST, {"CONTENT-LENGTH", good[i]}};
        const char *why = NULL;
        assert_int_equal(check_fields(fields, 2, &why), HTTP_GUARD_PASS);
    }
    const char *const bad[] = {"",     "+5",  "-5",  "5 ",  " 5",       "5,5",
                               "5, 5", "0x5", "5\t", "\t5", "5a",       "a",
                               "5.0",  "1e1", "1_0", "5;5", "\xd9\xa5", "1000000000000000"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        REFUSES("Content-Length", HOST, {"Content-Length", bad[i]});
}

static void framing_is_said_once(void **state)
{
    (void)state;
    REFUSES("Content-Length is given more", HOST, {"Content-Length", "5"}, {"content-length", "5"});
    REFUSES("both", HOST, {"Content-Length", "5"}, {"Transfer-Encoding", "chunked"});
    REFUSES("both", HOST, {"Transfer-Encoding", "identity"}, {"Content-Length", "5"});
    REFUSES("Transfer-Encoding is given more", HOST, {"Transfer-Encoding", "chunked"},
            {"transfer-encoding", "chunked"});
    const char *const bad[] = {"",
                               "identity",
                               "xchunked",
                               "chunkedx",
                               "gzip, chunked",
                               "chunked, identity",
                               "chunked;q=1",
                               " chunked",
                               "chunked ",
                               "\"chunked\""};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        REFUSES("Transfer-Encoding", HOST, {"Transfer-Encoding", bad[i]});
}

static void chunked_bodies_need_a_length(void **state)
{
    (void)state;
    const struct http_guard_field fields[] = {HOST, {"Transfer-Encoding", "ChunkeD"}};
    struct http_guard_request r = with(1, 1, "/", fields, 2);
    const char *why = NULL;
    assert_int_equal(http_guard_check(&r, &why), HTTP_GUARD_LENGTH_REQUIRED);
    assert_non_null(why);
    r.minor = 0;
    assert_int_equal(http_guard_check(&r, &why), HTTP_GUARD_MALFORMED);
}

static void no_body_where_none_is_read(void **state)
{
    (void)state;
    static const char *const lengths[] = {"0", "00", "1", "5"};
    for (size_t i = 0; i < 4; i++) {
        const struct http_guard_field fields[] = {HOST, {"Content-Length", lengths[i]}};
        struct http_guard_request r = with(1, 1, "/", fields, 2);
        const char *why = NULL;
        assert_int_equal(http_guard_check(&r, &why), HTTP_GUARD_PASS);
        r.bodiless = true;
        assert_int_equal(http_guard_check(&r, &why),
                         i < 2 ? HTTP_GUARD_PASS : HTTP_GUARD_MALFORMED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_requests_pass),
        cmocka_unit_test(http_1_0_needs_no_host),
        cmocka_unit_test(only_major_version_1_passes),
        cmocka_unit_test(each_byte_of_a_target),
        cmocka_unit_test(each_byte_of_a_name),
        cmocka_unit_test(each_byte_of_a_value),
        cmocka_unit_test(each_byte_of_a_host),
        cmocka_unit_test(content_length_is_digits),
        cmocka_unit_test(framing_is_said_once),
        cmocka_unit_test(chunked_bodies_need_a_length),
        cmocka_unit_test(no_body_where_none_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

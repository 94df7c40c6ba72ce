#include "common/base/ip_range.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <sys/un.h>

#include <cmocka.h>

static struct ip_address address(const char *text)
{
    struct ip_address a;
    assert_int_equal(ip_address_parse(text, &a), 0);
    return a;
}

static void ranges_are_read(void **state)
{
    (void)state;
    static const char *const good[] = {"10.0.0.0/8",  "0.0.0.0/0",  "127.0.0.1", "127.0.0.1/32",
                                       "::/0",        "fd00::/8",   "::1",       "::1/128",
                                       "128.0.0.0/1", "10.1.2.2/31"};
    static const char *const bad[] = {"",
                                      "10.0.0.0/",
                                      "10.0.0.0/33",
                                      "10.0.0.0/8 ",
                                      "10.0.0.0/-1",
                                      "10.0.0/8",
                                      "10.0.0.1/8",
                                      "fd00::1/8",
                                      "::/129",
                                      "x",
                                      "/8",
                                      "10.0.0.0/8/8",
                                      "10.1/16",
                                      "[::1]",
                                      "::1%lo",
                                      "10.0.0.0/0008",
                                      "1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa/1"};
    struct ip_range range;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
        assert_int_equal(ip_range_parse(good[i], &range), 0);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        if (ip_range_parse(bad[i], &range) == 0)
            fail_msg("took %s", bad[i]);
}

static void what_is_in_a_range(void **state)
{
    (void)state;
    static const struct {
        const char *range, *in, *out;
    } cases[] = {
        {"10.0.0.0/8", "10.255.255.255", "11.0.0.0"},
        {"172.16.0.0/12", "172.31.255.255", "172.32.0.0"},
        {"100.64.0.0/10", "100.127.255.255", "100.128.0.0"},
        {"10.1.2.2/31", "10.1.2.3", "10.1.2.4"},
        {"127.0.0.1", "127.0.0.1", "127.0.0.2"},
        {"0.0.0.0/0", "255.255.255.255", "::"},
        {"fe80::/10", "febf::1", "fec0::1"},
        {"::/0", "ffff::", "1.2.3.4"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct ip_range range;
        assert_int_equal(ip_range_parse(cases[i].range, &range), 0);
        const struct ip_address in = address(cases[i].in), out = address(cases[i].out);
        assert_true(ip_range_contains(&range, &range.first));
        assert_true(ip_range_contains(&range, &in));
        assert_false(ip_range_contains(&range, &out));
    }
}

static void carried_addresses_come_out(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"::ffff:127.0.0.1", "127.0.0.1"},
        {"::ffff:a9fe:a9fe", "169.254.169.254"},
        {"::10.0.0.1", "10.0.0.1"},
        {"64:ff9b::192.168.1.1", "192.168.1.1"},
        {"2002:7f00:1::", "127.0.0.1"},
        {"2002:a9fe:a9fe:1234::1", "169.254.169.254"},
        {"::", "::"},
        {"::1", "::1"},
        {"::2", "0.0.0.2"},
        {"64:ff9b:1::1", "64:ff9b:1::1"},
        {"::fffe:127.0.0.1", "::fffe:7f00:1"},
        {"2003:7f00:1::", "2003:7f00:1::"},
        {"1.2.3.4", "1.2.3.4"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[IP_ADDRESS_TEXT_BYTES];
        const struct ip_address a = address(cases[i][0]);
        const struct ip_address inner = ip_address_unwrap(&a);
        ip_address_text(&inner, text);
        assert_string_equal(text, cases[i][1]);
    }
}

static void addresses_of_sockets(void **state)
{
    (void)state;
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct sockaddr_un path = {.sun_family = AF_UNIX};
    struct ip_address a;
    char text[IP_ADDRESS_TEXT_BYTES];
    assert_int_equal(ip_address_of((struct sockaddr *)&v4, &a), 0);
    ip_address_text(&a, text);
    assert_string_equal(text, "127.0.0.1");
    assert_int_equal(ip_address_of((struct sockaddr *)&v6, &a), 0);
    ip_address_text(&a, text);
    assert_string_equal(text, "::1");
    assert_int_equal(ip_address_of((struct sockaddr *)&path, &a), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranges_are_read),
        cmocka_unit_test(what_is_in_a_range),
        cmocka_unit_test(carried_addresses_come_out),
        cmocka_unit_test(addresses_of_sockets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

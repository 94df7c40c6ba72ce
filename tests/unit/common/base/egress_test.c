#include "common/base/egress.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define COUNT(list) (sizeof(list) / sizeof((list)[0]))

static const char *refusal(const char *text, const char *allowed)
{
    struct ip_address a;
    struct ip_range range;
    assert_int_equal(ip_address_parse(text, &a), 0);
    if (allowed)
        assert_int_equal(ip_range_parse(allowed, &range), 0);
    return egress_refusal(&a, &range, allowed ? 1 : 0);
}

/* The first and the last address of what is closed, and its neighbours that are not. */
static void by_default_only_public_addresses(void **state)
{
    (void)state;
    static const struct {
        const char *first, *last, *below, *above; /* NULL: the neighbour is closed too */
        const char *what;
    } cases[] = {
        {"0.0.0.0", "0.255.255.255", NULL, "1.0.0.0", "no network"},
        {"10.0.0.0", "10.255.255.255", "9.255.255.255", "11.0.0.0", "private"},
        {"100.64.0.0", "100.127.255.255", "100.63.255.255", "100.128.0.0", "carrier"},
        {"127.0.0.0", "127.255.255.255", "126.255.255.255", "128.0.0.0", "loopback"},
        {"169.254.0.0", "169.254.255.255", "169.253.255.255", "169.255.0.0", "link-local"},
        {"172.16.0.0", "172.31.255.255", "172.15.255.255", "172.32.0.0", "private"},
        {"192.0.0.0", "192.0.0.255", "191.255.255.255", "192.0.1.0", "reserved"},
        {"192.0.2.0", "192.0.2.255", "192.0.1.255", "192.0.3.0", "reserved"},
        {"192.168.0.0", "192.168.255.255", "192.167.255.255", "192.169.0.0", "private"},
        {"198.18.0.0", "198.19.255.255", "198.17.255.255", "198.20.0.0", "reserved"},
        {"198.51.100.0", "198.51.100.255", "198.51.99.255", "198.51.101.0", "reserved"},
        {"203.0.113.0", "203.0.113.255", "203.0.112.255", "203.0.114.0", "reserved"},
        {"224.0.0.0", "239.255.255.255", "223.255.255.255", NULL, "multicast"},
        {"240.0.0.0", "255.255.255.255", NULL, NULL, "reserved"},
        {"::", "::", NULL, NULL, "no network"},
        {"::1", "::1", NULL, NULL, "loopback"},
        {"64:ff9b:1::", "64:ff9b:1:ffff:ffff:ffff:ffff:ffff", NULL, "64:ff9b:2::", "reserved"},
        {"100::", "100::ffff:ffff:ffff:ffff", "ff:ffff::", "100:0:0:1::", "reserved"},
        {"2001::", "2001:1ff:ffff::", "2000:ffff::", "2001:200::", "reserved"},
        {"2001:db8::", "2001:db8:ffff::1", "2001:db7:ffff::", "2001:db9::", "reserved"},
        {"fc00::", "fdff:ffff::1", "fbff::", "fe00::", "private"},
        {"fe80::1", "febf:ffff::", "fe7f::", NULL, "link-local"},
        {"fec0::", "feff::1", NULL, NULL, "private"},
        {"ff00::", "ffff::1", NULL, NULL, "multicast"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *first = refusal(cases[i].first, NULL), *last = refusal(cases[i].last, NULL);
        if (!first || !strstr(first, cases[i].what) || !last || !strstr(last, cases[i].what))
            fail_msg("%s is \"%s\", %s is \"%s\"", cases[i].first, first, cases[i].last, last);
        if (cases[i].below && refusal(cases[i].below, NULL))
            fail_msg("%s is refused", cases[i].below);
        if (cases[i].above && refusal(cases[i].above, NULL))
            fail_msg("%s is refused", cases[i].above);
    }
    static const char *const public[] = {"8.8.8.8",        "93.184.216.34",  "2606:2800:220:1::1",
                                         "2a00::1",        "::ffff:8.8.8.8", "64:ff9b::8.8.8.8",
                                         "2002:808:808::1"};
    for (size_t i = 0; i < COUNT(public); i++)
        assert_null(refusal(public[i], NULL));
}

static void carried_addresses_are_judged(void **state)
{
    (void)state;
    static const struct {
        const char *address, *what;
    } cases[] = {
        {"::ffff:127.0.0.1", "loopback"},
        {"::ffff:10.1.2.3", "private"},
        {"::127.0.0.1", "loopback"},
        {"64:ff9b::10.0.0.1", "private"},
        {"64:ff9b::7f00:1", "loopback"},
        {"2002:7f00:1::", "loopback"},
        {"2002:c0a8:101::1", "private"},
        {"::ffff:169.254.169.254", "metadata"},
        {"64:ff9b::169.254.169.254", "metadata"},
        {"2002:a9fe:a9fe::", "metadata"},
        {"::169.254.169.254", "metadata"},
        {"::ffff:0.0.0.0", "no network"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        const char *what = refusal(cases[i].address, NULL);
        if (!what || !strstr(what, cases[i].what))
            fail_msg("%s is \"%s\"", cases[i].address, what);
    }
    assert_null(refusal("::ffff:127.0.0.1", "127.0.0.0/8"));
    assert_null(refusal("2002:7f00:1::", "127.0.0.0/8"));
    assert_non_null(refusal("::ffff:10.0.0.1", "127.0.0.0/8"));
    assert_non_null(refusal("64:ff9b::10.0.0.1", "64:ff9b::/96"));
}

static void a_listed_network_is_open(void **state)
{
    (void)state;
    assert_null(refusal("127.0.0.1", "127.0.0.0/8"));
    assert_null(refusal("127.0.0.1", "127.0.0.1"));
    assert_non_null(refusal("127.0.0.2", "127.0.0.1"));
    assert_null(refusal("::1", "::1"));
    assert_non_null(refusal("::1", "127.0.0.0/8"));
    assert_null(refusal("fd12::1", "fd00::/8"));
    assert_null(refusal("169.254.1.1", "169.254.0.0/16"));
    assert_null(refusal("8.8.8.8", "127.0.0.0/8"));
}

static void metadata_is_never_open(void **state)
{
    (void)state;
    static const char *const v4[] = {
        "169.254.169.254", "169.254.170.2",          "169.254.170.23",         "168.63.129.16",
        "100.100.100.200", "::ffff:169.254.169.254", "64:ff9b::169.254.170.2", "2002:a9fe:a9fe::1"};
    static const char *const v6[] = {"fd00:ec2::254", "fd00:ec2::23", "fd20:ce::254"};
    struct ip_address a;
    for (size_t i = 0; i < COUNT(v4); i++) {
        assert_int_equal(ip_address_parse(v4[i], &a), 0);
        assert_true(egress_is_metadata(&a));
        assert_non_null(strstr(refusal(v4[i], "0.0.0.0/0"), "metadata"));
    }
    for (size_t i = 0; i < COUNT(v6); i++)
        assert_non_null(strstr(refusal(v6[i], "::/0"), "metadata"));
    assert_int_equal(ip_address_parse("169.254.169.253", &a), 0);
    assert_false(egress_is_metadata(&a));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_default_only_public_addresses),
        cmocka_unit_test(carried_addresses_are_judged),
        cmocka_unit_test(a_listed_network_is_open),
        cmocka_unit_test(metadata_is_never_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

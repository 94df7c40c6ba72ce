#include "supervisor/environment.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static char *const ours[] = {"PATH=/bin",
                             "PATHS=no",
                             "PAT=no",
                             "HOME=/root",
                             "LC_ALL=C",
                             "LC_=x",
                             "AWS_SECRET_ACCESS_KEY=s",
                             "AWS_PROFILE=p",
                             "XAWS_PROFILE=no",
                             "NOTIFY_SOCKET=/run/x",
                             "CXONE_CLIENT_SECRET=s",
                             "SLUICE_FAULT=a:1",
                             "SLUICE_FAULT_ROLE=consumer",
                             "SLUICE_OTHER=no",
                             "FAKETIME=+1",
                             "=odd",
                             "odd",
                             "",
                             NULL};

static void expect(enum role role, const char *expected)
{
    char text[512] = "";
    char **list = environment_for(role, ours);
    for (size_t i = 0; list[i] != NULL; i++) {
        strcat(text, list[i]);
        strcat(text, " ");
    }
    free(list);
    assert_string_equal(text, expected);
}

static void workers_get_what_is_harmless(void **state)
{
    (void)state;
    static const enum role roles[] = {ROLE_INGEST, ROLE_CONSUMER, ROLE_RETRY, ROLE_STORE};
    for (size_t i = 0; i < sizeof(roles) / sizeof(roles[0]); i++)
        expect(roles[i], "PATH=/bin HOME=/root LC_ALL=C LC_=x SLUICE_FAULT=a:1 "
                         "SLUICE_FAULT_ROLE=consumer FAKETIME=+1 ");
}

static void the_keyring_gets_aws_variables_too(void **state)
{
    (void)state;
    expect(ROLE_KEYRING, "PATH=/bin HOME=/root LC_ALL=C LC_=x AWS_SECRET_ACCESS_KEY=s "
                         "AWS_PROFILE=p SLUICE_FAULT=a:1 SLUICE_FAULT_ROLE=consumer FAKETIME=+1 ");
}

static void an_empty_one_stays_empty(void **state)
{
    (void)state;
    char *const none[] = {NULL};
    char **list = environment_for(ROLE_KEYRING, none);
    assert_null(list[0]);
    free(list);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(workers_get_what_is_harmless),
        cmocka_unit_test(the_keyring_gets_aws_variables_too),
        cmocka_unit_test(an_empty_one_stays_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include "workers/keyring/aws_profile.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/conf/aws_files.h"

struct planned {
    struct aws_files *files;
    struct aws_plan plan;
    char why[400];
};

static int plan(struct planned *p, const char *config, const char *credentials, const char *profile)
{
    char why[200];
    p->files = aws_files_new();
    int rc = aws_files_parse(p->files, AWS_FILE_CONFIG, config, strlen(config), why, sizeof(why));
    assert_int_equal(rc, 0);
    rc = aws_files_parse(p->files, AWS_FILE_CREDENTIALS, credentials, strlen(credentials), why,
                         sizeof(why));
    assert_int_equal(rc, 0);
    return aws_profile_plan(p->files, profile, &p->plan, p->why, sizeof(p->why));
}

#define KEYS "aws_access_key_id = AKID\naws_secret_access_key = SECRET\n"
#define ROLE(n) "role_arn = arn:" #n "\n"

static void which_base_a_profile_has(void **state)
{
    (void)state;
    static const struct {
        const char *config, *credentials;
        enum aws_base base;
    } cases[] = {
        {"", "", AWS_BASE_NONE},
        {"[default]\nregion = r\n", "", AWS_BASE_NONE},
        {"", "[default]\n" KEYS, AWS_BASE_STATIC},
        {"[default]\n" KEYS, "", AWS_BASE_STATIC},
        {"[default]\ncredential_process = p\n", "", AWS_BASE_PROCESS},
        {"[default]\ncredential_process = p\n" KEYS, "", AWS_BASE_PROCESS},
        {"[default]\ncredential_process = p\n", "[default]\n" KEYS, AWS_BASE_STATIC},
        {"[default]\nweb_identity_token_file = f\n" ROLE(a), "[default]\n" KEYS,
         AWS_BASE_WEB_IDENTITY},
        {"[default]\n" ROLE(a) "credential_source = Environment\n", "", AWS_BASE_ENVIRONMENT},
        {"[default]\n" ROLE(a) "credential_source = EcsContainer\n", "", AWS_BASE_CONTAINER},
        {"[default]\n" ROLE(a) "credential_source = Ec2InstanceMetadata\n", "", AWS_BASE_IMDS},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct planned p;
        if (plan(&p, cases[i].config, cases[i].credentials, "default") != 0)
            fail_msg("case %zu: %s", i, p.why);
        assert_int_equal(p.plan.base, cases[i].base);
        aws_files_free(p.files);
    }
}

static void keys_come_from_one_file(void **state)
{
    (void)state;
    struct planned p;
    assert_int_equal(plan(&p, "[default]\naws_secret_access_key = OTHER\naws_session_token = T\n",
                          "[default]\naws_access_key_id = AKID\n", "default"),
                     0);
    assert_string_equal(p.plan.access_key_id, "AKID");
    assert_null(p.plan.secret);
    assert_null(p.plan.token);
    aws_files_free(p.files);
}

static void roles_are_assumed_from_the_source_on(void **state)
{
    (void)state;
    struct planned p;
    int rc = plan(&p,
                  "[profile a]\n" ROLE(a) "source_profile = b\nexternal_id = x\n"
                                          "duration_seconds = 900\nrole_session_name = s\n"
                                          "[profile b]\n" ROLE(b) "source_profile = c\n"
                                                                  "[profile c]\n" ROLE(
                                                                      c) "source_profile = base\n",
                  "[base]\n" KEYS, "a");
    if (rc != 0)
        fail_msg("%s", p.why);
    assert_int_equal(p.plan.base, AWS_BASE_STATIC);
    assert_string_equal(p.plan.profile, "base");
    assert_int_equal(p.plan.role_count, 3);
    assert_string_equal(p.plan.roles[0].arn, "arn:c");
    assert_string_equal(p.plan.roles[1].arn, "arn:b");
    assert_string_equal(p.plan.roles[2].arn, "arn:a");
    assert_string_equal(p.plan.roles[2].external_id, "x");
    assert_string_equal(p.plan.roles[2].session_name, "s");
    assert_int_equal(p.plan.roles[2].duration_s, 900);
    assert_null(p.plan.roles[0].external_id);
    aws_files_free(p.files);
}

static void a_profile_may_be_its_own_source(void **state)
{
    (void)state;
    struct planned p;
    assert_int_equal(plan(&p, "[profile a]\n" ROLE(a) "source_profile = a\n", "[a]\n" KEYS, "a"),
                     0);
    assert_int_equal(p.plan.base, AWS_BASE_STATIC);
    assert_int_equal(p.plan.role_count, 1);
    aws_files_free(p.files);
    /* With keys of its own a source is not asked for its role. */
    assert_int_equal(plan(&p,
                          "[profile a]\n" ROLE(a) "source_profile = b\n"
                                                  "[profile b]\n" ROLE(b) "source_profile = a\n",
                          "[b]\n" KEYS, "a"),
                     0);
    assert_int_equal(p.plan.role_count, 1);
    aws_files_free(p.files);
}

static void what_cannot_work_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *config, *why;
    } cases[] = {
        {ROLE(a), "profile \"a\": has role_arn and neither source_profile nor credential_source"},
        {ROLE(a) "source_profile = b\ncredential_source = Environment\n",
         "profile \"a\": has both source_profile and credential_source: leave out one"},
        {ROLE(a) "source_profile = b\n", "profile \"a\": its source_profile is in neither file: b"},
        {ROLE(a) "source_profile = a\n",
         "profile \"a\": its source_profile leads back to one before: a"},
        {ROLE(a) "source_profile = b\n[profile b]\n" ROLE(
             b) "source_profile = c\n[profile c]\n" ROLE(c) "source_profile = b\n",
         "profile \"c\": its source_profile leads back to one before: b"},
        {ROLE(a) "source_profile = b\n[profile b]\nregion = r\n",
         "profile \"a\": its source_profile holds no credentials: b"},
        {ROLE(a) "credential_source = Magic\n",
         "profile \"a\": credential_source is Environment, EcsContainer or "
         "Ec2InstanceMetadata, not "
         "Magic"},
        {ROLE(a) "credential_source = Environment\nmfa_serial = m\n",
         "profile \"a\": mfa_serial asks for a code that a service cannot type; use a role "
         "without "
         "it"},
        {ROLE(a) "credential_source = Environment\nduration_seconds = 899\n",
         "profile \"a\": duration_seconds is a number from 900 to 43200, not 899"},
        {ROLE(a) "credential_source = Environment\nduration_seconds = 1h\n",
         "profile \"a\": duration_seconds is a number from 900 to 43200, not 1h"},
        {"sso_session = s\n",
         "profile \"a\": single sign-on needs a person who logs in; use a role "
         "or credential_process"},
        {ROLE(a) "source_profile = b\n[profile b]\n" ROLE(
             b) "source_profile = c\n[profile c]\n" ROLE(c) "source_profile = d\n[profile "
                                                            "d]\n" ROLE(
                                                                d) "source_profile = "
                                                                   "e\n[profile "
                                                                   "e]\n" ROLE(
                                                                       e) "sour"
                                                                          "ce_"
                                                                          "prof"
                                                                          "ile "
                                                                          "= "
                                                                          "f\n["
                                                                          "prof"
                                                                          "ile "
                                                                          "f]"
                                                                          "\n" ROLE(
                                                                              f) "credential_"
                                                                                 "source = "
                                                                                 "Environment\n",
         "profile \"f\": more roles than 5 are assumed one after the other"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct planned p;
        char config[600];
        snprintf(config, sizeof(config), "[profile a]\n%s", cases[i].config);
        assert_int_equal(plan(&p, config, "", "a"), -1);
        assert_string_equal(p.why, cases[i].why);
        aws_files_free(p.files);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(which_base_a_profile_has),
        cmocka_unit_test(keys_come_from_one_file),
        cmocka_unit_test(roles_are_assumed_from_the_source_on),
        cmocka_unit_test(a_profile_may_be_its_own_source),
        cmocka_unit_test(what_cannot_work_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

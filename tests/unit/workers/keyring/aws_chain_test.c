/* Which source is asked, in which order, and what is said where none works. */
#include "workers/keyring/aws_chain.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/common/fake_http.h"
#include "tests/unit/workers/keyring/sources.h"
#include "workers/keyring/aws_job.h"

#define ANSWER(status, body)                                                                       \
    {                                                                                              \
        status, body, NULL, NULL, false                                                            \
    }
#define ROLE_XML(id)                                                                               \
    "<R><Credentials><AccessKeyId>" id "</AccessKeyId><SecretAccessKey>s</SecretAccessKey>"        \
    "<SessionToken>t</SessionToken><Expiration>2036-11-21T10:00:00Z</Expiration></Credentials></"  \
    "R>"
#define JSON_OF(id, expiration)                                                                    \
    "{\"AccessKeyId\":\"" id                                                                       \
    "\",\"SecretAccessKey\":\"s\",\"Token\":\"t\",\"Expiration\":\"" expiration "\"}"
#define LATER "2036-11-21T10:00:00Z"

static void ask(struct place *p)
{
    place_wait(p, aws_chain_start(&p->context, place_see, p));
}

static void expect_from(struct place *p, const char *id, const char *source)
{
    ask(p);
    if (p->outcome != AWS_FOUND)
        fail_msg("no credentials: %s", p->why);
    assert_string_equal(p->credentials.access_key_id, id);
    assert_string_equal(p->why, source);
}

static void disable_imds(void)
{
    setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
}

/* Every source is configured at first; each is taken away in turn. */
static void sources_are_asked_in_order(void **state)
{
    struct place *p = *state;
    static const struct fake_step sts_steps[] = {ANSWER(200, ROLE_XML("FROMROLE")),
                                                 ANSWER(200, ROLE_XML("FROMWEB"))};
    static const struct fake_step container_steps[] = {ANSWER(200, JSON_OF("FROMTASK", LATER))};
    static const struct fake_step imds_steps[] = {ANSWER(200, "t"), ANSWER(200, "r"),
                                                  ANSWER(200, JSON_OF("FROMIMDS", LATER))};
    struct fake_http *sts = fake_tcp(p->base, sts_steps, 2);
    struct fake_http *container = fake_tcp(p->base, container_steps, 1);
    struct fake_http *imds = fake_tcp(p->base, imds_steps, 3);
    char *jwt = place_put(p, "jwt", "ey.J.x");
    p->context.sts_endpoint_url = sts->url;
    setenv("AWS_ACCESS_KEY_ID", "FROMENV", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "s", 1);
    setenv("AWS_SESSION_TOKEN", "t", 1);
    place_write(p, ".aws/config",
                "[default]\nrole_arn = arn:r\nsource_profile = base\n[profile base]\n");
    place_write(p, ".aws/credentials",
                "[base]\naws_access_key_id = BASE\naws_secret_access_key = s\n"
                "[default]\naws_access_key_id = FROMFILE\naws_secret_access_key = s\n");
    setenv("AWS_WEB_IDENTITY_TOKEN_FILE", jwt, 1);
    setenv("AWS_ROLE_ARN", "arn:web", 1);
    setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", container->url, 1);
    setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", imds->url, 1);

    expect_from(p, "FROMENV", "the environment");
    unsetenv("AWS_ACCESS_KEY_ID");
    expect_from(p, "FROMROLE", "profile \"default\"");
    place_write(p, ".aws/config", "");
    expect_from(p, "FROMWEB", "web identity");
    assert_non_null(strstr(fake_body(sts, 1), "arn%3Aweb"));
    unsetenv("AWS_WEB_IDENTITY_TOKEN_FILE");
    expect_from(p, "FROMFILE", "profile \"default\"");
    place_write(p, ".aws/credentials", "");
    place_write(p, ".aws/config",
                "[default]\ncredential_process = echo '{\"Version\":1,\"AccessKeyId\":\"FROMTOOL\","
                "\"SecretAccessKey\":\"s\"}'\n");
    expect_from(p, "FROMTOOL", "profile \"default\" (credential_process)");
    place_write(p, ".aws/config",
                "[default]\naws_access_key_id = FROMCONFIG\naws_secret_access_key = s\n");
    expect_from(p, "FROMCONFIG", "profile \"default\"");
    place_write(p, ".aws/config", "");
    expect_from(p, "FROMTASK", "container credentials");
    unsetenv("AWS_CONTAINER_CREDENTIALS_FULL_URI");
    expect_from(p, "FROMIMDS", "instance metadata");
    disable_imds();
    ask(p);
    expect_failure(p, AWS_NOT_HERE,
                   "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, write the profile "
                   "\"default\", or attach a role; tried: environment, shared files, web identity, "
                   "container credentials, instance metadata: AWS_EC2_METADATA_DISABLED is set");
    fake_free(sts);
    fake_free(container);
    fake_free(imds);
    free(jwt);
}

static void the_environment_gives_all_of_it(void **state)
{
    struct place *p = *state;
    setenv("AWS_ACCESS_KEY_ID", "A", 1);
    ask(p);
    expect_failure(p, AWS_BROKEN,
                   "the environment: AWS_ACCESS_KEY_ID is set and "
                   "AWS_SECRET_ACCESS_KEY is not: set both");
    setenv("AWS_SECRET_ACCESS_KEY", "B", 1);
    ask(p);
    expect_found(p, "A", "B", "");
    setenv("AWS_SESSION_TOKEN", "new", 1);
    setenv("AWS_SECURITY_TOKEN", "old", 1);
    setenv("AWS_CREDENTIAL_EXPIRATION", LATER, 1);
    ask(p);
    expect_found(p, "A", "B", "old");
    assert_int_equal(p->credentials.expires_at_ms, 2110874400000);
    setenv("AWS_CREDENTIAL_EXPIRATION", "2020-01-01T00:00:00Z", 1);
    ask(p);
    expect_failure(p, AWS_BROKEN,
                   "the environment: the credentials that came have expired already");
    setenv("AWS_CREDENTIAL_EXPIRATION", "never", 1);
    ask(p);
    expect_failure(p, AWS_BROKEN, "AWS_CREDENTIAL_EXPIRATION is not a time");
}

static void a_configured_profile_goes_before_the_environment(void **state)
{
    struct place *p = *state;
    setenv("AWS_ACCESS_KEY_ID", "FROMENV", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "s", 1);
    place_write(p, ".aws/credentials",
                "[one]\naws_access_key_id = ONE\naws_secret_access_key = s\n"
                "[two]\naws_access_key_id = TWO\naws_secret_access_key = s\n");
    setenv("AWS_PROFILE", "one", 1);
    expect_from(p, "FROMENV", "the environment");
    p->context.profile = "two";
    expect_from(p, "TWO", "profile \"two\"");
    p->context.profile = "";
    unsetenv("AWS_ACCESS_KEY_ID");
    expect_from(p, "ONE", "profile \"one\"");
}

/* As on EKS, where the variables of the pod's identity are there whether they are wanted or not. */
static void a_configured_profile_goes_before_the_web_identity_of_the_environment(void **state)
{
    struct place *p = *state;
    place_write(p, ".aws/credentials",
                "[two]\naws_access_key_id = TWO\naws_secret_access_key = s\n");
    setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "/nowhere/jwt", 1);
    setenv("AWS_ROLE_ARN", "arn:web", 1);
    p->context.profile = "two";
    expect_from(p, "TWO", "profile \"two\"");
    p->context.profile = "";
    setenv("AWS_PROFILE", "two", 1);
    ask(p);
    expect_failure(p, AWS_BROKEN, "web identity: /nowhere/jwt cannot be read");
}

static void what_is_configured_and_broken_ends_it(void **state)
{
    struct place *p = *state;
    static const struct fake_step denied[] = {
        ANSWER(403, "<E><Error><Code>AccessDenied</Code><Message>no</Message></Error></E>")};
    static const struct {
        const char *config, *why;
    } cases[] = {
        {"[default]\nnonsense\n", "/.aws/config: line 2: neither"},
        {"[default]\nrole_arn = arn:r\n", "shared files: profile \"default\": has role_arn"},
        {"[default]\naws_access_key_id = A\n",
         "profile \"default\": the secret access key is missing"},
        {"[default]\ncredential_process = sh -c 'echo sealed >&2; exit 4'\n",
         "profile \"default\" (credential_process): it ended with exit status 4: sealed"},
        {"[default]\nrole_arn = arn:r\ncredential_source = Environment\n",
         "profile \"default\": AWS_ACCESS_KEY_ID is not set"},
        {"[default]\nrole_arn = arn:r\ncredential_source = Ec2InstanceMetadata\n",
         "profile \"default\": instance metadata: AWS_EC2_METADATA_DISABLED is set"},
        {"[default]\nrole_arn = arn:r\nsource_profile = b\n[profile b]\naws_access_key_id = A\n"
         "aws_secret_access_key = s\n",
         "profile \"default\": role arn:r: AccessDenied: no"},
        {"[default]\nrole_arn = arn:r\ncredential_source = EcsContainer\n",
         "profile \"default\": neither AWS_CONTAINER_CREDENTIALS_RELATIVE_URI nor "
         "AWS_CONTAINER_CREDENTIALS_FULL_URI is set"},
        {"[default]\nweb_identity_token_file = /nowhere/jwt\n",
         "web identity: there is a token file and no role: set AWS_ROLE_ARN, or write role_arn in "
         "profile \"default\""},
        {"[default]\nrole_arn = arn:r\nsource_profile = b\n"
         "[profile b]\nweb_identity_token_file = /nowhere/jwt\n",
         "profile \"b\": has web_identity_token_file and no role_arn"},
        {"[default]\nweb_identity_token_file = /nowhere/jwt\nrole_arn = arn:r\n",
         "web identity: /nowhere/jwt cannot be read"},
        {"[default]\ncredential_process = echo '{\"Version\":1,\"AccessKeyId\":\"A\","
         "\"SecretAccessKey\":\"s\",\"Expiration\":\"2020-01-01T00:00:00Z\"}'\n",
         "the credentials that came have expired already"},
    };
    struct fake_http *sts = fake_tcp(p->base, denied, 1);
    p->context.sts_endpoint_url = sts->url;
    disable_imds();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        place_write(p, ".aws/config", cases[i].config);
        ask(p);
        expect_failure(p, AWS_BROKEN, cases[i].why);
    }
    place_write(p, ".aws/config", "");
    setenv("AWS_PROFILE", "gone", 1);
    ask(p);
    expect_failure(p, AWS_BROKEN, "profile \"gone\" is neither in ");
    fake_free(sts);
}

static void roles_are_assumed_one_with_the_other(void **state)
{
    struct place *p = *state;
    static const struct fake_step steps[] = {ANSWER(200, ROLE_XML("FIRST")),
                                             ANSWER(200, ROLE_XML("SECOND"))};
    struct fake_http *sts = fake_tcp(p->base, steps, 2);
    p->context.sts_endpoint_url = sts->url;
    setenv("AWS_ACCESS_KEY_ID", "ENV", 1);
    setenv("AWS_SECRET_ACCESS_KEY", "s", 1);
    p->context.profile = "a";
    place_write(p, ".aws/config",
                "[profile a]\nrole_arn = arn:a\nsource_profile = b\n"
                "[profile b]\nrole_arn = arn:b\ncredential_source = Environment\n");
    expect_from(p, "SECOND", "profile \"a\"");
    assert_non_null(strstr(fake_body(sts, 0), "RoleArn=arn%3Ab"));
    assert_non_null(strstr(fake_body(sts, 1), "RoleArn=arn%3Aa"));
    char *first = fake_header(sts, 0, "authorization");
    char *second = fake_header(sts, 1, "authorization");
    assert_non_null(strstr(first, "Credential=ENV/"));
    assert_non_null(strstr(second, "Credential=FIRST/"));
    free(first);
    free(second);
    fake_free(sts);
}

static void a_cancelled_chain_says_nothing(void **state)
{
    struct place *p = *state;
    static const struct fake_step silence[] = {{0, NULL, NULL, NULL, false}};
    struct fake_http *imds = fake_tcp(p->base, STEPS(silence));
    setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", imds->url, 1);
    struct aws_job *job = aws_chain_start(&p->context, place_see, p);
    aws_job_cancel(job);
    job = aws_chain_start(&p->context, place_see, p);
    while (!imds->request_count)
        event_base_loop(p->base, EVLOOP_ONCE);
    aws_job_cancel(job);
    event_base_loop(p->base, EVLOOP_NONBLOCK);
    assert_int_equal(p->calls, 0);
    fake_free(imds);
}

int main(void)
{
#define AT_PLACE(test) cmocka_unit_test_setup_teardown(test, place_enter, place_leave)
    const struct CMUnitTest tests[] = {
        AT_PLACE(sources_are_asked_in_order),
        AT_PLACE(the_environment_gives_all_of_it),
        AT_PLACE(a_configured_profile_goes_before_the_environment),
        AT_PLACE(a_configured_profile_goes_before_the_web_identity_of_the_environment),
        AT_PLACE(what_is_configured_and_broken_ends_it),
        AT_PLACE(roles_are_assumed_one_with_the_other),
        AT_PLACE(a_cancelled_chain_says_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The sources that are asked over HTTP (STS, container, instance metadata), each against a scripted
 * fake of its endpoint: good, slow, failing, garbage, of the wrong content. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/aws/sigv4.h"
#include "tests/unit/common/fake_http.h"
#include "tests/unit/workers/keyring/sources.h"
#include "workers/keyring/aws_job.h"
#include "workers/keyring/aws_container.h"
#include "workers/keyring/aws_imds.h"
#include "workers/keyring/aws_sts.h"

#define GOOD_JSON                                                                                  \
    "{\"Code\":\"Success\",\"Type\":\"AWS-HMAC\",\"AccessKeyId\":\"ASIA1\",\"SecretAccessKey\":"   \
    "\"s3cr3t\",\"Token\":\"T/+=\",\"Expiration\":\"2036-11-21T10:00:00Z\"}"
#define EXPIRES_MS INT64_C(2110874400000)
#define GOOD_XML                                                                                   \
    "<AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><AssumeRoleResult>"   \
    "<Credentials><AccessKeyId>ASIA2</AccessKeyId><SecretAccessKey>s&amp;c</SecretAccessKey>"      \
    "<SessionToken>T2</SessionToken><Expiration>2036-11-21T10:00:00Z</Expiration></Credentials>"   \
    "</AssumeRoleResult></AssumeRoleResponse>"
#define ANSWER(status, body)                                                                       \
    {                                                                                              \
        status, body, NULL, NULL, false                                                            \
    }

static bool begins(const struct fake_http *s, size_t n, const char *line)
{
    assert_true(n < s->request_count);
    return strncmp(s->requests[n], line, strlen(line)) == 0;
}

static void expect_header(const struct fake_http *s, size_t n, const char *name, const char *value)
{
    char *found = fake_header(s, n, name);
    assert_string_equal(found ? found : "(none)", value ? value : "(none)");
    free(found);
}

/* ---- instance metadata ---- */

static void ask_imds(struct place *p, const struct fake_http *server)
{
    char *endpoint = xasprintf("%s/", server->url);
    setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", endpoint, 1);
    free(endpoint);
    place_wait(p, aws_imds_start(&p->context, place_see, p));
}

static void imds_is_asked_with_a_token(void **state)
{
    struct place *p = *state;
    static const struct fake_step steps[] = {
        ANSWER(200, "the-token"), ANSWER(200, "the-role\nanother\n"), ANSWER(200, GOOD_JSON)};
    struct fake_http *s = fake_tcp(p->base, STEPS(steps));
    ask_imds(p, s);
    expect_found(p, "ASIA1", "s3cr3t", "T/+=");
    assert_int_equal(p->credentials.expires_at_ms, EXPIRES_MS);
    assert_int_equal(s->request_count, 3);
    assert_true(begins(s, 0, "PUT /latest/api/token HTTP"));
    expect_header(s, 0, "x-aws-ec2-metadata-token-ttl-seconds", "21600");
    assert_true(begins(s, 1, "GET /latest/meta-data/iam/security-credentials/ HTTP"));
    expect_header(s, 1, "x-aws-ec2-metadata-token", "the-token");
    assert_true(begins(s, 2, "GET /latest/meta-data/iam/security-credentials/the-role HTTP"));
    expect_header(s, 2, "x-aws-ec2-metadata-token", "the-token");
    fake_free(s);
}

static void imds_failures_are_nothing_here(void **state)
{
    struct place *p = *state;
    static const struct {
        struct fake_step steps[3];
        const char *why;
    } cases[] = {
        {{ANSWER(403, "")}, "status 403"},
        {{ANSWER(404, "")}, "status 404"},
        {{ANSWER(302, "")}, "status 302"},
        {{ANSWER(200, "")}, "its token is empty or no text"},
        {{ANSWER(200, "a b")}, "its token is empty or no text"},
        {{{0, NULL, NULL, NULL, false}}, "no answer in time"},
        {{{0, NULL, NULL, NULL, true}}, "no answer"},
        {{ANSWER(200, "t"), ANSWER(404, "")}, "the instance has no role"},
        {{ANSWER(200, "t"), ANSWER(200, "")}, "the instance has no role"},
        {{ANSWER(200, "t"), ANSWER(401, "")}, "status 401"},
        {{ANSWER(200, "t"), ANSWER(200, "r"), ANSWER(500, "")}, "status 500"},
        {{ANSWER(200, "t"), ANSWER(200, "r"), ANSWER(200, "<html>")}, "not a JSON object"},
        {{ANSWER(200, "t"), ANSWER(200, "r"),
          ANSWER(200, "{\"Code\":\"AssumeRoleUnauthorizedAccess\",\"Message\":\"trust\"}")},
         "role r: AssumeRoleUnauthorizedAccess: trust"},
        {{ANSWER(200, "t"), ANSWER(200, "r"), ANSWER(200, "{\"Code\":\"Success\"}")},
         "the access key id is missing"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fake_http *s = fake_tcp(p->base, cases[i].steps, 3);
        ask_imds(p, s);
        expect_failure(p, AWS_NOT_HERE, cases[i].why);
        assert_non_null(strstr(p->why, s->url));
        for (size_t n = 1; n < s->request_count; n++)
            expect_header(s, n, "x-aws-ec2-metadata-token", "t"); /* never without: no version 1 */
        fake_free(s);
    }
}

static void imds_settings(void **state)
{
    struct place *p = *state;
    static const struct fake_step steps[] = {ANSWER(500, ""),  ANSWER(200, "t"),
                                             ANSWER(500, ""),  ANSWER(200, "t2"),
                                             ANSWER(200, "r"), ANSWER(200, GOOD_JSON)};
    struct fake_http *s = fake_tcp(p->base, STEPS(steps));
    setenv("AWS_METADATA_SERVICE_NUM_ATTEMPTS", "3", 1);
    ask_imds(p, s);
    expect_found(p, "ASIA1", "s3cr3t", "T/+=");
    expect_header(s, 5, "x-aws-ec2-metadata-token", "t2");
    setenv("AWS_EC2_METADATA_DISABLED", "TRUE", 1);
    ask_imds(p, s);
    expect_failure(p, AWS_NOT_HERE, "AWS_EC2_METADATA_DISABLED is set");
    assert_int_equal(s->request_count, 6);
    fake_free(s);
    unsetenv("AWS_EC2_METADATA_DISABLED");
    setenv("AWS_METADATA_SERVICE_NUM_ATTEMPTS", "many", 1);
    static const struct fake_step silence[] = {{0, NULL, NULL, NULL, false}};
    s = fake_tcp(p->base, STEPS(silence));
    setenv("AWS_METADATA_SERVICE_TIMEOUT", "2", 1);
    int64_t start_ms = clock_mono_ms();
    ask_imds(p, s);
    assert_in_range(clock_mono_ms() - start_ms, 1990, 20000);
    assert_int_equal(s->request_count, 1);
    fake_free(s);
    setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", "localhost:80", 1);
    place_wait(p, aws_imds_start(&p->context, place_see, p));
    expect_failure(p, AWS_NOT_HERE, "AWS_EC2_METADATA_SERVICE_ENDPOINT is not an http(s) URL");
}

static void imds_credentials_that_have_expired_are_used_for_a_while(void **state)
{
    struct place *p = *state;
    static const struct fake_step steps[] = {
        ANSWER(200, "t"), ANSWER(200, "r"),
        ANSWER(200, "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"B\",\"Token\":\"C\","
                    "\"Expiration\":\"2020-01-01T00:00:00Z\"}")};
    struct fake_http *s = fake_tcp(p->base, STEPS(steps));
    ask_imds(p, s);
    expect_found(p, "A", "B", "C");
    assert_in_range(p->credentials.expires_at_ms - clock_wall_ms(), AWS_IMDS_EXTENSION_MS - 10000,
                    AWS_IMDS_EXTENSION_MS);
    fake_free(s);
}

/* ---- container ---- */

static void ask_container(struct place *p, const struct fake_http *server)
{
    char *url = xasprintf("%s/creds?x=1", server->url);
    setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", url, 1);
    free(url);
    assert_true(aws_container_is_configured());
    place_wait(p, aws_container_start(&p->context, place_see, p));
}

static void the_container_is_asked_with_the_token_of_now(void **state)
{
    struct place *p = *state;
    static const struct fake_step steps[] = {ANSWER(200, GOOD_JSON)};
    struct fake_http *s = fake_tcp(p->base, STEPS(steps));
    assert_false(aws_container_is_configured());
    ask_container(p, s);
    expect_found(p, "ASIA1", "s3cr3t", "T/+=");
    assert_int_equal(p->credentials.expires_at_ms, EXPIRES_MS);
    assert_true(begins(s, 0, "GET /creds?x=1 HTTP"));
    expect_header(s, 0, "accept", "application/json");
    expect_header(s, 0, "authorization", NULL);
    setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "literal one", 1);
    ask_container(p, s);
    expect_header(s, 1, "authorization", "literal one");
    char *path = place_put(p, "token", "first\n");
    setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", path, 1);
    ask_container(p, s);
    expect_header(s, 2, "authorization", "first");
    place_write(p, "token", "second\r\n");
    ask_container(p, s);
    expect_header(s, 3, "authorization", "second");
    place_write(p, "token", "one\nX-Injected: two");
    ask_container(p, s);
    expect_failure(p, AWS_BROKEN, "/token holds more than one line");
    place_write(p, "token", "");
    ask_container(p, s);
    expect_failure(p, AWS_BROKEN, "/token is empty");
    assert_int_equal(remove(path), 0);
    ask_container(p, s);
    expect_failure(p, AWS_BROKEN, "/token cannot be read: No such file");
    unsetenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE");
    setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "one\r\ntwo", 1);
    ask_container(p, s);
    expect_failure(p, AWS_BROKEN, "AWS_CONTAINER_AUTHORIZATION_TOKEN holds more than one line");
    assert_int_equal(s->request_count, 4);
    fake_free(s);
    free(path);
}

static void container_failures_are_told(void **state)
{
    struct place *p = *state;
    static const struct {
        struct fake_step step;
        const char *why;
    } cases[] = {
        {ANSWER(401, "{\"message\":\"no\"}"), "status 401"},
        {ANSWER(500, ""), "status 500"},
        {ANSWER(200, "nonsense"), "not a JSON object"},
        {ANSWER(200, "{\"AccessKeyId\":\"A\"}"), "the secret access key is missing"},
        {{0, NULL, NULL, NULL, false}, "no answer in time"},
        {{302, "", "Location: http://169.254.169.254/\r\n", NULL, false}, "status 302"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fake_http *s = fake_tcp(p->base, &cases[i].step, 1);
        ask_container(p, s);
        expect_failure(p, AWS_BROKEN, cases[i].why);
        fake_free(s);
    }
    setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "file:///etc/passwd", 1);
    place_wait(p, aws_container_start(&p->context, place_see, p));
    expect_failure(p, AWS_BROKEN, "is not an http(s) URL");
    setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://10.1.2.3/x", 1);
    place_wait(p, aws_container_start(&p->context, place_see, p));
    expect_failure(p, AWS_BROKEN, "over http only this host and AWS's own addresses");
}

static void which_addresses_may_be_asked_over_http(void **state)
{
    (void)state;
    static const struct {
        const char *address;
        bool allowed;
    } cases[] = {
        {"127.0.0.1", true},      {"127.9.9.9", true},        {"169.254.170.2", true},
        {"169.254.170.23", true}, {"169.254.169.254", false}, {"169.254.170.3", false},
        {"10.0.0.1", false},      {"8.8.8.8", false},         {"::1", true},
        {"fd00:ec2::23", true},   {"fd00:ec2::254", false},   {"::ffff:8.8.8.8", false},
        {"2001:db8::1", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sockaddr_storage ss = {0};
        struct sockaddr_in *v4 = (struct sockaddr_in *)&ss;
        struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&ss;
        if (inet_pton(AF_INET, cases[i].address, &v4->sin_addr) == 1) {
            v4->sin_family = AF_INET;
        } else {
            assert_int_equal(inet_pton(AF_INET6, cases[i].address, &v6->sin6_addr), 1);
            v6->sin6_family = AF_INET6;
        }
        char *refusal = aws_container_refuse(NULL, (struct sockaddr *)&ss);
        if ((refusal == NULL) != cases[i].allowed)
            fail_msg("%s", cases[i].address);
        free(refusal);
    }
}

/* ---- STS ---- */

static const struct aws_role full_role = {.arn = "arn:aws:iam::123456789012:role/a b",
                                          .session_name = "me@here",
                                          .external_id = "x&y",
                                          .duration_s = 900};

static void use_sts(struct place *p, const struct fake_http *server)
{
    p->context.sts_endpoint_url = server->url;
}

/* Whether the request carries the signature that these credentials give. */
static void expect_signed(const struct fake_http *s, size_t n, const char *secret, bool with_token)
{
    static const char *const names[] = {"content-type", "host", "x-amz-date",
                                        "x-amz-security-token"};
    struct sigv4_header headers[4];
    struct sigv4_key key = {.access_key_id = "AKID", .region = "eu-central-1", .service = "sts"};
    size_t count = with_token ? 4 : 3;
    char hash[SIGV4_HEX_BYTES], *date = fake_header(s, n, "x-amz-date");
    char *authorization = fake_header(s, n, "authorization");
    for (size_t i = 0; i < count; i++)
        headers[i] = (struct sigv4_header){names[i], fake_header(s, n, names[i])};
    sigv4_sha256_hex(fake_body(s, n), strlen(fake_body(s, n)), hash);
    memcpy(key.date, date, 8);
    sigv4_derive_key(secret, key.date, key.region, key.service, key.key);
    struct sigv4_request r = {"POST", "/", "", headers, count, hash};
    char *expected = sigv4_authorization(&r, &key, date);
    assert_string_equal(authorization, expected);
    for (size_t i = 0; i < count; i++)
        free((char *)(uintptr_t)headers[i].value);
    free(expected);
    free(authorization);
    free(date);
}

static void a_role_is_assumed_with_a_signed_call(void **state)
{
    struct place *p = *state;
    static const struct fake_step steps[] = {ANSWER(200, GOOD_XML)};
    struct fake_http *s = fake_tcp(p->base, STEPS(steps));
    struct aws_credentials with = {"AKID", "secret", "token", 0};
    use_sts(p, s);
    place_wait(p, aws_sts_assume_role(&p->context, &with, &full_role, place_see, p));
    expect_found(p, "ASIA2", "s&c", "T2");
    assert_int_equal(p->credentials.expires_at_ms, EXPIRES_MS);
    assert_true(begins(s, 0, "POST / HTTP"));
    expect_header(s, 0, "content-type", "application/x-www-form-urlencoded; charset=utf-8");
    expect_header(s, 0, "x-amz-security-token", "token");
    assert_string_equal(fake_body(s, 0),
                        "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%"
                        "3A123456789012%3Arole%2Fa%20b&RoleSessionName=me%40here&DurationSeconds="
                        "900&ExternalId=x%26y");
    expect_signed(s, 0, "secret", true);
    with.token = NULL;
    place_wait(p, aws_sts_assume_role(&p->context, &with, &(struct aws_role){.arn = "arn:r"},
                                      place_see, p));
    expect_signed(s, 1, "secret", false);
    assert_non_null(strstr(fake_body(s, 1), "&RoleSessionName=sluice-"));
    assert_null(strstr(fake_body(s, 1), "DurationSeconds"));
    fake_free(s);
}

static void a_web_identity_is_sent_unsigned_and_read_anew(void **state)
{
    struct place *p = *state;
    static const struct fake_step steps[] = {ANSWER(200, GOOD_XML)};
    struct fake_http *s = fake_tcp(p->base, STEPS(steps));
    const struct aws_role role = {.arn = "arn:r", .session_name = "n"};
    char *path = place_put(p, "jwt", "ey.J.x\n");
    use_sts(p, s);
    place_wait(p, aws_sts_web_identity(&p->context, path, &role, place_see, p));
    expect_found(p, "ASIA2", "s&c", "T2");
    expect_header(s, 0, "authorization", NULL);
    assert_string_equal(fake_body(s, 0),
                        "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&"
                        "RoleArn=arn%3Ar&RoleSessionName=n&WebIdentityToken=ey.J.x");
    place_write(p, "jwt", "ey.J.y");
    place_wait(p, aws_sts_web_identity(&p->context, path, &role, place_see, p));
    assert_non_null(strstr(fake_body(s, 1), "WebIdentityToken=ey.J.y"));
    assert_int_equal(remove(path), 0);
    place_wait(p, aws_sts_web_identity(&p->context, path, &role, place_see, p));
    expect_failure(p, AWS_BROKEN, "/jwt cannot be read");
    char *large = xmalloc(20002);
    memset(large, 'x', 20001);
    large[20001] = '\0';
    place_write(p, "jwt", large);
    place_wait(p, aws_sts_web_identity(&p->context, path, &role, place_see, p));
    expect_failure(p, AWS_BROKEN, "/jwt cannot be read: File too large");
    place_wait(p, aws_sts_web_identity(&p->context, p->dir, &role, place_see, p));
    expect_failure(p, AWS_BROKEN, " cannot be read: Invalid argument");
    assert_int_equal(s->request_count, 2);
    fake_free(s);
    free(large);
    free(path);
}

static void sts_failures_are_told(void **state)
{
    struct place *p = *state;
    static const struct {
        struct fake_step step;
        const char *why;
    } cases[] = {
        {ANSWER(403, "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>"
                     "not authorized to perform: sts:AssumeRole</Message></Error></ErrorResponse>"),
         "role arn:r: AccessDenied: not authorized to perform: sts:AssumeRole"},
        {ANSWER(400, "<ErrorResponse><Error><Code>ExpiredTokenException</Code></Error>"
                     "</ErrorResponse>"),
         "role arn:r: ExpiredTokenException"},
        {ANSWER(503, "busy"), "role arn:r: HTTP 503"},
        {ANSWER(200, "<a/>"), "names no time of expiration"},
        {ANSWER(200, "{}"), "names no time of expiration"},
        {ANSWER(200, "<C><Expiration>2036-11-21T10:00:00Z</Expiration></C>"),
         "the access key id is missing"},
        {{0, NULL, NULL, NULL, true}, "no answer"},
    };
    const struct aws_credentials with = {"AKID", "secret", NULL, 0};
    const struct aws_role role = {.arn = "arn:r"};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct fake_http *s = fake_tcp(p->base, &cases[i].step, 1);
        use_sts(p, s);
        place_wait(p, aws_sts_assume_role(&p->context, &with, &role, place_see, p));
        expect_failure(p, AWS_BROKEN, cases[i].why);
        fake_free(s);
    }
    p->context.sts_endpoint_url = "localhost";
    place_wait(p, aws_sts_assume_role(&p->context, &with, &role, place_see, p));
    expect_failure(p, AWS_BROKEN, "the STS endpoint localhost/ is not an http(s) URL");
}

/* ---- a clock that is wrong ---- */

#define HOUR_MS INT64_C(3600000)
#define LIFE_MS INT64_C(900000)

/* The answer of a server whose clock is off ours by so much: what it says of its time, and
 * credentials that it says are good for LIFE_MS. */
struct their_answer {
    char date[64], body[512];
};

static struct fake_step their_answer(struct their_answer *a, int status, int64_t off_ms,
                                     const char *before, const char *after)
{
    char date[CLOCK_TEXT_BYTES], until[CLOCK_TEXT_BYTES];
    clock_http_date(clock_wall_ms() + off_ms, date);
    clock_rfc3339(clock_wall_ms() + off_ms + LIFE_MS, until);
    snprintf(a->date, sizeof(a->date), "Date: %s\r\n", date);
    snprintf(a->body, sizeof(a->body), "%s%s%s", before, until, after);
    return (struct fake_step){status, a->body, a->date, NULL, false};
}

#define THEIR_JSON                                                                                 \
    "{\"AccessKeyId\":\"A\",\"SecretAccessKey\":\"s\",\"Token\":\"t\",\"Expiration\":\"", "\"}"
#define THEIR_XML                                                                                  \
    "<C><AccessKeyId>A</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t"           \
    "</SessionToken><Expiration>",                                                                 \
        "</Expiration></C>"
#define REFUSAL_XML                                                                                \
    "<ErrorResponse><Error><Code>SignatureDoesNotMatch</Code><Message>Signature not yet current "  \
    "(",                                                                                           \
        ")</Message></Error></ErrorResponse>"

/* By our clock they live as long as they do by theirs. */
static void expect_life(const struct place *p)
{
    expect_found(p, "A", "s", "t");
    assert_in_range(p->credentials.expires_at_ms, clock_wall_ms() + LIFE_MS - 60000,
                    clock_wall_ms() + LIFE_MS + 1000); /* a Date has whole seconds */
}

static int64_t signed_off_by_ms(const struct fake_http *s, size_t n)
{
    char *date = fake_header(s, n, "x-amz-date");
    int64_t at_ms;
    assert_int_equal(clock_parse_amz_date(date, &at_ms), 0);
    free(date);
    return at_ms - clock_wall_ms();
}

static void a_role_is_asked_for_again_by_the_clock_of_sts(void **state)
{
    struct place *p = *state;
    const struct aws_credentials with = {"AKID", "secret", NULL, 0};
    for (int64_t off_ms = -HOUR_MS; off_ms <= HOUR_MS; off_ms += 2 * HOUR_MS) {
        struct their_answer refusal, answer;
        p->skew.offset_ms = 0;
        const struct fake_step steps[] = {their_answer(&refusal, 403, off_ms, REFUSAL_XML),
                                          their_answer(&answer, 200, off_ms, THEIR_XML)};
        struct fake_http *s = fake_tcp(p->base, STEPS(steps));
        use_sts(p, s);
        for (size_t requests = 2; requests <= 3; requests++) { /* the next one knows it */
            place_wait(p, aws_sts_assume_role(&p->context, &with, &full_role, place_see, p));
            expect_life(p);
            assert_int_equal(s->request_count, requests);
            expect_signed(s, requests - 1, "secret", false);
            assert_string_equal(fake_body(s, requests - 1), fake_body(s, 0));
            assert_in_range(signed_off_by_ms(s, requests - 1), off_ms - 60000, off_ms + 60000);
        }
        fake_free(s);
    }
}

static void a_refused_signature_is_sent_again_for_its_date_only(void **state)
{
    struct place *p = *state;
    const struct aws_credentials with = {"AKID", "wrong", NULL, 0};
    static const struct {
        int64_t off_ms;
        size_t requests;
    } cases[] = {{0, 1}, {10 * 24 * HOUR_MS, 1}, {2 * HOUR_MS, 2}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct their_answer refusal;
        p->skew.offset_ms = 0;
        const struct fake_step step = their_answer(&refusal, 403, cases[i].off_ms, REFUSAL_XML);
        struct fake_http *s = fake_tcp(p->base, &step, 1);
        use_sts(p, s);
        place_wait(p, aws_sts_assume_role(&p->context, &with, &full_role, place_see, p));
        expect_failure(p, AWS_BROKEN, "SignatureDoesNotMatch");
        assert_int_equal(s->request_count, cases[i].requests);
        fake_free(s);
    }
}

/* The Date may be that of a proxy with a wrong clock: what was not refused was dated well. */
static void a_signed_call_that_is_not_refused_does_not_move_the_clock(void **state)
{
    struct place *p = *state;
    const struct aws_credentials with = {"AKID", "secret", NULL, 0};
    struct their_answer proxy, answer;
    struct fake_step step = their_answer(&answer, 200, 0, THEIR_XML);
    step.headers = their_answer(&proxy, 200, -HOUR_MS, THEIR_XML).headers;
    struct fake_http *s = fake_tcp(p->base, &step, 1);
    use_sts(p, s);
    place_wait(p, aws_sts_assume_role(&p->context, &with, &full_role, place_see, p));
    expect_life(p);
    fake_free(s);
}

static void expirations_go_by_the_clock_of_who_tells_them(void **state)
{
    struct place *p = *state;
    const struct aws_role role = {.arn = "arn:r"};
    char *jwt = place_put(p, "jwt", "ey.J.x");
    for (int64_t off_ms = -HOUR_MS; off_ms <= HOUR_MS; off_ms += 2 * HOUR_MS) {
        struct their_answer answer;
        p->skew.offset_ms = 0;
        const struct fake_step json = their_answer(&answer, 200, off_ms, THEIR_JSON);
        struct fake_http *s = fake_tcp(p->base, &json, 1);
        ask_container(p, s);
        expect_life(p);
        fake_free(s);
        p->skew.offset_ms = 0;
        const struct fake_step steps[] = {ANSWER(200, "t"), ANSWER(200, "r"), json};
        s = fake_tcp(p->base, STEPS(steps));
        ask_imds(p, s);
        expect_life(p);
        fake_free(s);
        p->skew.offset_ms = 0;
        const struct fake_step xml = their_answer(&answer, 200, off_ms, THEIR_XML);
        s = fake_tcp(p->base, &xml, 1);
        use_sts(p, s);
        place_wait(p, aws_sts_web_identity(&p->context, jwt, &role, place_see, p));
        expect_life(p);
        fake_free(s);
    }
    free(jwt);
}

/* ---- all ---- */

static void cancelled_fetches_say_nothing(void **state)
{
    struct place *p = *state;
    static const struct fake_step silence[] = {{0, NULL, NULL, NULL, false}};
    struct fake_http *s = fake_tcp(p->base, STEPS(silence));
    const struct aws_credentials with = {"AKID", "secret", NULL, 0};
    use_sts(p, s);
    setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", s->url, 1);
    setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", s->url, 1);
    struct aws_job *jobs[] = {
        aws_imds_start(&p->context, place_see, p),
        aws_container_start(&p->context, place_see, p),
        aws_sts_assume_role(&p->context, &with, &full_role, place_see, p),
    };
    while (s->request_count < 3)
        event_base_loop(p->base, EVLOOP_ONCE);
    for (size_t i = 0; i < 3; i++)
        aws_job_cancel(jobs[i]);
    event_base_loop(p->base, EVLOOP_NONBLOCK);
    assert_int_equal(p->calls, 0);
    fake_free(s);
}

int main(void)
{
#define AT_PLACE(test) cmocka_unit_test_setup_teardown(test, place_enter, place_leave)
    const struct CMUnitTest tests[] = {
        AT_PLACE(imds_is_asked_with_a_token),
        AT_PLACE(imds_failures_are_nothing_here),
        AT_PLACE(imds_settings),
        AT_PLACE(imds_credentials_that_have_expired_are_used_for_a_while),
        AT_PLACE(the_container_is_asked_with_the_token_of_now),
        AT_PLACE(container_failures_are_told),
        cmocka_unit_test(which_addresses_may_be_asked_over_http),
        AT_PLACE(a_role_is_assumed_with_a_signed_call),
        AT_PLACE(a_web_identity_is_sent_unsigned_and_read_anew),
        AT_PLACE(sts_failures_are_told),
        AT_PLACE(a_role_is_asked_for_again_by_the_clock_of_sts),
        AT_PLACE(a_refused_signature_is_sent_again_for_its_date_only),
        AT_PLACE(a_signed_call_that_is_not_refused_does_not_move_the_clock),
        AT_PLACE(expirations_go_by_the_clock_of_who_tells_them),
        AT_PLACE(cancelled_fetches_say_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

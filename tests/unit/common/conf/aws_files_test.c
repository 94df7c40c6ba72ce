#include "common/conf/aws_files.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/fdio.h"
#include "common/base/xalloc.h"

static char why[256];

static struct aws_files *parsed(const char *config, const char *credentials)
{
    struct aws_files *files = aws_files_new();
    assert_int_equal(
        aws_files_parse(files, AWS_FILE_CONFIG, config, strlen(config), why, sizeof(why)), 0);
    assert_int_equal(aws_files_parse(files, AWS_FILE_CREDENTIALS, credentials, strlen(credentials),
                                     why, sizeof(why)),
                     0);
    return files;
}

static void expect(const char *value, const char *expected)
{
    if (!expected)
        assert_null(value);
    else
        assert_string_equal(value ? value : "(none)", expected);
}

static void profiles_of_both_files(void **state)
{
    (void)state;
    struct aws_files *files = parsed("[default]\n"
                                     "region = eu-central-1\n"
                                     "[profile prod]\n"
                                     "role_arn = arn:aws:iam::123456789012:role/app\n"
                                     "source_profile=base   # a comment\n"
                                     "region = us-east-1\n"
                                     "[profile \"with blank\"]\n"
                                     "region: eu-west-1\n"
                                     "[prod]\n"
                                     "region = not-a-profile\n"
                                     "[sso-session x]\n"
                                     "sso_region = us-west-2\n",
                                     "[base]\n"
                                     "aws_access_key_id = AKIABASE\n"
                                     "aws_secret_access_key = se/cr+et==\n"
                                     "[prod]\n"
                                     "region = from-credentials\n"
                                     "[profile odd]\n"
                                     "region = r\n");
    expect(aws_files_get(files, AWS_FILE_BOTH, "default", "region"), "eu-central-1");
    expect(aws_files_get(files, AWS_FILE_BOTH, "prod", "region"), "from-credentials");
    expect(aws_files_get(files, AWS_FILE_CONFIG, "prod", "region"), "us-east-1");
    expect(aws_files_get(files, AWS_FILE_CREDENTIALS, "default", "region"), NULL);
    expect(aws_files_get(files, AWS_FILE_BOTH, "prod", "source_profile"), "base");
    expect(aws_files_get(files, AWS_FILE_BOTH, "prod", "role_arn"),
           "arn:aws:iam::123456789012:role/app");
    expect(aws_files_get(files, AWS_FILE_BOTH, "with blank", "region"), "eu-west-1");
    expect(aws_files_get(files, AWS_FILE_BOTH, "base", "aws_secret_access_key"), "se/cr+et==");
    expect(aws_files_get(files, AWS_FILE_BOTH, "odd", "region"), NULL);
    expect(aws_files_get(files, AWS_FILE_BOTH, "nobody", "region"), NULL);
    assert_true(aws_files_has_profile(files, AWS_FILE_BOTH, "base"));
    assert_false(aws_files_has_profile(files, AWS_FILE_CONFIG, "base"));
    assert_false(aws_files_has_profile(files, AWS_FILE_BOTH, "x"));
    aws_files_free(files);
}

static void nested_blocks_and_services(void **state)
{
    (void)state;
    struct aws_files *files = parsed("[profile dev]\n"
                                     "s3 =\n"
                                     "  addressing_style = path\n"
                                     "\n"
                                     "  # between them\n"
                                     "  Max_Queue_Size = 7\n"
                                     "services = local\n"
                                     "[services local]\n"
                                     "sqs = \n"
                                     "\tendpoint_url = http://127.0.0.1:9324\n"
                                     "s3 =\n"
                                     "    endpoint_url = http://127.0.0.1:9000\n"
                                     "[profile gone]\n"
                                     "services = nowhere\n",
                                     "");
    expect(aws_files_get(files, AWS_FILE_BOTH, "dev", "s3.addressing_style"), "path");
    expect(aws_files_get(files, AWS_FILE_BOTH, "dev", "s3.max_queue_size"), "7");
    expect(aws_files_get(files, AWS_FILE_BOTH, "dev", "s3"), NULL);
    expect(aws_files_get(files, AWS_FILE_BOTH, "dev", "addressing_style"), NULL);
    expect(aws_files_get_service(files, "dev", "sqs", "endpoint_url"), "http://127.0.0.1:9324");
    expect(aws_files_get_service(files, "dev", "s3", "endpoint_url"), "http://127.0.0.1:9000");
    expect(aws_files_get_service(files, "dev", "sts", "endpoint_url"), NULL);
    expect(aws_files_get_service(files, "gone", "sqs", "endpoint_url"), NULL);
    expect(aws_files_get_service(files, "default", "sqs", "endpoint_url"), NULL);
    aws_files_free(files);
}

static void the_last_of_two_counts(void **state)
{
    (void)state;
    struct aws_files *files = parsed("[default]\nregion = a\nREGION = b\n"
                                     "[profile x]\noutput = json\n"
                                     "[default]\noutput = text\n",
                                     "[default]\nregion =\n");
    expect(aws_files_get(files, AWS_FILE_BOTH, "default", "region"), "b");
    expect(aws_files_get(files, AWS_FILE_BOTH, "default", "output"), "text");
    aws_files_free(files);
}

static void the_default_profile_may_be_written_as_any_other(void **state)
{
    (void)state;
    struct aws_files *files = parsed("[profile  'default']\nregion = a\n"
                                     "[default]\nregion = b\noutput = text\n",
                                     "[default]\naws_access_key_id = A\n");
    expect(aws_files_get(files, AWS_FILE_BOTH, "default", "region"), "a");
    expect(aws_files_get(files, AWS_FILE_BOTH, "default", "output"), NULL);
    expect(aws_files_get(files, AWS_FILE_BOTH, "default", "aws_access_key_id"), "A");
    aws_files_free(files);
}

static void lines_as_people_write_them(void **state)
{
    (void)state;
    struct aws_files *files = parsed("\xef\xbb\xbf; first\r\n"
                                     "  [ default ]  ; the usual\r\n"
                                     "  region = eu-central-1\t# here\r\n"
                                     "  output = js#on;x\r\n"
                                     "  credential_process = /bin/a\r\n"
                                     "     --one  ; and\r\n"
                                     "     --two=2\r\n"
                                     "  empty =\r\n"
                                     "[profile last]\r\n"
                                     "region=no-newline",
                                     "");
    expect(aws_files_get(files, AWS_FILE_BOTH, "default", "region"), "eu-central-1");
    expect(aws_files_get(files, AWS_FILE_BOTH, "default", "output"), "js#on;x");
    expect(aws_files_get(files, AWS_FILE_BOTH, "default", "credential_process"),
           "/bin/a\n--one\n--two=2");
    expect(aws_files_get(files, AWS_FILE_BOTH, "default", "empty"), NULL);
    expect(aws_files_get(files, AWS_FILE_BOTH, "last", "region"), "no-newline");
    aws_files_free(files);
}

static void refuses_what_makes_no_sense(void **state)
{
    (void)state;
    static const struct {
        const char *text, *reason;
    } cases[] = {
        {"region = a\n", "line 1: a setting stands before the first section"},
        {"\n\n[default\n", "line 3: a section's name stands in brackets, alone on its line"},
        {"[default] region\n", "line 1: a section's name stands in brackets, alone on its line"},
        {"[ ]\n", "line 1: the section has no name"},
        {"[default]\nregion\n", "line 2: neither a section, a setting (key = value) nor a comment"},
        {"[default]\n= a\n", "line 2: neither a section, a setting (key = value) nor a comment"},
        {"[default]\ns3 =\n  path\n",
         "line 3: an indented line under an empty value is a setting (key = value)"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct aws_files *files = aws_files_new();
        int rc = aws_files_parse(files, AWS_FILE_CONFIG, cases[i].text, strlen(cases[i].text), why,
                                 sizeof(why));
        assert_int_equal(rc, -1);
        assert_string_equal(why, cases[i].reason);
        aws_files_free(files);
    }
    struct aws_files *files = aws_files_new();
    assert_int_equal(aws_files_parse(files, AWS_FILE_CONFIG, "[a]\0", 4, why, sizeof(why)), -1);
    assert_string_equal(why, "it is not text: it holds a NUL byte");
    aws_files_free(files);
}

/* ---- with files ---- */

struct place {
    char dir[64];
    char *config, *credentials;
};

static void put(const char *path, const char *text)
{
    assert_int_equal(fdio_replace_file(path, text, strlen(text), 0600), 0);
}

static int enter(void **state)
{
    struct place *p = xcalloc(1, sizeof(*p));
    strcpy(p->dir, "/tmp/aws-files-XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    char *aws = xasprintf("%s/.aws", p->dir);
    assert_int_equal(mkdir(aws, 0700), 0);
    p->config = xasprintf("%s/config", aws);
    p->credentials = xasprintf("%s/credentials", aws);
    free(aws);
    setenv("HOME", p->dir, 1);
    static const char *const names[] = {"AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE",
                                        "AWS_PROFILE", "AWS_DEFAULT_PROFILE"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        unsetenv(names[i]);
    *state = p;
    return 0;
}

static int leave(void **state)
{
    struct place *p = *state;
    char *command = xasprintf("rm -rf %s", p->dir);
    assert_int_equal(system(command), 0);
    free(command);
    free(p->config);
    free(p->credentials);
    free(p);
    return 0;
}

static void reads_the_files_of_the_home_directory(void **state)
{
    struct place *p = *state;
    struct aws_files *files = aws_files_new();
    assert_int_equal(aws_files_read(files, AWS_FILE_BOTH, why, sizeof(why)), 0); /* none there */
    put(p->config, "[default]\nregion = r1\n");
    put(p->credentials, "[default]\naws_access_key_id = A\n");
    assert_int_equal(aws_files_read(files, AWS_FILE_CONFIG, why, sizeof(why)), 0);
    expect(aws_files_get(files, AWS_FILE_BOTH, "default", "region"), "r1");
    expect(aws_files_get(files, AWS_FILE_BOTH, "default", "aws_access_key_id"), NULL);
    assert_int_equal(aws_files_read(files, AWS_FILE_CREDENTIALS, why, sizeof(why)), 0);
    expect(aws_files_get(files, AWS_FILE_BOTH, "default", "aws_access_key_id"), "A");
    aws_files_free(files);
}

static void paths_from_the_environment_are_expanded(void **state)
{
    struct place *p = *state;
    setenv("PLACE", ".aws", 1);
    setenv("AWS_CONFIG_FILE", "~/$PLACE/${PLACE}x/$NOT_SET_HERE/${NOT_SET_HERE}/$", 1);
    char *path = aws_files_path(AWS_FILE_CONFIG);
    char *expected = xasprintf("%s/.aws/.awsx/$NOT_SET_HERE/${NOT_SET_HERE}/$", p->dir);
    assert_string_equal(path, expected);
    free(path);
    free(expected);
    setenv("AWS_CONFIG_FILE", "", 1);
    path = aws_files_path(AWS_FILE_CONFIG);
    assert_string_equal(path, p->config);
    free(path);
    unsetenv("HOME");
    path = aws_files_path(AWS_FILE_CREDENTIALS);
    assert_true(path[0] == '/' && strstr(path, "/.aws/credentials"));
    free(path);
}

static int read_config(void)
{
    struct aws_files *files = aws_files_new();
    int rc = aws_files_read(files, AWS_FILE_CONFIG, why, sizeof(why));
    aws_files_free(files);
    return rc;
}

static void what_is_no_regular_file_is_empty(void **state)
{
    struct place *p = *state;
    setenv("AWS_CONFIG_FILE", "/dev/null", 1);
    assert_int_equal(read_config(), 0);
    setenv("AWS_CONFIG_FILE", p->dir, 1);
    assert_int_equal(read_config(), 0);
    char *fifo = xasprintf("%s/fifo", p->dir);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    setenv("AWS_CONFIG_FILE", fifo, 1);
    assert_int_equal(read_config(), 0); /* and did not wait for a writer */
    free(fifo);
}

static void a_file_that_cannot_be_read_is_named(void **state)
{
    struct place *p = *state;
    put(p->config, "[default]\nnonsense\n");
    assert_int_equal(read_config(), -1);
    assert_non_null(strstr(why, "/.aws/config: line 2: neither"));
    char *large = xmalloc(AWS_FILE_MAX_BYTES + 2);
    memset(large, '\n', AWS_FILE_MAX_BYTES + 1);
    large[AWS_FILE_MAX_BYTES] = '\0';
    put(p->config, large);
    assert_int_equal(read_config(), 0);
    large[AWS_FILE_MAX_BYTES] = '\n';
    large[AWS_FILE_MAX_BYTES + 1] = '\0';
    put(p->config, large);
    assert_int_equal(read_config(), -1);
    assert_non_null(strstr(why, "/.aws/config cannot be read: File too large"));
    free(large);
    if (geteuid() == 0) {
        assert_int_equal(seteuid(65534), 0); /* root may read everything */
        setenv("AWS_CONFIG_FILE", "/etc/shadow", 1);
        int rc = read_config();
        assert_int_equal(seteuid(0), 0);
        assert_int_equal(rc, -1);
        assert_string_equal(why, "/etc/shadow cannot be read: Permission denied");
    }
}

static void the_profile_is_named_by_whoever_comes_first(void **state)
{
    (void)state;
    assert_string_equal(aws_files_profile_name(""), "default");
    assert_string_equal(aws_files_profile_name(NULL), "default");
    setenv("AWS_DEFAULT_PROFILE", "older", 1);
    assert_string_equal(aws_files_profile_name(""), "older");
    setenv("AWS_PROFILE", "newer", 1);
    assert_string_equal(aws_files_profile_name(""), "newer");
    assert_string_equal(aws_files_profile_name("written"), "written");
    setenv("AWS_PROFILE", "", 1);
    assert_string_equal(aws_files_profile_name(""), "older");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(profiles_of_both_files),
        cmocka_unit_test(nested_blocks_and_services),
        cmocka_unit_test(the_last_of_two_counts),
        cmocka_unit_test(the_default_profile_may_be_written_as_any_other),
        cmocka_unit_test(lines_as_people_write_them),
        cmocka_unit_test(refuses_what_makes_no_sense),
        cmocka_unit_test_setup_teardown(reads_the_files_of_the_home_directory, enter, leave),
        cmocka_unit_test_setup_teardown(paths_from_the_environment_are_expanded, enter, leave),
        cmocka_unit_test_setup_teardown(what_is_no_regular_file_is_empty, enter, leave),
        cmocka_unit_test_setup_teardown(a_file_that_cannot_be_read_is_named, enter, leave),
        cmocka_unit_test_setup_teardown(the_profile_is_named_by_whoever_comes_first, enter, leave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

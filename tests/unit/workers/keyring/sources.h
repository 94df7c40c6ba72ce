#ifndef TESTS_UNIT_WORKERS_KEYRING_SOURCES_H
#define TESTS_UNIT_WORKERS_KEYRING_SOURCES_H

/* A place to try sources of credentials in: an event loop, an HTTP client, a home directory, and an
 * environment without any variable of AWS. Needs cmocka.h before it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <event2/event.h>

#include "common/aws/clock_skew.h"
#include "common/base/clock.h"
#include "common/base/fdio.h"
#include "common/base/xalloc.h"
#include "common/net/http_client.h"
#include "workers/keyring/aws_source.h"

extern char **environ;

#define STEPS(list) list, sizeof(list) / sizeof((list)[0])

struct place {
    struct event_base *base;
    struct http_client *http;
    struct aws_context context;
    struct clock_skew skew;
    char dir[64];
    char *sts_url; /* own */
    /* What the last fetch brought. */
    int calls;
    enum aws_outcome outcome;
    struct aws_credentials credentials; /* own */
    char why[AWS_WHY_BYTES];
};

static void clear_aws_variables(void)
{
    for (char **e = environ; *e;) {
        if (strncmp(*e, "AWS_", 4) != 0) {
            e++;
            continue;
        }
        char *name = xasprintf("%.*s", (int)strcspn(*e, "="), *e);
        unsetenv(name);
        free(name);
        e = environ;
    }
}

static int place_enter(void **state)
{
    struct place *p = xcalloc(1, sizeof(*p));
    clear_aws_variables();
    strcpy(p->dir, "/tmp/keyring-XXXXXX");
    assert_non_null(mkdtemp(p->dir));
    char *aws = xasprintf("%s/.aws", p->dir);
    assert_int_equal(mkdir(aws, 0700), 0);
    free(aws);
    setenv("HOME", p->dir, 1);
    p->base = event_base_new();
    p->http = http_client_new(p->base, 0);
    p->context = (struct aws_context){.base = p->base,
                                      .http = p->http,
                                      .profile = "",
                                      .region = "eu-central-1",
                                      .sts_endpoint_url = "http://127.0.0.1:1",
                                      .ca_file = "",
                                      .skew = &p->skew,
                                      .pace_ms = 1000};
    *state = p;
    return 0;
}

static int place_leave(void **state)
{
    struct place *p = *state;
    char *command = xasprintf("rm -rf %s", p->dir);
    assert_int_equal(system(command), 0);
    free(command);
    aws_credentials_wipe(&p->credentials);
    http_client_free(p->http);
    event_base_free(p->base);
    free(p->sts_url);
    free(p);
    clear_aws_variables();
    return 0;
}

/* Writes a file below the home directory and returns its path (malloc). */
static __attribute__((unused)) char *place_put(const struct place *p, const char *name,
                                               const char *text)
{
    char *path = xasprintf("%s/%s", p->dir, name);
    assert_int_equal(fdio_replace_file(path, text, strlen(text), 0600), 0);
    return path;
}

static __attribute__((unused)) void place_write(const struct place *p, const char *name,
                                                const char *text)
{
    free(place_put(p, name, text));
}

static __attribute__((unused)) void place_see(void *arg, struct aws_result *result)
{
    struct place *p = arg;
    p->calls++;
    p->outcome = result->outcome;
    aws_credentials_wipe(&p->credentials);
    if (result->outcome == AWS_FOUND)
        p->credentials = aws_credentials_copy(&result->credentials);
    snprintf(p->why, sizeof(p->why), "%s", result->why);
}

/* Waits for a fetch that was just started with place_see. */
static __attribute__((unused)) void place_wait(struct place *p, struct aws_job *job)
{
    int before = p->calls;
    int64_t deadline_ms = clock_mono_ms() + 30000;
    assert_non_null(job);
    while (p->calls == before) {
        assert_true(clock_mono_ms() < deadline_ms);
        event_base_loop(p->base, EVLOOP_ONCE);
    }
    assert_int_equal(p->calls, before + 1);
}

static __attribute__((unused)) void expect_found(const struct place *p, const char *id,
                                                 const char *secret, const char *token)
{
    if (p->outcome != AWS_FOUND)
        fail_msg("no credentials: %s", p->why);
    assert_string_equal(p->credentials.access_key_id, id);
    assert_string_equal(p->credentials.secret, secret);
    assert_string_equal(p->credentials.token ? p->credentials.token : "", token);
}

static __attribute__((unused)) void expect_failure(const struct place *p, enum aws_outcome outcome,
                                                   const char *part)
{
    assert_int_equal(p->outcome, outcome);
    if (!strstr(p->why, part))
        fail_msg("\"%s\" does not say \"%s\"", p->why, part);
}

#endif

/* What is published when, and how often the sources are asked. */
#include "workers/keyring/aws_identity.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/aws/material.h"
#include "common/base/log.h"
#include "tests/unit/common/fake_http.h"
#include "tests/unit/workers/keyring/sources.h"

#define SENT_MAX 128
#define PACE_MS 20
#define HOUR_MS 3600000
#define SHORT_MS 1500 /* a life to wait for; long enough for a busy machine to fetch in it */
#define RUNS_MAX 24

struct ring {
    struct place *place;
    struct aws_identity *identity;
    struct material *material; /* as a worker has it */
    json_t *sent[SENT_MAX];
    int count;
    struct fake_http *task; /* own: a container's credentials, or NULL */
    struct fake_step answers[RUNS_MAX];
};

static void on_send(void *arg, json_t *msg)
{
    struct ring *r = arg;
    assert_true(r->count < SENT_MAX);
    assert_int_equal(material_put(r->material, msg), 0);
    r->sent[r->count++] = msg;
}

static int enter(void **state)
{
    struct ring *r = xcalloc(1, sizeof(*r));
    void *place;
    place_enter(&place);
    r->place = place;
    r->place->context.pace_ms = PACE_MS;
    r->material = material_new();
    r->identity = aws_identity_new(&r->place->context, on_send, r);
    setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
    log_setup(LOG_LEVEL_ERROR, false);
    *state = r;
    return 0;
}

static int leave(void **state)
{
    struct ring *r = *state;
    void *place = r->place;
    aws_identity_free(r->identity);
    aws_identity_free(NULL);
    for (int i = 0; i < r->count; i++)
        json_decref(r->sent[i]);
    material_free(r->material);
    if (r->task)
        fake_free(r->task);
    for (int i = 0; i < RUNS_MAX; i++)
        free((char *)(uintptr_t)r->answers[i].body);
    place_leave(&place);
    free(r);
    return 0;
}

static void wait_for(struct ring *r, int count)
{
    int64_t deadline_ms = clock_mono_ms() + 30000;
    while (r->count < count) {
        assert_true(clock_mono_ms() < deadline_ms);
        event_base_loop(r->place->base, EVLOOP_ONCE);
    }
    assert_int_equal(r->count, count);
}

static void wait_ms(struct ring *r, int64_t ms)
{
    int64_t end_ms = clock_mono_ms() + ms;
    for (int64_t left_ms; (left_ms = end_ms - clock_mono_ms()) > 0;) {
        const struct timeval tv = {.tv_usec = left_ms * 1000 % 1000000, .tv_sec = left_ms / 1000};
        event_base_loopexit(r->place->base, &tv);
        event_base_dispatch(r->place->base);
    }
}

static const struct sigv4_key *key_of(struct ring *r, const char *service, int day)
{
    char date[CLOCK_TEXT_BYTES];
    clock_amz_date(clock_wall_ms() + day * INT64_C(86400000), date);
    date[8] = '\0';
    return material_signing_key(r->material, "aws", "eu-central-1", service, date);
}

static json_int_t counter(struct ring *r, const char *name)
{
    json_t *counters = json_object(), *gauges = json_object(), *waiting = json_array();
    aws_identity_beat(r->identity, counters, gauges, waiting);
    const json_t *value = json_object_get(counters, name);
    if (!value)
        value = json_object_get(gauges, name);
    assert_true(value || strcmp(name, "waiting") == 0);
    json_int_t n =
        strcmp(name, "waiting") ? json_integer_value(value) : (json_int_t)json_array_size(waiting);
    json_decref(counters);
    json_decref(gauges);
    json_decref(waiting);
    return n;
}

static void use_keys(struct ring *r, const char *id)
{
    char text[200];
    snprintf(text, sizeof(text), "[default]\naws_access_key_id = %s\naws_secret_access_key = s\n",
             id);
    place_write(r->place, ".aws/credentials", text);
}

/* A server that gives RUN1, RUN2, ...: the first lives so long, the others for an hour. */
static void use_task(struct ring *r, int64_t life_ms)
{
    for (int i = 0; i < RUNS_MAX; i++) {
        char until[CLOCK_TEXT_BYTES];
        clock_rfc3339(clock_wall_ms() + (i == 0 ? life_ms : HOUR_MS), until);
        r->answers[i].status = 200;
        r->answers[i].body = xasprintf("{\"AccessKeyId\":\"RUN%d\",\"SecretAccessKey\":\"s\","
                                       "\"Token\":\"t%d\",\"Expiration\":\"%s\"}",
                                       i + 1, i + 1, until);
    }
    r->task = fake_tcp(r->place->base, r->answers, RUNS_MAX);
    setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", r->task->url, 1);
}

static int runs(const struct ring *r)
{
    return (int)r->task->request_count;
}

static void nothing_is_fetched_before_it_is_asked_for(void **state)
{
    struct ring *r = *state;
    use_task(r, HOUR_MS);
    wait_ms(r, 50);
    assert_int_equal(runs(r), 0);
    assert_int_equal(r->count, 0);
    assert_string_equal(aws_identity_trouble(r->identity), "");
}

static void each_scope_gets_a_key_for_today_and_the_days_around_it(void **state)
{
    struct ring *r = *state;
    use_task(r, HOUR_MS);
    aws_identity_need(r->identity, "eu-central-1", "sqs");
    aws_identity_need(r->identity, "eu-central-1", "sqs");
    aws_identity_need(r->identity, "eu-central-1", "s3");
    wait_for(r, 6);
    assert_string_equal(key_of(r, "sqs", 0)->access_key_id, "RUN1");
    assert_string_equal(key_of(r, "sqs", 0)->session_token, "t1");
    assert_string_equal(key_of(r, "s3", 1)->access_key_id, "RUN1");
    assert_int_equal(key_of(r, "sqs", 0)->version, key_of(r, "s3", 1)->version);
    assert_in_range(key_of(r, "sqs", 0)->version, clock_wall_ms() - 60000, clock_wall_ms());
    assert_string_equal(key_of(r, "sqs", -1)->access_key_id, "RUN1"); /* our clock is ahead */
    assert_null(key_of(r, "sqs", 2));
    aws_identity_need(r->identity, "eu-central-1", "dynamodb");
    assert_int_equal(r->count, 9);
    assert_int_equal(runs(r), 1);
    assert_in_range(counter(r, "aws_expires_in_seconds"), 3500, 3600);
    aws_identity_on_tick(r->identity); /* the same day */
    assert_int_equal(r->count, 9);
    aws_identity_need(r->identity, "eu-central-1\r\nx", "sqs");
    aws_identity_need(r->identity, "", "sqs");
    aws_identity_need(r->identity, "eu-central-1", "");
    assert_int_equal(r->count, 9);
}

static void trouble_is_told_until_there_are_credentials(void **state)
{
    struct ring *r = *state;
    aws_identity_need(r->identity, "eu-central-1", "sqs");
    wait_for(r, 1);
    const char *trouble = material_trouble(r->material, "aws");
    assert_int_equal(strncmp(trouble, "no AWS credentials: set AWS_ACCESS_KEY_ID ", 42), 0);
    assert_string_equal(aws_identity_trouble(r->identity), trouble);
    assert_int_equal(counter(r, "waiting"), 1);
    use_keys(r, "LATE");
    wait_for(r, 5);
    assert_string_equal(key_of(r, "sqs", 0)->access_key_id, "LATE");
    assert_string_equal(material_trouble(r->material, "aws"), "");
    assert_string_equal(aws_identity_trouble(r->identity), "");
    assert_int_equal(counter(r, "waiting"), 0);
    assert_int_equal(counter(r, "aws_expires_in_seconds"), -1);
    assert_true(counter(r, "aws_refresh_failures") >= 1);
}

static void they_are_renewed_before_they_expire(void **state)
{
    struct ring *r = *state;
    use_task(r, SHORT_MS);
    aws_identity_need(r->identity, "eu-central-1", "sqs");
    wait_for(r, 3);
    int64_t first = key_of(r, "sqs", 0)->version;
    wait_for(r, 6);
    assert_string_equal(key_of(r, "sqs", 0)->access_key_id, "RUN2");
    assert_true(key_of(r, "sqs", 0)->version > first);
    assert_int_equal(runs(r), 2);
    assert_int_equal(counter(r, "aws_refreshes"), 2);
}

static void old_ones_are_kept_while_they_last(void **state)
{
    struct ring *r = *state;
    static const struct fake_step sealed = {503, "", NULL, NULL, false};
    use_task(r, SHORT_MS);
    aws_identity_need(r->identity, "eu-central-1", "sqs");
    wait_for(r, 3);
    r->task->steps = &sealed;
    r->task->step_count = 1;
    while (counter(r, "aws_refresh_failures") == 0)
        event_base_loop(r->place->base, EVLOOP_ONCE);
    assert_int_equal(r->count, 3);
    assert_string_equal(aws_identity_trouble(r->identity), "");
    assert_int_equal(counter(r, "waiting"), 1);
    wait_for(r, 4); /* they have expired meanwhile */
    assert_int_equal(counter(r, "aws_expires_in_seconds"), 0);
    assert_non_null(strstr(material_trouble(r->material, "aws"), "container credentials: http"));
    assert_non_null(strstr(material_trouble(r->material, "aws"), ": status 503"));
    assert_string_equal(key_of(r, "sqs", 0)->access_key_id, "RUN1");
    r->task->steps = r->answers;
    r->task->step_count = RUNS_MAX;
    wait_for(r, 8);
    assert_string_equal(material_trouble(r->material, "aws"), "");
    assert_in_range(runs(r), 3, 12); /* with growing waits */
}

static void refused_ones_are_fetched_again_once_for_all(void **state)
{
    struct ring *r = *state;
    use_task(r, HOUR_MS);
    aws_identity_need(r->identity, "eu-central-1", "sqs");
    aws_identity_need(r->identity, "eu-central-1", "s3");
    wait_for(r, 6);
    int64_t version = key_of(r, "sqs", 0)->version;
    wait_ms(r, 2 * PACE_MS); /* a forced renewal right after a fetch waits */
    for (int i = 0; i < 5; i++)
        aws_identity_stale(r->identity, "eu-central-1", i & 1 ? "sqs" : "s3", version);
    wait_for(r, 12);
    assert_int_equal(runs(r), 2);
    assert_true(key_of(r, "sqs", 0)->version > version);
    /* A report of the old version gets the new key, and causes no renewal. */
    aws_identity_stale(r->identity, "eu-central-1", "sqs", version);
    assert_int_equal(r->count, 15);
    wait_ms(r, 2 * PACE_MS);
    assert_int_equal(runs(r), 2);
}

/* As in a region that takes no tokens of the global endpoint. */
static void new_ones_that_are_refused_too_are_fetched_with_growing_waits(void **state)
{
    struct ring *r = *state;
    int64_t deadline_ms = clock_mono_ms() + 30000;
    use_task(r, HOUR_MS);
    aws_identity_need(r->identity, "eu-central-1", "sqs");
    wait_for(r, 3);
    while (runs(r) < 7) {
        assert_true(clock_mono_ms() < deadline_ms);
        wait_ms(r, PACE_MS / 4);
        aws_identity_stale(r->identity, "eu-central-1", "sqs", key_of(r, "sqs", 0)->version);
    }
    /* At least half of 1, 1, 2, 4, 8 and 16 paces. */
    assert_true(r->task->at_ms[6] - r->task->at_ms[0] >= 15 * PACE_MS);
}

/* As while nobody corrects a file, and workers report it each second. */
static void the_same_ones_that_are_refused_are_fetched_with_growing_waits(void **state)
{
    struct ring *r = *state;
    int64_t start_ms = clock_mono_ms(), deadline_ms = start_ms + 30000;
    use_keys(r, "SAME");
    aws_identity_need(r->identity, "eu-central-1", "sqs");
    wait_for(r, 3);
    while (counter(r, "aws_refreshes") < 7) {
        assert_true(clock_mono_ms() < deadline_ms);
        wait_ms(r, PACE_MS / 4);
        aws_identity_stale(r->identity, "eu-central-1", "sqs", key_of(r, "sqs", 0)->version);
    }
    /* At least half of 1, 1, 2, 4, 8 and 16 paces. */
    assert_true(clock_mono_ms() - start_ms >= 15 * PACE_MS);
    assert_int_equal(r->count, 3);
}

static void rotated_keys_of_a_file_are_read_when_the_old_are_refused(void **state)
{
    struct ring *r = *state;
    use_keys(r, "OLD");
    aws_identity_need(r->identity, "eu-central-1", "sqs");
    wait_for(r, 3);
    int64_t version = key_of(r, "sqs", 0)->version;
    wait_ms(r, 2 * PACE_MS);
    int64_t before_ms = clock_mono_ms();
    aws_identity_stale(r->identity, "eu-central-1", "sqs", version);
    while (counter(r, "aws_refreshes") < 2)
        event_base_loop(r->place->base, EVLOOP_ONCE);
    assert_int_equal(r->count, 3);                                   /* unchanged: nothing new */
    aws_identity_stale(r->identity, "eu-central-1", "sqs", version); /* at once again: waits */
    event_base_loop(r->place->base, EVLOOP_NONBLOCK);
    if (clock_mono_ms() - before_ms < PACE_MS / 2)
        assert_int_equal(counter(r, "aws_refreshes"), 2);
    use_keys(r, "NEW");
    while (r->count < 6) {
        wait_ms(r, PACE_MS / 4);
        aws_identity_stale(r->identity, "eu-central-1", "sqs", version);
    }
    assert_string_equal(key_of(r, "sqs", 0)->access_key_id, "NEW");
    assert_true(key_of(r, "sqs", 0)->version > version);
}

static void too_many_scopes_are_refused(void **state)
{
    struct ring *r = *state;
    use_keys(r, "A");
    aws_identity_need(r->identity, "r0", "sqs");
    wait_for(r, 3);
    for (int i = 1; i < AWS_SCOPES_MAX - 2; i++) {
        char region[16];
        snprintf(region, sizeof(region), "r%d", i);
        aws_identity_need(r->identity, region, "sqs");
    }
    assert_int_equal(r->count, 3 * (AWS_SCOPES_MAX - 2));
    aws_identity_need(r->identity, "more", "sqs");
    aws_identity_need(r->identity, "and-more", "sqs");
    assert_int_equal(r->count, 3 * AWS_SCOPES_MAX);
    aws_identity_need(r->identity, "too-many", "sqs");
    assert_int_equal(r->count, 3 * AWS_SCOPES_MAX);
}

int main(void)
{
#define WITH_RING(test) cmocka_unit_test_setup_teardown(test, enter, leave)
    const struct CMUnitTest tests[] = {
        WITH_RING(nothing_is_fetched_before_it_is_asked_for),
        WITH_RING(each_scope_gets_a_key_for_today_and_the_days_around_it),
        WITH_RING(trouble_is_told_until_there_are_credentials),
        WITH_RING(they_are_renewed_before_they_expire),
        WITH_RING(old_ones_are_kept_while_they_last),
        WITH_RING(refused_ones_are_fetched_again_once_for_all),
        WITH_RING(new_ones_that_are_refused_too_are_fetched_with_growing_waits),
        WITH_RING(the_same_ones_that_are_refused_are_fetched_with_growing_waits),
        WITH_RING(rotated_keys_of_a_file_are_read_when_the_old_are_refused),
        WITH_RING(too_many_scopes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <event2/event.h>

#include "common/base/clock.h"
#include "workers/retry/walk.h"

#define KEYS_MAX 300
#define PAGE 7

/* A bucket of keys "000".."299" and jobs that end in a later turn, the newest first. */
struct world {
    struct event_base *base;
    struct walk *walk;
    bool present[KEYS_MAX];
    int seen[KEYS_MAX]; /* how often a job was started for it */
    bool counts[KEYS_MAX];
    bool wanted[KEYS_MAX];
    bool untried[KEYS_MAX], is_over; /* over: nothing may be started any more */
    int running[64];
    size_t running_count, most_running;
    char *list_after; /* a listing is under way */
    int listings, fail_listing;
    int limit_of_starts; /* then walk_stop */
    bool done;
    char next[16];
    bool at_end;
    char error[64];
    size_t looked_at;
};

static void list(void *arg, const char *after)
{
    struct world *w = arg;
    assert_null(w->list_after);
    w->list_after = strdup(after);
    w->listings++;
}

static bool start(void *arg, const char *key)
{
    struct world *w = arg;
    int i = atoi(key);
    w->seen[i]++;
    assert_false(w->is_over);
    if (!w->wanted[i])
        return false;
    w->running[w->running_count++] = i;
    if (w->running_count > w->most_running)
        w->most_running = w->running_count;
    if (w->limit_of_starts && --w->limit_of_starts == 0)
        walk_stop(w->walk);
    return true;
}

static void done(void *arg, const struct walk_end *end)
{
    struct world *w = arg;
    assert_false(w->done);
    assert_int_equal(w->running_count, 0);
    w->done = true;
    w->at_end = !end->next;
    snprintf(w->next, sizeof(w->next), "%s", end->next ? end->next : "");
    snprintf(w->error, sizeof(w->error), "%s", end->error);
    w->looked_at = end->looked_at;
}

static void give_page(struct world *w)
{
    char texts[PAGE][16];
    char *keys[PAGE];
    size_t count = 0;
    int i = *w->list_after ? atoi(w->list_after) + 1 : 0;
    for (; i < KEYS_MAX && count < PAGE; i++) {
        if (!w->present[i])
            continue;
        snprintf(texts[count], sizeof(texts[count]), "%03d", i);
        keys[count] = texts[count];
        count++;
    }
    bool more = false;
    for (; i < KEYS_MAX; i++)
        more = more || w->present[i];
    free(w->list_after);
    w->list_after = NULL;
    bool fail = w->fail_listing && w->fail_listing == w->listings;
    walk_page(w->walk, keys, fail ? 0 : count, more, fail ? "no answer" : "");
}

static void run(struct world *w, const struct walk_options *more)
{
    struct walk_options o = *more;
    o.list = list;
    o.start = start;
    o.done = done;
    o.arg = w;
    w->base = event_base_new();
    w->walk = walk_new(w->base, &o);
    assert_false(w->done);
    while (!w->done) {
        event_base_loop(w->base, EVLOOP_NONBLOCK);
        if (w->list_after) {
            give_page(w);
        } else if (w->running_count > 0) {
            int i = w->running[--w->running_count];
            char key[16];
            snprintf(key, sizeof(key), "%03d", i);
            w->is_over = w->is_over || w->untried[i];
            if (w->untried[i])
                walk_job_untried(w->walk, key);
            else
                walk_job_done(w->walk, w->counts[i]);
        }
    }
    walk_free(w->walk);
    event_base_free(w->base);
}

static struct world *new_world(void)
{
    struct world *w = calloc(1, sizeof(*w));
    for (int i = 0; i < KEYS_MAX; i++)
        w->present[i] = w->counts[i] = w->wanted[i] = true;
    return w;
}

static struct walk_options usual(const char *after, size_t limit)
{
    return (struct walk_options){.after = after,
                                 .beyond = "",
                                 .limit = limit,
                                 .max_keys = 1000,
                                 .window = 8,
                                 .start_until_mono_ms = INT64_MAX};
}

static void sweeps_while_others_delete(void **state)
{
    (void)state;
    struct world *w = new_world();
    char after[16] = "";
    int rounds = 0;
    srand(7);
    do {
        struct walk_options o = usual(after, 100);
        w->done = false;
        run(w, &o);
        snprintf(after, sizeof(after), "%s", w->next);
        for (int n = 0; n < 20; n++)
            w->present[rand() % KEYS_MAX] = false;
        assert_true(++rounds < 20);
    } while (!w->at_end);
    for (int i = 0; i < KEYS_MAX; i++) {
        assert_true(w->seen[i] <= 1);
        assert_true(w->seen[i] == 1 || !w->present[i]);
    }
    assert_int_equal(w->most_running, 8);
    free(w);
}

static void limits_what_counts(void **state)
{
    (void)state;
    for (size_t limit = 1; limit <= 30; limit++) {
        struct world *w = new_world();
        for (int i = 0; i < KEYS_MAX; i++)
            w->counts[i] = i % 3 == 0;
        struct walk_options o = usual("", limit);
        run(w, &o);
        size_t counted = 0;
        int last = -1;
        for (int i = 0; i < KEYS_MAX; i++) {
            counted += w->seen[i] && w->counts[i];
            last = w->seen[i] ? i : last;
        }
        assert_int_equal(counted, limit);
        assert_int_equal(atoi(w->next), last);
        for (int i = 0; i <= last; i++)
            assert_int_equal(w->seen[i], 1);
        free(w);
    }
}

static void says_when_it_was_all(void **state)
{
    (void)state;
    struct world *w = new_world();
    for (int i = PAGE; i < KEYS_MAX; i++)
        w->present[i] = false;
    struct walk_options o = usual("", PAGE);
    run(w, &o);
    assert_true(w->at_end);
    assert_int_equal(w->looked_at, PAGE);
    w->done = false;
    o = usual("", PAGE - 1);
    run(w, &o);
    assert_false(w->at_end);
    assert_string_equal(w->next, "005");
    w->done = false;
    o = usual("006", 5);
    run(w, &o);
    assert_true(w->at_end);
    assert_int_equal(w->looked_at, 0);
    free(w);
}

static void ends_before_a_key(void **state)
{
    (void)state;
    struct world *w = new_world();
    struct walk_options o = usual("", 100);
    o.beyond = "0105";
    run(w, &o);
    assert_true(w->at_end);
    assert_int_equal(w->looked_at, 11); /* "010" sorts before "0105" */
    assert_int_equal(w->seen[11], 0);
    free(w);
}

static void ends_by_time_number_and_order(void **state)
{
    (void)state;
    struct world *w = new_world();
    struct walk_options o = usual("", 100);
    o.max_keys = 10;
    run(w, &o);
    assert_string_equal(w->next, "009");
    assert_false(w->at_end);
    w->done = false;
    o = usual("041", 100);
    o.start_until_mono_ms = clock_mono_ms();
    run(w, &o);
    assert_string_equal(w->next, "041");
    assert_int_equal(w->looked_at, 0);
    w->done = false;
    o = usual("041", 100);
    w->limit_of_starts = 3;
    run(w, &o);
    assert_string_equal(w->next, "044");
    assert_int_equal(w->looked_at, 3);
    free(w);
}

static void a_listing_that_fails(void **state)
{
    (void)state;
    struct world *w = new_world();
    struct walk_options o = usual("", 100);
    w->fail_listing = 2;
    run(w, &o);
    assert_string_equal(w->error, "no answer");
    assert_string_equal(w->next, "006");
    assert_int_equal(w->looked_at, PAGE);
    free(w);
}

/* The next walk begins with the first job that did nothing, wherever that is. */
static void what_was_not_tried_comes_next(void **state)
{
    (void)state;
    static const struct {
        int untried[2];
        const char *next;
    } cases[] = {{{5, 5}, "004"}, {{6, 3}, "002"}, {{0, 7}, ""}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct world *w = new_world();
        w->untried[cases[i].untried[0]] = w->untried[cases[i].untried[1]] = true;
        struct walk_options o = usual("", 100);
        run(w, &o);
        assert_false(w->at_end);
        assert_string_equal(w->next, cases[i].next);
        free(w);
    }
}

static void given_keys(void **state)
{
    (void)state;
    struct world *w = new_world();
    char *keys[] = {"003", "050", "051", "299"};
    struct walk_options o = usual("", 100);
    o.keys = keys;
    o.key_count = 4;
    run(w, &o);
    assert_true(w->at_end);
    assert_int_equal(w->listings, 0);
    assert_int_equal(w->looked_at, 4);
    w->done = false;
    o.after = "050";
    o.limit = 1;
    run(w, &o);
    assert_string_equal(w->next, "051");
    assert_int_equal(w->seen[51], 2);
    free(w);
}

static void nothing_is_wanted(void **state)
{
    (void)state;
    struct world *w = new_world();
    memset(w->wanted, 0, sizeof(w->wanted));
    struct walk_options o = usual("", 1);
    run(w, &o);
    assert_true(w->at_end);
    assert_int_equal(w->looked_at, KEYS_MAX);
    free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sweeps_while_others_delete),
        cmocka_unit_test(limits_what_counts),
        cmocka_unit_test(says_when_it_was_all),
        cmocka_unit_test(ends_before_a_key),
        cmocka_unit_test(ends_by_time_number_and_order),
        cmocka_unit_test(a_listing_that_fails),
        cmocka_unit_test(what_was_not_tried_comes_next),
        cmocka_unit_test(given_keys),
        cmocka_unit_test(nothing_is_wanted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

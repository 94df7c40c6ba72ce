#ifndef WORKERS_RETRY_WALK_H
#define WORKERS_RETRY_WALK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A walk over the keys of dead letters in their order, some jobs at once. What the jobs are, and
 * where the keys come from, is the caller's.
 *
 * Jobs are started in the order of the keys, and each that was started is waited for: so what was
 * looked at is always a run of keys without gaps, and its last key is where the next walk goes on,
 * whatever was deleted or added meanwhile. A job may turn out not to count (its event was not
 * wanted); never more than `limit` count. */
struct walk;
struct event_base;

struct walk_end {      /* borrowed for the callback */
    const char *next;  /* the key behind which there is more, "": the first; NULL: the end */
    const char *error; /* why a page of keys could not be had; "" */
    size_t looked_at;
};

struct walk_options {
    const char *after;  /* copied; start behind this key, "" = the beginning */
    const char *beyond; /* copied; the walk ends before the first key that is not less; "" = none */
    size_t limit;       /* of jobs that count */
    size_t max_keys;    /* to look at */
    int window;         /* jobs at once */
    int64_t start_until_mono_ms; /* no job is started after it */
    /* These keys (borrowed for walk_new; sorted) and no others; NULL: those that `list` gives. */
    char *const *keys;
    size_t key_count;
    /* Gets the page of keys behind this one and then calls walk_page; never from inside. */
    void (*list)(void *arg, const char *after);
    /* Starts a job, which calls walk_job_done once, never from inside. False: this key needs
     * none (it is looked at, and does not count). */
    bool (*start)(void *arg, const char *key);
    /* Once, never from inside walk_new. The walk may be freed in it. */
    void (*done)(void *arg, const struct walk_end *end);
    void *arg;
};

struct walk *walk_new(struct event_base *base, const struct walk_options *options);
/* The caller has ended jobs and listing; done is not called. */
void walk_free(struct walk *w);

/* The answer to `list`. Keys are copied. error is not "" where there is none. */
void walk_page(struct walk *w, char *const *keys, size_t count, bool truncated, const char *error);
/* May call done, in which the walk may be freed. */
void walk_job_done(struct walk *w, bool counts);
/* The job of this key did nothing: the walk starts no more, and the next one begins with this key
 * (or the first of several such; what was behind it may be met again). */
void walk_job_untried(struct walk *w, const char *key);
/* Starts nothing more; done follows when the jobs under way are. */
void walk_stop(struct walk *w);

#endif

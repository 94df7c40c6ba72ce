#ifndef WORKERS_RETRY_PARAMS_H
#define WORKERS_RETRY_PARAMS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a caller of the retry API may say, from a JSON body or a query string. Pure. */
#define PARAMS_LIMIT_MAX 100
#define PARAMS_LIMIT_DEFAULT 20
#define PARAMS_WHY_BYTES 160

struct params {
    int limit;                  /* 1..PARAMS_LIMIT_MAX */
    char *after;                /* own: the key that next_token names, "" for the beginning */
    char *source, *error_class; /* own; NULL: any */
    int64_t from_ms, to_ms;     /* of failed_at, both ends included */
    char **keys;                /* own: sorted and distinct; NULL: all keys */
    size_t key_count;
    char *event_id; /* own or NULL */
    bool dry_run, force;
};

enum params_form { /* which members are allowed: an unknown one is refused, a typing error in
                      "dry_run" must not redrive anything */
                   PARAMS_LIST,    /* limit, next_token, source, error_class, from, to */
                   PARAMS_REDRIVE, /* the same and keys, dry_run, force */
                   PARAMS_TRACE,   /* source, event_id */
                   PARAMS_NONE,
};

struct params_fault {
    char field[64]; /* "limit"; "" where it is the whole */
    char why[PARAMS_WHY_BYTES];
};

/* NULL after filling in the fault. prefix is what every key begins with. No body is {}. */
struct params *params_from_body(enum params_form form, const char *prefix, const void *body,
                                size_t len, struct params_fault *fault_out);
/* query without "?", values percent-encoded. */
struct params *params_from_query(enum params_form form, const char *prefix, const char *query,
                                 struct params_fault *fault_out);
void params_free(struct params *p);

/* Percent-decoding (malloc); NULL where an escape is broken or stands for NUL. plus_is_blank as in
 * forms and queries. */
char *params_decode(const char *text, size_t len, bool plus_is_blank);

#endif

#ifndef SUPERVISOR_CTL_FETCH_H
#define SUPERVISOR_CTL_FETCH_H

#include <stddef.h>

struct http_call;

/* One HTTP call, blocking. */
struct fetch {
    int status;  /* 0 where there was no answer */
    char *error; /* own; why there was none, "" otherwise */
    char *body;  /* own, NUL-terminated */
    size_t body_len;
    char *trace; /* own; Sluice-Trace of the answer, "" where it has none */
};

void fetch_run(const struct http_call *call, struct fetch *out);
void fetch_free(struct fetch *f);

#endif

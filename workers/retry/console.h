#ifndef WORKERS_RETRY_CONSOLE_H
#define WORKERS_RETRY_CONSOLE_H

#include <stddef.h>

/* The console's files, embedded at build time (workers/retry/console). They are the same for
 * everybody: what they show they ask the API for. */
struct console_file {
    const char *path; /* "/style.css" */
    const char *content_type;
    const void *data; /* NUL-terminated behind len */
    size_t len;
};

/* The file served at that path, or NULL. */
const struct console_file *console_find(const char *path);

#endif

#ifndef WORKERS_RETRY_CONSOLE_H
#define WORKERS_RETRY_CONSOLE_H

#include <stddef.h>

struct buf;

/* The page's files, embedded at build time (workers/retry/console). */
struct console_file {
    const char *path; /* "/style.css" */
    const char *content_type;
    const void *data; /* NUL-terminated behind len */
    size_t len;
};

/* The file served at that path, or NULL. */
const struct console_file *console_find(const char *path);

/* The page is a template: {{name}} becomes the value, which is HTML already. */
struct console_value {
    const char *name;
    const char *html;
};

/* Appends the template with its names replaced; an unknown name is our bug and asserts. */
void console_render(const struct console_value *values, size_t count, struct buf *out);

/* Appends text so that it is nothing but text in HTML, in attributes too. */
void console_escape(const char *text, struct buf *out);

#endif

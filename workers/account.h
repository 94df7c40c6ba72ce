#ifndef WORKERS_ACCOUNT_H
#define WORKERS_ACCOUNT_H

#include <jansson.h>
#include <stdarg.h>

/* What a worker tells of itself in its beats and on its health socket, beside what its role counts:
 * its notes and its newest trouble. */
struct account;

#define ACCOUNT_TROUBLE_BYTES 768

struct account *account_new(void); /* for the life of the process */

/* worker_note and worker_trouble. */
void account_note(struct account *a, const char *format, va_list ap)
    __attribute__((format(printf, 2, 0)));
void account_trouble(struct account *a, const char *format, va_list ap)
    __attribute__((format(printf, 2, 0)));

/* Adds both to what the role has put into a beat, and what it has left out, and cuts its texts so
 * that a packet holds all. */
void account_fill(const struct account *a, json_t *out);

#endif

#ifndef SUPERVISOR_CTL_PRINT_H
#define SUPERVISOR_CTL_PRINT_H

#include <jansson.h>
#include <stddef.h>
#include <stdio.h>

/* Output to a terminal. Nothing that came from elsewhere reaches it with control bytes in it. */

/* Writes text without C0 and C1 controls and DEL; newlines stay where keep_lines says so. */
void print_text(FILE *to, const char *text, size_t len, int keep_lines);

/* A formatted line on standard error, made safe, "sluicectl: " before it. */
void print_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A JSON value, indented, in ASCII. */
void print_json(const json_t *value);

/* A table: rows of cells, the first one the heading; columns as wide as they need to be. */
struct print_table;
struct print_table *print_table_new(size_t columns);
void print_table_add(struct print_table *t, const char *cell); /* copied; row by row */
void print_table_end(struct print_table *t);                   /* prints and frees */

/* "3d 4h", "12m 5s": a duration for people. */
#define PRINT_DURATION_BYTES 32
void print_duration(long long seconds, char out[PRINT_DURATION_BYTES]);

#endif

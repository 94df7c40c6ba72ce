#ifndef COMMON_BASE_BUF_H
#define COMMON_BASE_BUF_H

#include <stddef.h>

/* A growable byte buffer, kept NUL-terminated behind its len bytes once
 * anything was appended. Zero-initialise (`struct buf b = {0}`) to start; data
 * is owned by the buffer until buf_steal. */
struct buf {
    char *data;
    size_t len;
    size_t cap;
};

void buf_append(struct buf *b, const void *data, size_t len);
void buf_puts(struct buf *b, const char *text);
void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Empties the buffer but keeps its memory. */
void buf_reset(struct buf *b);

/* Hands the NUL-terminated bytes to the caller (free()), never NULL; the buffer is empty after. */
char *buf_steal(struct buf *b);

/* Releases the memory; the buffer is empty and usable after. */
void buf_free(struct buf *b);
/* The same for a secret, which is overwritten first. */
void buf_wipe(struct buf *b);

#endif

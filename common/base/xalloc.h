#ifndef COMMON_BASE_XALLOC_H
#define COMMON_BASE_XALLOC_H

#include <stddef.h>

/* Allocation that cannot fail: out of memory aborts the process, and the
 * supervisor starts it again. Whatever the network sizes must be capped before
 * it comes here. Everything returned is released with free(). */
void *xmalloc(size_t size) __attribute__((malloc, returns_nonnull));
void *xcalloc(size_t count, size_t size) __attribute__((malloc, returns_nonnull));
void *xrealloc(void *old, size_t size) __attribute__((returns_nonnull));
char *xstrdup(const char *text) __attribute__((malloc, returns_nonnull));
void *xmemdup(const void *data, size_t len) __attribute__((malloc, returns_nonnull));
char *xasprintf(const char *format, ...)
    __attribute__((malloc, returns_nonnull, format(printf, 1, 2)));

/* free() for a text that is a secret, which is overwritten first. NULL is ignored. */
void xfree_secret(char *text);

#endif

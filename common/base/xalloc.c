#include "common/base/xalloc.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void die_out_of_memory(void)
{
    static const char words[] = "out of memory: this process ends and is started again\n";
    ssize_t ignored = write(STDERR_FILENO, words, sizeof(words) - 1);
    (void)ignored;
    abort();
}

void *xmalloc(size_t size)
{
    void *p = malloc(size ? size : 1);
    if (!p)
        die_out_of_memory();
    return p;
}

void *xcalloc(size_t count, size_t size)
{
    void *p = calloc(count ? count : 1, size ? size : 1);
    if (!p)
        die_out_of_memory();
    return p;
}

void *xrealloc(void *old, size_t size)
{
    void *p = realloc(old, size ? size : 1);
    if (!p)
        die_out_of_memory();
    return p;
}

char *xstrdup(const char *text)
{
    return xmemdup(text, strlen(text) + 1);
}

void *xmemdup(const void *data, size_t len)
{
    void *p = xmalloc(len);
    if (len)
        memcpy(p, data, len);
    return p;
}

char *xasprintf(const char *format, ...)
{
    char *text = NULL;
    va_list ap;
    va_start(ap, format);
    int n = vasprintf(&text, format, ap);
    va_end(ap);
    if (n < 0)
        die_out_of_memory();
    return text;
}

void xfree_secret(char *text)
{
    if (text)
        explicit_bzero(text, strlen(text));
    free(text);
}

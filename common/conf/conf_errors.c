#include "common/conf/conf_errors.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/utf8.h"
#include "common/base/xalloc.h"
#include "common/conf/conf.h"

__attribute__((format(printf, 4, 0))) static void
add(struct conf_error **list, size_t *count, const char *path, const char *format, va_list ap)
{
    char message[512];
    vsnprintf(message, sizeof(message), format, ap);
    *list = xrealloc(*list, (*count + 1) * sizeof(**list));
    /* A value that was cut inside a character, or that the environment gave, is no UTF-8. */
    (*list)[(*count)++] =
        (struct conf_error){xstrdup(path), utf8_safe(message, strlen(message), sizeof(message))};
}

void conf_errors_add(struct conf_errors *errors, const char *path, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    add(&errors->list, &errors->count, path, format, ap);
    va_end(ap);
}

void conf_errors_warn(struct conf_errors *errors, const char *path, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    add(&errors->warnings, &errors->warning_count, path, format, ap);
    va_end(ap);
}

static void free_list(struct conf_error *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(list[i].path);
        free(list[i].message);
    }
    free(list);
}

void conf_errors_free(struct conf_errors *errors)
{
    free_list(errors->list, errors->count);
    free_list(errors->warnings, errors->warning_count);
    *errors = (struct conf_errors){0};
}

bool conf_errors_concern(const struct conf_errors *errors, const char *path)
{
    size_t len = strlen(path);
    for (size_t i = 0; i < errors->count; i++) {
        const char *at = errors->list[i].path;
        size_t at_len = strlen(at);
        size_t shorter = len < at_len ? len : at_len;
        const char *longer = len < at_len ? at : path;
        if (strncmp(at, path, shorter) == 0 &&
            (shorter == 0 || !longer[shorter] || strchr(".[", longer[shorter])))
            return true;
    }
    return false;
}

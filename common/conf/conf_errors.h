#ifndef COMMON_CONF_CONF_ERRORS_H
#define COMMON_CONF_CONF_ERRORS_H

/* How the parts of common/conf collect what they find; the lists are conf.h's. */
struct conf_errors;

/* Adds an error or a warning at a dotted path ("" for the file as a whole). */
void conf_errors_add(struct conf_errors *errors, const char *path, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void conf_errors_warn(struct conf_errors *errors, const char *path, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif

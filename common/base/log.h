#ifndef COMMON_BASE_LOG_H
#define COMMON_BASE_LOG_H

#include <stdbool.h>

/* The one logger of a process: a line an event, one write() each.
 *
 *   2026-11-21T09:30:00.123Z warn consumer[0] queue "genesys": … key=value
 *
 * Control bytes in the formatted text are escaped (\x0a), so nothing that came
 * from the network can start a line of its own. Ids belong in a line, bodies
 * and secrets never. A slow reader does not block the loop: a line
 * for which there is no room is counted, and the next one that fits says how
 * many were dropped. */
enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };

/* Names the process in each line; slot < 0 prints no [slot]. Until called, lines carry no name. */
void log_name(const char *role, int slot);

/* The level below which nothing is written, and whether lines are JSON objects. */
void log_setup(enum log_level level, bool json);

/* "error", "warn", "info", "debug" to the level; 0, or -1 for another word. */
int log_level_parse(const char *word, enum log_level *level_out);

/* Writes to this file from now on (O_APPEND, 0640), standard error before; 0, or -1 with errno.
 * Called again with the same path it reopens the file (SIGUSR1); standard error follows where it
 * was the same file. */
int log_open(const char *path);

/* Standard error goes where the log goes: the last words of a library that aborts are kept. */
void log_take_stderr(void);

/* Errors go to this descriptor too (taken over; close-on-exec is the caller's), until a call with
 * -1. */
void log_echo(int fd);

/* Writes to standard error again. */
void log_close(void);

void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif

#include "common/base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/utf8.h"

#define MESSAGE_BYTES 3000
#define LINE_BYTES 3800 /* a line and the note of dropped ones stay below PIPE_BUF */

static struct {
    int fd;
    int echo_fd; /* own; errors go there too; -1: nowhere */
    enum log_level level;
    bool json;
    char name[32];
    uint64_t dropped; /* lines since the last one that could be written */
} logger = {.fd = STDERR_FILENO, .echo_fd = -1, .level = LOG_LEVEL_INFO};

static const char *const level_words[] = {"error", "warn", "info", "debug"};

void log_name(const char *role, int slot)
{
    if (slot < 0)
        snprintf(logger.name, sizeof(logger.name), "%s", role);
    else
        snprintf(logger.name, sizeof(logger.name), "%s[%d]", role, slot);
}

void log_setup(enum log_level level, bool json)
{
    logger.level = level;
    logger.json = json;
}

int log_level_parse(const char *word, enum log_level *level_out)
{
    for (int i = 0; i <= LOG_LEVEL_DEBUG; i++) {
        if (strcmp(word, level_words[i]) == 0) {
            *level_out = (enum log_level)i;
            return 0;
        }
    }
    return -1;
}

void log_close(void)
{
    if (logger.fd != STDERR_FILENO)
        close(logger.fd);
    logger.fd = STDERR_FILENO;
}

static bool is_stderr_too(int fd)
{
    struct stat one, other;
    return fstat(fd, &one) == 0 && fstat(STDERR_FILENO, &other) == 0 &&
           one.st_dev == other.st_dev && one.st_ino == other.st_ino;
}

int log_open(const char *path)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0640);
    if (fd < 0)
        return -1;
    bool stderr_follows = logger.fd != STDERR_FILENO && is_stderr_too(logger.fd);
    log_close();
    logger.fd = fd;
    if (stderr_follows)
        log_take_stderr();
    return 0;
}

void log_take_stderr(void)
{
    if (logger.fd != STDERR_FILENO && dup2(logger.fd, STDERR_FILENO) < 0)
        log_warn("standard error cannot go to the log: %s", strerror(errno));
}

void log_echo(int fd)
{
    if (logger.echo_fd >= 0)
        close(logger.echo_fd);
    logger.echo_fd = fd;
}

/* Appends text with controls (C1 too) and what is not UTF-8 escaped, up to LINE_BYTES. */
static void append_escaped(struct buf *line, const char *text, bool json)
{
    for (const unsigned char *p = (const unsigned char *)text; *p;) {
        if (line->len > LINE_BYTES) {
            buf_puts(line, "...");
            return;
        }
        size_t len = utf8_sequence(p, strnlen((const char *)p, 4));
        bool c1 = len == 2 && p[0] == 0xc2 && p[1] < 0xa0;
        if (len == 0 || c1 || *p < 0x20 || *p == 0x7f) {
            buf_printf(line, json ? "\\u%04x" : "\\x%02x", c1 ? p[1] : p[0]);
            p += c1 ? 2 : 1;
            continue;
        }
        if (json && (*p == '"' || *p == '\\'))
            buf_puts(line, "\\");
        buf_append(line, p, len);
        p += len;
    }
}

static void format_line(struct buf *line, enum log_level level, const char *text)
{
    char at[CLOCK_TEXT_BYTES];
    clock_rfc3339(clock_wall_ms(), at);
    if (logger.json) {
        buf_printf(line, "{\"time\":\"%s\",\"level\":\"%s\",\"process\":\"%s\",\"message\":\"", at,
                   level_words[level], logger.name);
        append_escaped(line, text, true);
        buf_puts(line, "\"}\n");
        return;
    }
    buf_printf(line, "%s %s %s%s", at, level_words[level], logger.name, logger.name[0] ? " " : "");
    append_escaped(line, text, false);
    buf_puts(line, "\n");
}

/* A whole line or none. A pipe that nobody reads is not waited for: poll() answers at once, and a
 * line of at most PIPE_BUF bytes is then written whole. */
static bool write_line(int fd, const struct buf *line)
{
    struct pollfd room = {.fd = fd, .events = POLLOUT};
    if (poll(&room, 1, 0) != 1 || !(room.revents & POLLOUT))
        return false;
    return write(fd, line->data, line->len) == (ssize_t)line->len;
}

__attribute__((format(printf, 2, 0))) static void log_line(enum log_level level, const char *format,
                                                           va_list ap)
{
    if (level > logger.level)
        return;
    int saved_errno = errno;
    char text[MESSAGE_BYTES];
    vsnprintf(text, sizeof(text), format, ap);
    struct buf line = {0};
    if (logger.dropped) {
        char note[64];
        snprintf(note, sizeof(note), "%llu log lines were dropped: the reader is slow",
                 (unsigned long long)logger.dropped);
        format_line(&line, LOG_LEVEL_WARN, note);
    }
    format_line(&line, level, text);
    if (level == LOG_LEVEL_ERROR && logger.echo_fd >= 0)
        (void)write_line(logger.echo_fd, &line); /* the log has it in any case */
    if (write_line(logger.fd, &line))
        logger.dropped = 0;
    else
        logger.dropped++;
    buf_free(&line);
    errno = saved_errno;
}

#define DEFINE_LOG(name, level)                                                                    \
    void name(const char *format, ...)                                                             \
    {                                                                                              \
        va_list ap;                                                                                \
        va_start(ap, format);                                                                      \
        log_line(level, format, ap);                                                               \
        va_end(ap);                                                                                \
    }

DEFINE_LOG(log_error, LOG_LEVEL_ERROR)
DEFINE_LOG(log_warn, LOG_LEVEL_WARN)
DEFINE_LOG(log_info, LOG_LEVEL_INFO)
DEFINE_LOG(log_debug, LOG_LEVEL_DEBUG)

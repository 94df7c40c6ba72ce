#include "common/delivery/delivery_type.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/fdio.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "common/conf/conf.h"

/* The `file` destination: each event is one JSON line, appended by one write() and made durable by
 * fdatasync() before it counts as delivered. Several processes may append to one file: flock()
 * orders them, and is tried without blocking. Only a regular file can be made durable: nothing is
 * written to a pipe or a device. What a failed append left behind is cut off again, so
 * the retry does not follow half a line. */

#define LOCK_RETRY_MS 5
#define LOCK_PATIENCE_MS 5000

struct file_destination {
    struct event_base *base; /* borrow: outlives every destination */
    const char *name;        /* borrow */
    const char *path;        /* borrow, of the configuration; may hold {source} */
};

struct file_attempt {
    struct file_destination *to; /* borrow */
    struct delivery *delivery;   /* borrow: gone after delivery_finish */
    struct event *timer;         /* own */
    char *path;                  /* own */
    char *line;                  /* own */
    size_t line_len;
    int64_t give_up_mono_ms;
};

static void *file_open(struct event_base *base, const char *name, const json_t *conf,
                       struct tokens *tokens)
{
    (void)tokens;
    struct file_destination *to = xcalloc(1, sizeof(*to));
    to->base = base;
    to->name = name;
    to->path = conf_str(conf, "path");
    return to;
}

static void file_close(void *destination)
{
    free(destination);
}

/* Puts the source into the path. Its name may come from a message, so only characters that cannot
 * lead out of the directory stay. */
static char *expand_path(const char *pattern, const char *source)
{
    struct buf out = {0};
    const char *at = pattern;
    for (const char *hit; (hit = strstr(at, "{source}")); at = hit + strlen("{source}")) {
        buf_append(&out, at, (size_t)(hit - at));
        for (const char *c = source; *c; c++) {
            bool plain = (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
                         (*c >= '0' && *c <= '9') || *c == '-' || *c == '_' ||
                         (*c == '.' && c != source);
            buf_append(&out, plain ? c : "_", 1);
        }
    }
    buf_puts(&out, at);
    return buf_steal(&out);
}

/* The body as a JSON string where it is UTF-8, else base64 of it. */
static void set_body(json_t *line, const struct webhook *hook)
{
    json_t *text = json_stringn(hook->body_len ? hook->body : "", hook->body_len);
    if (text) {
        json_object_set_new(line, "encoding", json_string("raw"));
        json_object_set_new(line, "body", text);
        return;
    }
    char *base64 = xmalloc(hook->body_len / 3 * 4 + 5);
    EVP_EncodeBlock((unsigned char *)base64, hook->body, (int)hook->body_len);
    json_object_set_new(line, "encoding", json_string("base64"));
    json_object_set_new(line, "body", json_string(base64));
    free(base64);
}

static void set_text(json_t *line, const char *key, const char *text)
{
    json_t *value = json_string(text);
    json_object_set_new(line, key, value ? value : json_string_nocheck(""));
}

/* "\n" + the line + "\n": the first byte is only written behind an unfinished line. */
static char *make_line(const struct webhook *hook, int attempt, size_t *len_out)
{
    char received[CLOCK_TEXT_BYTES];
    clock_rfc3339(hook->received_at_ms, received);
    json_t *line = json_object();
    set_text(line, "trace_id", hook->trace_id);
    set_text(line, "source", hook->source);
    set_text(line, "event_id", hook->event_id);
    set_text(line, "received_at", received);
    json_object_set_new(line, "attempt", json_integer(attempt));
    set_text(line, "content_type", hook->content_type);
    set_text(line, "schema_version", hook->schema_version);
    set_body(line, hook);
    char *text = json_dumps(line, JSON_COMPACT);
    json_decref(line);
    struct buf out = {0};
    buf_puts(&out, "\n");
    buf_puts(&out, text ? text : "{}");
    buf_puts(&out, "\n");
    free(text);
    *len_out = out.len;
    return buf_steal(&out);
}

static void make_directory(const char *path)
{
    char *dir = xstrdup(path);
    char *slash = strrchr(dir, '/');
    if (slash && slash != dir) {
        *slash = '\0';
        /* What is wrong with it the open() that follows says. */
        int ignored = fdio_make_dirs(dir, 0750);
        (void)ignored;
    }
    free(dir);
}

/* Writes the line behind a complete last line. 0, or -1 with errno and the file as it was. */
static int append(int fd, const char *line, size_t len)
{
    struct stat st;
    char last = '\n';
    if (fstat(fd, &st) == -1)
        return -1;
    if (st.st_size > 0 && pread(fd, &last, 1, st.st_size - 1) != 1)
        return -1;
    size_t skip = last == '\n' ? 1 : 0;
    ssize_t n = write(fd, line + skip, len - skip);
    if (n == (ssize_t)(len - skip) && fdatasync(fd) == 0)
        return 0;
    int saved = n >= 0 && n < (ssize_t)(len - skip) ? ENOSPC : errno;
    if (n > 0 && ftruncate(fd, st.st_size) == -1)
        log_error("cannot cut off an unfinished line: %s", strerror(errno));
    errno = saved;
    return -1;
}

static void file_attempt_free(struct file_attempt *a)
{
    event_free(a->timer);
    free(a->path);
    free(a->line);
    free(a);
}

static void finish(struct file_attempt *a, enum verdict verdict, const char *error)
{
    struct delivery *delivery = a->delivery;
    file_attempt_free(a);
    delivery_finish(delivery, verdict, verdict == DELIVERED ? "" : "destination", error, 0);
}

static void fail(struct file_attempt *a, const char *doing, const char *why)
{
    char *text = xasprintf("cannot %s \"%s\": %s", doing, a->path, why);
    log_warn("destination \"%s\": %s", a->to->name, text);
    finish(a, RETRY, text);
    free(text);
}

static bool is_regular(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

static void on_turn(evutil_socket_t unused, short what, void *arg)
{
    (void)unused;
    (void)what;
    struct file_attempt *a = arg;
    int fd = open(a->path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
    if (fd == -1 && errno == ENOENT) {
        make_directory(a->path);
        fd = open(a->path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0640);
    }
    if (fd == -1) {
        fail(a, "open", strerror(errno));
        return;
    }
    if (!is_regular(fd)) {
        close(fd);
        fail(a, "append to", "it is no regular file");
        return;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) == -1) {
        int error = errno;
        close(fd);
        if (error == EWOULDBLOCK && clock_mono_ms() < a->give_up_mono_ms) {
            const struct timeval soon = {.tv_usec = LOCK_RETRY_MS * 1000};
            evtimer_add(a->timer, &soon);
        } else {
            fail(a, "lock", strerror(error));
        }
        return;
    }
    int failed = append(fd, a->line, a->line_len);
    int error = errno;
    close(fd);
    if (failed)
        fail(a, "append to", strerror(error));
    else
        finish(a, DELIVERED, "");
}

static void *file_start(void *destination, const struct webhook *hook, int attempt,
                        struct delivery *delivery)
{
    struct file_destination *to = destination;
    struct file_attempt *a = xcalloc(1, sizeof(*a));
    a->to = to;
    a->delivery = delivery;
    a->path = expand_path(to->path, hook->source);
    a->line = make_line(hook, attempt, &a->line_len);
    a->give_up_mono_ms = clock_mono_ms() + LOCK_PATIENCE_MS;
    a->timer = evtimer_new(to->base, on_turn, a);
    const struct timeval now = {0};
    evtimer_add(a->timer, &now);
    return a;
}

static void file_cancel(void *attempt)
{
    file_attempt_free(attempt);
}

const struct delivery_type to_file_type = {
    .name = "file",
    .open = file_open,
    .close = file_close,
    .start = file_start,
    .cancel = file_cancel,
};

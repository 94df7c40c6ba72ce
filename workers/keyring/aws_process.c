#include "workers/keyring/aws_process.h"

#include <assert.h>
#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/xalloc.h"
#include "common/delivery/exec_child.h"
#include "workers/keyring/aws_job.h"

#define ERROR_BYTES 200
#define PIPE_CHUNK_BYTES 4096
#define PIPE_CHUNKS 16 /* as much as a pipe holds */

extern char **environ;

struct process {
    struct aws_job job;
    struct exec_child child; /* its descriptors are ours; -1 when closed; pid 0: none */
    struct event *events[3]; /* own: output, errors, end */
    char *output;            /* own: AWS_PROCESS_OUTPUT_BYTES and a byte more, wiped */
    size_t output_len;
    char errors[ERROR_BYTES + 1]; /* the last bytes of standard error */
    size_t errors_len;
};

/* ---- words ---- */

static void add_word(char ***words, size_t *count, struct buf *word)
{
    *words = xrealloc(*words, (*count + 2) * sizeof(**words));
    (*words)[(*count)++] = buf_steal(word);
    (*words)[*count] = NULL;
}

/* One piece of a word at p: a quoted part, an escaped character or a plain one. The first byte
 * behind it, NULL where a quote is left open. */
static const char *take_piece(const char *p, struct buf *word)
{
    if (*p == '\'') {
        const char *end = strchr(p + 1, '\'');
        if (end)
            buf_append(word, p + 1, (size_t)(end - p) - 1);
        return end ? end + 1 : NULL;
    }
    if (*p == '\\') {
        if (p[1])
            buf_append(word, p + 1, 1);
        return p[1] ? p + 2 : NULL;
    }
    if (*p != '"') {
        buf_append(word, p, 1);
        return p + 1;
    }
    for (p++; *p && *p != '"'; p++) {
        if (*p == '\\' && p[1] && strchr("\"\\$`", p[1]))
            p++;
        buf_append(word, p, 1);
    }
    return *p ? p + 1 : NULL;
}

char **aws_process_split(const char *command)
{
    static const char blanks[] = " \t\r\n";
    struct buf word = {0};
    char **words = NULL;
    size_t count = 0;
    const char *p = command + strspn(command, blanks);
    while (p && *p) {
        buf_append(&word, "", 0);
        while (p && *p && !strchr(blanks, *p))
            p = take_piece(p, &word);
        if (p) {
            add_word(&words, &count, &word);
            p += strspn(p, blanks);
        }
    }
    buf_free(&word);
    if (p)
        return words;
    aws_process_free_words(words);
    return NULL;
}

void aws_process_free_words(char **words)
{
    for (size_t i = 0; words && words[i]; i++)
        free(words[i]);
    free(words);
}

/* Where the program is (malloc): as written, or in PATH. */
static char *find_program(const char *name)
{
    const char *path = getenv("PATH");
    if (strchr(name, '/') || !path)
        return xstrdup(name);
    while (*path) {
        size_t len = strcspn(path, ":");
        char *candidate = xasprintf("%.*s/%s", (int)len, path, name);
        if (len && access(candidate, X_OK) == 0)
            return candidate;
        free(candidate);
        path += len + (path[len] == ':');
    }
    return xstrdup(name);
}

/* ---- the end ---- */

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void end_child(struct process *p)
{
    for (size_t i = 0; i < 3; i++) {
        if (p->events[i])
            event_free(p->events[i]);
        p->events[i] = NULL;
    }
    if (!p->child.pid)
        return;
    exec_child_kill(p->child.pid, SIGKILL);
    kill(p->child.pid, SIGKILL); /* it may have left its group */
    close_fd(&p->child.stdin_fd);
    close_fd(&p->child.stdout_fd);
    close_fd(&p->child.stderr_fd);
    close_fd(&p->child.pid_fd);
}

/* The program has ended, or is killed and ends at once. */
static int reap(struct process *p)
{
    int status = 0;
    if (p->child.pid)
        waitpid(p->child.pid, &status, 0);
    p->child.pid = 0;
    return status;
}

static void release(struct aws_job *job)
{
    struct process *p = (struct process *)job;
    end_child(p);
    reap(p);
    explicit_bzero(p->output, p->output_len);
    free(p->output);
}

static void read_output(const struct process *p, struct aws_result *result)
{
    json_t *object = json_loadb(p->output, p->output_len, 0, NULL);
    const json_t *version = json_object_get(object, "Version");
    if (object && !(json_is_integer(version) && json_integer_value(version) == 1))
        aws_result_fail(result, AWS_BROKEN, "its \"Version\" is not 1");
    else
        aws_result_from_json(result, object, "SessionToken");
    json_decref(object);
}

/* What the program said last, on one line. */
static const char *last_words(struct process *p)
{
    while (p->errors_len && strchr("\r\n ", p->errors[p->errors_len - 1]))
        p->errors_len--;
    p->errors[p->errors_len] = '\0';
    const char *line = strrchr(p->errors, '\n');
    return line ? line + 1 : p->errors;
}

/* status: of waitpid. */
static void finish(struct process *p, int status)
{
    struct aws_result result = {0};
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
        aws_result_fail(&result, AWS_BROKEN, "it ended with %s %d: %s",
                        WIFEXITED(status) ? "exit status" : "signal",
                        WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status), last_words(p));
    else
        read_output(p, &result);
    aws_job_end(&p->job, &result);
}

static void give_up(struct process *p)
{
    aws_job_fail(&p->job, AWS_BROKEN, "it prints more than 64 KiB");
}

/* ---- events ---- */

/* Takes what is there. False where it is too much. */
static bool take_output(struct process *p)
{
    for (;;) {
        ssize_t n = read(p->child.stdout_fd, p->output + p->output_len,
                         AWS_PROCESS_OUTPUT_BYTES + 1 - p->output_len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            if (n == 0 && p->events[0])
                event_del(p->events[0]);
            return true;
        }
        p->output_len += (size_t)n;
        if (p->output_len > AWS_PROCESS_OUTPUT_BYTES)
            return false;
    }
}

/* Takes a part of what is there; one that never stops must not keep us. False where that was all.
 */
static bool take_errors(struct process *p)
{
    char chunk[PIPE_CHUNK_BYTES];
    ssize_t n = read(p->child.stderr_fd, chunk, sizeof(chunk));
    if (n == 0 && p->events[1])
        event_del(p->events[1]);
    if (n <= 0)
        return false;
    size_t fresh = (size_t)n < ERROR_BYTES ? (size_t)n : ERROR_BYTES;
    size_t kept = p->errors_len < ERROR_BYTES - fresh ? p->errors_len : ERROR_BYTES - fresh;
    memmove(p->errors, p->errors + p->errors_len - kept, kept);
    memcpy(p->errors + kept, chunk + (size_t)n - fresh, fresh);
    p->errors_len = kept + fresh;
    return true;
}

static void on_output(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    if (!take_output(arg))
        give_up(arg);
}

static void on_errors(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    take_errors(arg);
}

/* A program that it left behind may still hold the pipes: what is in them by now counts. */
static void on_end(evutil_socket_t fd, short what, void *arg)
{
    (void)fd, (void)what;
    struct process *p = arg;
    bool fits = take_output(p);
    for (int i = 0; i < PIPE_CHUNKS && take_errors(p); i++) {
    }
    end_child(p);
    int status = reap(p);
    if (fits)
        finish(p, status);
    else
        give_up(p);
}

static struct event *listen_to(struct process *p, struct event_base *base, int fd,
                               event_callback_fn on)
{
    struct event *e = event_new(base, fd, EV_READ | EV_PERSIST, on, p);
    assert(e);
    event_add(e, NULL);
    return e;
}

static void listen_to_all(struct process *p)
{
    struct event_base *base = p->job.context->base;
    close_fd(&p->child.stdin_fd);
    p->events[0] = listen_to(p, base, p->child.stdout_fd, on_output);
    p->events[1] = listen_to(p, base, p->child.stderr_fd, on_errors);
    p->events[2] = listen_to(p, base, p->child.pid_fd, on_end);
}

struct aws_job *aws_process_start_for(const struct aws_context *context, const char *command,
                                      int64_t timeout_ms, aws_done_cb *done, void *arg)
{
    struct process *p = aws_job_new(sizeof(*p), context, release, done, arg);
    char **words = aws_process_split(command);
    char *file = words ? find_program(words[0]) : NULL;
    p->output = xmalloc(AWS_PROCESS_OUTPUT_BYTES + 1);
    if (!words) {
        aws_job_fail(&p->job, AWS_BROKEN, "its command line is empty or has an open quote");
    } else if (exec_child_start(file, words, environ, NULL, &p->child) != 0) {
        aws_job_fail(&p->job, AWS_BROKEN, "it cannot be started: %s", strerror(errno));
    } else {
        listen_to_all(p);
        aws_job_limit(&p->job, timeout_ms, "it did not end in time");
    }
    free(file);
    aws_process_free_words(words);
    return &p->job;
}

struct aws_job *aws_process_start(const struct aws_context *context, const char *command,
                                  aws_done_cb *done, void *arg)
{
    return aws_process_start_for(context, command, AWS_PROCESS_TIMEOUT_MS, done, arg);
}

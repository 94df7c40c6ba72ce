#include "supervisor/ctl/control_client.h"

#include <assert.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/fdio.h"
#include "common/base/unix_socket.h"
#include "common/base/xalloc.h"
#include "supervisor/ctl/ctl.h"
#include "supervisor/ctl/locate.h"
#include "supervisor/ctl/print.h"

#define ANSWER_MAX (4 * 1024 * 1024)

/* Reads up to the first newline. 0, or -1 with errno (ETIMEDOUT; 0 where the other end closed). */
static int read_line(int fd, int timeout_ms, struct buf *line)
{
    int64_t deadline = clock_mono_ms() + timeout_ms;
    for (;;) {
        int64_t left = deadline - clock_mono_ms();
        struct pollfd readable = {.fd = fd, .events = POLLIN};
        int ready = left > 0 ? poll(&readable, 1, (int)left) : 0;
        if (ready < 0 && errno == EINTR)
            continue;
        if (ready <= 0) {
            errno = ready ? errno : ETIMEDOUT;
            return -1;
        }
        char chunk[16384];
        ssize_t n = read(fd, chunk, sizeof(chunk));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0 || line->len + (size_t)n > ANSWER_MAX) {
            errno = n < 0 ? errno : n > 0 ? EFBIG : 0;
            return -1;
        }
        buf_append(line, chunk, (size_t)n);
        if (memchr(chunk, '\n', (size_t)n))
            return 0;
    }
}

static json_t *ask(int fd, const json_t *request, int timeout_ms)
{
    char *text = json_dumps(request, JSON_COMPACT);
    assert(text);
    int failed = fdio_write_all(fd, text, strlen(text)) != 0 || fdio_write_all(fd, "\n", 1) != 0;
    free(text);
    struct buf line = {0};
    json_t *answer = NULL;
    if (failed || read_line(fd, timeout_ms, &line)) {
        print_error("the supervisor did not answer: %s",
                    errno ? strerror(errno) : "it closed the connection");
    } else {
        answer = json_loadb(line.data, line.len, JSON_DISABLE_EOF_CHECK, NULL);
        if (!json_is_object(answer)) {
            print_error("the supervisor's answer is not JSON");
            json_decref(answer);
            answer = NULL;
        }
    }
    buf_free(&line);
    return answer;
}

json_t *control_client_ask(const struct ctl *ctl, json_t *request, int timeout_ms, int *status_out,
                           int *fd_out)
{
    assert(request);
    char *run_dir = locate_run_dir(ctl);
    if (!run_dir) {
        *status_out = EX_CONFIG;
        json_decref(request);
        return NULL;
    }
    char *path = xasprintf("%s/control.sock", run_dir);
    free(run_dir);
    *status_out = EX_UNAVAILABLE;
    json_t *answer = NULL;
    int fd = unix_socket_connect(path);
    if (fd < 0)
        print_error("no supervisor answers at %s (%s): is sluiced running?", path, strerror(errno));
    else
        answer = ask(fd, request, timeout_ms);
    free(path);
    json_decref(request);
    if (answer && fd_out)
        *fd_out = fd;
    else if (fd >= 0)
        close(fd);
    return answer;
}

json_t *control_client_call(const struct ctl *ctl, const char *command, int timeout_ms,
                            int *status_out, int *fd_out)
{
    return control_client_ask(ctl, json_pack("{s:s}", "cmd", command), timeout_ms, status_out,
                              fd_out);
}

void control_client_wait_end(int fd)
{
    char rest[512];
    ssize_t n;
    do
        n = read(fd, rest, sizeof(rest));
    while (n > 0 || (n < 0 && errno == EINTR));
}

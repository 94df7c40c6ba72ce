#include "supervisor/notify.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "common/base/log.h"
#include "common/base/xalloc.h"

#define TEXT_BYTES 512

struct notify {
    int fd; /* own */
    struct sockaddr_un to;
    socklen_t to_len;
    bool has_failed; /* said once */
};

struct notify *notify_new(void)
{
    const char *path = getenv("NOTIFY_SOCKET");
    size_t len = path != NULL ? strlen(path) : 0;
    struct notify *n = NULL;
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    if (len > 1 && (path[0] == '/' || path[0] == '@') && len < sizeof to.sun_path) {
        n = xcalloc(1, sizeof *n);
        memcpy(to.sun_path, path, len);
        if (path[0] == '@')
            to.sun_path[0] = '\0'; /* the abstract namespace, where the length ends the name */
        n->to = to;
        n->to_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (path[0] == '/'));
        n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    } else if (len > 0) {
        log_warn("NOTIFY_SOCKET=%s is no address of a socket: the service manager is told nothing",
                 path);
    }
    unsetenv("NOTIFY_SOCKET");
    if (n != NULL && n->fd < 0) {
        log_warn("no socket for NOTIFY_SOCKET: %s", strerror(errno));
        free(n);
        n = NULL;
    }
    return n;
}

void notify_free(struct notify *n)
{
    if (n == NULL)
        return;
    close(n->fd);
    free(n);
}

static void send_text(struct notify *n, const char *text)
{
    size_t len = strlen(text);
    if (sendto(n->fd, text, len, MSG_NOSIGNAL, (const struct sockaddr *)&n->to, n->to_len) ==
        (ssize_t)len)
        return;
    if (!n->has_failed)
        log_warn("the service manager cannot be told how the service is: %s", strerror(errno));
    n->has_failed = true;
}

static void send_with_status(struct notify *n, const char *first, const char *status)
{
    if (n == NULL)
        return;
    char text[TEXT_BYTES];
    snprintf(text, sizeof text, "%sSTATUS=%s", first, status);
    for (char *p = strstr(text, "STATUS="); *p != '\0'; p++) {
        if (*p == '\n')
            *p = ' '; /* a new line would be another assignment */
    }
    send_text(n, text);
}

void notify_ready(struct notify *n, const char *status)
{
    send_with_status(n, "READY=1\n", status);
}

void notify_reloading(struct notify *n)
{
    char first[64];
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    snprintf(first, sizeof first, "RELOADING=1\nMONOTONIC_USEC=%lld\n",
             (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
    send_with_status(n, first, "Reloading the configuration");
}

void notify_stopping(struct notify *n, const char *status)
{
    send_with_status(n, "STOPPING=1\n", status);
}

void notify_status(struct notify *n, const char *status)
{
    send_with_status(n, "", status);
}

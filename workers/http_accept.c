#include "workers/http_accept.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <event2/util.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"

#define ACCEPT_LOG_EVERY_MS 10000

/* Out of descriptors, most likely: the connection stays in the backlog, and accept would fail again
 * at once, for ever. The next sweep of the connections enables the listener again. evhttp takes the
 * callback's argument for itself, so the only state that can be kept here is the log's bound. */
static void on_accept_error(struct evconnlistener *accepting, void *arg)
{
    (void)arg;
    static int64_t quiet_until_ms;
    int error = errno;
    evconnlistener_disable(accepting);
    int64_t now = clock_mono_ms();
    if (now < quiet_until_ms)
        return;
    quiet_until_ms = now + ACCEPT_LOG_EVERY_MS;
    log_error("cannot accept connections: %s; raise the open-files limit or lower max_connections",
              strerror(error));
}

void http_accept_bear_errors(struct evconnlistener *accepting)
{
    evconnlistener_set_error_cb(accepting, on_accept_error);
}

static bool is_listening(int fd)
{
    int listening = 0;
    socklen_t len = sizeof(listening);
    return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) == 0 && listening;
}

/* Small answers leave at once; an accepted connection inherits it. Not for Unix sockets. */
static void set_nodelay(int fd)
{
    int family = 0;
    socklen_t len = sizeof(family);
    int on = 1;
    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &len) == 0 && family != AF_UNIX)
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

struct evconnlistener *http_accept_open(struct event_base *base, int fd, const char *address)
{
    if (!is_listening(fd)) {
        log_error("listener %s: descriptor %d is not a listening socket", address, fd);
        close(fd);
        return NULL;
    }
    evutil_make_socket_nonblocking(fd);
    set_nodelay(fd);
    struct evconnlistener *accepting =
        evconnlistener_new(base, NULL, NULL, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
    if (!accepting) {
        log_error("listener %s: cannot be watched", address);
        close(fd);
    }
    return accepting;
}

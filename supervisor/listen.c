#include "supervisor/listen.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/base/unix_socket.h"
#include "common/base/xalloc.h"
#include "supervisor/holder.h"

enum { BACKLOG = 1024 };

struct listener {
    LIST_ENTRY(listener) link;
    enum role role;
    char *key;                     /* own; the address as configured */
    char *address;                 /* own; as bound */
    struct sockaddr_storage bound; /* ss_family AF_UNIX for a Unix socket */
    int fd;
    int users;
};

struct listen_pool {
    LIST_HEAD(, listener) open;
};

struct listen_pool *listen_pool_new(void)
{
    struct listen_pool *pool = xcalloc(1, sizeof *pool);
    LIST_INIT(&pool->open);
    return pool;
}

void listen_pool_free(struct listen_pool *pool)
{
    if (pool == NULL)
        return;
    assert(LIST_EMPTY(&pool->open));
    free(pool);
}

/* 0, or -1 where text is not "ADDRESS:PORT" with a numeric address. */
static int parse(const char *text, struct sockaddr_storage *out)
{
    const char *colon = strrchr(text, ':');
    if (colon == NULL || colon[1] == '\0')
        return -1;
    char *end;
    unsigned long port = strtoul(colon + 1, &end, 10);
    if (*end != '\0' || port > 65535)
        return -1;
    memset(out, 0, sizeof *out);
    struct sockaddr_in *in = (struct sockaddr_in *)out;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)out;
    size_t len = (size_t)(colon - text);
    char host[64];
    if (len >= sizeof host)
        return -1;
    memcpy(host, text, len);
    host[len] = '\0';
    if (len >= 2 && host[0] == '[' && host[len - 1] == ']') {
        host[len - 1] = '\0';
        in6->sin6_family = AF_INET6;
        in6->sin6_port = htons((uint16_t)port);
        return inet_pton(AF_INET6, host + 1, &in6->sin6_addr) == 1 ? 0 : -1;
    }
    if (strcmp(host, "localhost") == 0)
        strcpy(host, "127.0.0.1");
    else if (strcmp(host, "*") == 0)
        strcpy(host, "0.0.0.0");
    in->sin_family = AF_INET;
    in->sin_port = htons((uint16_t)port);
    return inet_pton(AF_INET, host, &in->sin_addr) == 1 ? 0 : -1;
}

static socklen_t address_len(const struct sockaddr_storage *a)
{
    return a->ss_family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
}

static uint16_t port_of(const struct sockaddr_storage *a)
{
    if (a->ss_family == AF_INET6)
        return ntohs(((const struct sockaddr_in6 *)a)->sin6_port);
    return ntohs(((const struct sockaddr_in *)a)->sin_port);
}

static bool is_any(const struct sockaddr_storage *a)
{
    if (a->ss_family == AF_INET6)
        return IN6_IS_ADDR_UNSPECIFIED(&((const struct sockaddr_in6 *)a)->sin6_addr);
    return ((const struct sockaddr_in *)a)->sin_addr.s_addr == htonl(INADDR_ANY);
}

static bool overlap(const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
    if (a->ss_family != b->ss_family || port_of(a) != port_of(b) || port_of(a) == 0)
        return false;
    return is_any(a) || is_any(b) || memcmp(a, b, address_len(a)) == 0;
}

static char *text_of(const struct sockaddr_storage *a)
{
    char host[INET6_ADDRSTRLEN] = "";
    if (a->ss_family == AF_INET6) {
        inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)a)->sin6_addr, host, sizeof host);
        return xasprintf("[%s]:%u", host, port_of(a));
    }
    inet_ntop(AF_INET, &((const struct sockaddr_in *)a)->sin_addr, host, sizeof host);
    return xasprintf("%s:%u", host, port_of(a));
}

static int open_tcp(const struct sockaddr_storage *address)
{
    int fd = socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    int on = 1;
    /* Accepted sockets take TCP_NODELAY over from the listener. */
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) == 0 &&
        (address->ss_family != AF_INET6 ||
         setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) == 0) &&
        bind(fd, (const struct sockaddr *)address, address_len(address)) == 0 &&
        listen(fd, BACKLOG) == 0)
        return fd;
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

static char *why_not(const char *address, const struct sockaddr_storage *parsed, int error)
{
    if (error == EADDRINUSE) {
        char holder[128];
        holder_of_port((const struct sockaddr *)parsed, holder, sizeof holder);
        return xasprintf("%s is in use by %s; stop it or choose another address", address, holder);
    }
    if (error == EACCES)
        return xasprintf("%s: ports below 1024 need root or CAP_NET_BIND_SERVICE", address);
    if (error == EADDRNOTAVAIL)
        return xasprintf("%s is not an address of this machine", address);
    return xasprintf("%s cannot be opened: %s", address, strerror(error));
}

static struct listener *acquire_tcp(struct listen_pool *pool, enum role role, const char *address,
                                    char **why_out)
{
    struct listener l = {.role = role};
    if (parse(address, &l.bound) != 0) {
        *why_out = xasprintf("\"%s\" is not ADDRESS:PORT with a numeric address, such as "
                             "127.0.0.1:8080 or [::1]:8080",
                             address);
        return NULL;
    }
    struct listener *other;
    LIST_FOREACH(other, &pool->open, link)
    {
        if (other->fd >= 0 && overlap(&other->bound, &l.bound)) {
            *why_out = xasprintf("%s overlaps %s, which is open for %s; give it another port, or "
                                 "restart sluiced to move it",
                                 address, other->address, role_name(other->role));
            return NULL;
        }
    }
    l.fd = open_tcp(&l.bound);
    if (l.fd < 0) {
        *why_out = why_not(address, &l.bound, errno);
        return NULL;
    }
    socklen_t len = sizeof l.bound;
    int rc = getsockname(l.fd, (struct sockaddr *)&l.bound, &len);
    assert(rc == 0);
    l.address = text_of(&l.bound);
    return xmemdup(&l, sizeof l);
}

static struct listener *acquire_unix(enum role role, const char *address, char **why_out)
{
    const char *path = address + strlen("unix:");
    int fd = unix_socket_listen(path, 0660);
    if (fd < 0) {
        *why_out = xasprintf("socket %s cannot be opened: %s", path, strerror(errno));
        return NULL;
    }
    struct listener *l = xcalloc(1, sizeof *l);
    l->role = role;
    l->fd = fd;
    l->bound.ss_family = AF_UNIX;
    l->address = xstrdup(address);
    return l;
}

struct listener *listen_acquire(struct listen_pool *pool, enum role role, const char *address,
                                char **why_out)
{
    struct listener *l;
    *why_out = NULL;
    LIST_FOREACH(l, &pool->open, link)
    {
        if (l->role == role && l->fd >= 0 && strcmp(l->key, address) == 0) {
            l->users++;
            return l;
        }
    }
    if (strncmp(address, "unix:", 5) == 0)
        l = acquire_unix(role, address, why_out);
    else
        l = acquire_tcp(pool, role, address, why_out);
    if (l == NULL)
        return NULL;
    l->key = xstrdup(address);
    l->users = 1;
    LIST_INSERT_HEAD(&pool->open, l, link);
    return l;
}

void listen_close(struct listener *l)
{
    if (l->fd >= 0)
        close(l->fd);
    l->fd = -1;
}

void listen_release(struct listener *l)
{
    if (l == NULL || --l->users > 0)
        return;
    listen_close(l);
    if (l->bound.ss_family == AF_UNIX)
        unlink(l->address + strlen("unix:"));
    LIST_REMOVE(l, link);
    free(l->key);
    free(l->address);
    free(l);
}

int listener_fd(const struct listener *l)
{
    return l->fd;
}

const char *listener_address(const struct listener *l)
{
    return l->address;
}

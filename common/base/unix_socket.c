#include "common/base/unix_socket.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/base/xalloc.h"

char *unix_socket_short_path(const char *path, int *dir_fd_out)
{
    *dir_fd_out = -1;
    if (strlen(path) < sizeof(((struct sockaddr_un *)0)->sun_path))
        return xstrdup(path);
    const char *slash = strrchr(path, '/');
    if (!slash || strlen(slash + 1) > 64) {
        errno = ENAMETOOLONG;
        return NULL;
    }
    char *dir = xasprintf("%.*s", (int)(slash - path), path);
    *dir_fd_out = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    free(dir);
    if (*dir_fd_out < 0)
        return NULL;
    return xasprintf("/proc/self/fd/%d%s", *dir_fd_out, slash);
}

static void close_keeping_errno(int fd)
{
    int saved = errno;
    if (fd >= 0)
        close(fd);
    errno = saved;
}

/* Calls bind or connect with the address of path. */
static int with_address(int fd, const char *path,
                        int (*call)(int fd, const struct sockaddr *address, socklen_t len))
{
    int dir_fd;
    char *fitting = unix_socket_short_path(path, &dir_fd);
    if (!fitting)
        return -1;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strcpy(address.sun_path, fitting);
    free(fitting);
    int rc = call(fd, (const struct sockaddr *)&address, sizeof(address));
    close_keeping_errno(dir_fd);
    return rc;
}

static int call_bind(int fd, const struct sockaddr *address, socklen_t len)
{
    return bind(fd, address, len);
}

static int call_connect(int fd, const struct sockaddr *address, socklen_t len)
{
    return connect(fd, address, len);
}

int unix_socket_listen(const char *path, mode_t mode)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    if ((unlink(path) && errno != ENOENT) || with_address(fd, path, call_bind) ||
        chmod(path, mode) || listen(fd, 1024)) {
        close_keeping_errno(fd);
        return -1;
    }
    return fd;
}

int unix_socket_connect(const char *path)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (with_address(fd, path, call_connect)) {
        close_keeping_errno(fd);
        return -1;
    }
    return fd;
}

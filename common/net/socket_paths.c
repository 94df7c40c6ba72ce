#include "common/net/socket_paths.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "common/base/unix_socket.h"
#include "common/base/xalloc.h"

struct known {
    SLIST_ENTRY(known) link;
    char *path;    /* own */
    char *fitting; /* own */
    int dir_fd;    /* open while fitting is in use, or -1 */
};

struct socket_paths {
    SLIST_HEAD(, known) list;
};

struct socket_paths *socket_paths_new(void)
{
    struct socket_paths *paths = xcalloc(1, sizeof(*paths));
    SLIST_INIT(&paths->list);
    return paths;
}

const char *socket_paths_fit(struct socket_paths *paths, const char *path)
{
    struct known *known;
    SLIST_FOREACH(known, &paths->list, link)
    {
        if (!strcmp(known->path, path))
            return known->fitting;
    }
    int dir_fd;
    char *fitting = unix_socket_short_path(path, &dir_fd);
    if (!fitting)
        return NULL;
    known = xcalloc(1, sizeof(*known));
    known->path = xstrdup(path);
    known->fitting = fitting;
    known->dir_fd = dir_fd;
    SLIST_INSERT_HEAD(&paths->list, known, link);
    return fitting;
}

void socket_paths_free(struct socket_paths *paths)
{
    if (!paths)
        return;
    while (!SLIST_EMPTY(&paths->list)) {
        struct known *known = SLIST_FIRST(&paths->list);
        SLIST_REMOVE_HEAD(&paths->list, link);
        if (known->dir_fd >= 0)
            close(known->dir_fd);
        free(known->path);
        free(known->fitting);
        free(known);
    }
    free(paths);
}

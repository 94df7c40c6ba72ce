#ifndef COMMON_BASE_UNIX_SOCKET_H
#define COMMON_BASE_UNIX_SOCKET_H

#include <sys/types.h>

/* Unix stream sockets at paths of any length. Where a path does not fit into sockaddr_un (107
 * bytes), its directory is opened and the socket is reached through /proc/self/fd. */

/* Binds (replacing a stale socket file) and listens; non-blocking, close-on-exec, file mode as
 * given. -1 with errno. */
int unix_socket_listen(const char *path, mode_t mode) __attribute__((warn_unused_result));

/* Connects, blocking; close-on-exec. -1 with errno. */
int unix_socket_connect(const char *path) __attribute__((warn_unused_result));

/* A path for the same socket that fits (malloc), good while *dir_fd_out (-1 where none was needed)
 * stays open. NULL with errno. */
char *unix_socket_short_path(const char *path, int *dir_fd_out) __attribute__((warn_unused_result));

#endif

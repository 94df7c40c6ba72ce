#ifndef COMMON_NET_SOCKET_PATHS_H
#define COMMON_NET_SOCKET_PATHS_H

/* Unix sockets' paths in a form that fits into sockaddr_un, remembered with the directories that
 * they go through. */
struct socket_paths;

struct socket_paths *socket_paths_new(void);
void socket_paths_free(struct socket_paths *paths); /* closes the directories */

/* The path to connect to, good until socket_paths_free; NULL with errno where the directory cannot
 * be opened (asked again it is tried again). */
const char *socket_paths_fit(struct socket_paths *paths, const char *path);

#endif

#ifndef WORKERS_HTTP_ACCEPT_H
#define WORKERS_HTTP_ACCEPT_H

/* The accepting end of an inherited listening socket. Part of http_server. */
struct event_base;
struct evconnlistener;

/* Takes fd over (closed on failure, too). address is for the log. NULL with a logged reason. */
struct evconnlistener *http_accept_open(struct event_base *base, int fd, const char *address);

/* After evhttp has it: an error of accept() disables it, instead of being met again at once; who
 * counts the connections enables it again. */
void http_accept_bear_errors(struct evconnlistener *accepting);

#endif

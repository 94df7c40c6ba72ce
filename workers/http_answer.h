#ifndef WORKERS_HTTP_ANSWER_H
#define WORKERS_HTTP_ANSWER_H

#include <stdbool.h>

#include "workers/http_server.h"

/* Hands a reply to evhttp, which writes it: checked headers, a body only where the method and the
 * status have one, `Connection: close` where it is the connection's last or the reply says so. Part
 * of http_server. */
struct evhttp_request;

void http_answer_send(struct evhttp_request *request, const struct http_reply *reply, bool last);

#endif

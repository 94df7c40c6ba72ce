#ifndef COMMON_NET_HTTP_REQUEST_H
#define COMMON_NET_HTTP_REQUEST_H

#include <curl/curl.h>

/* What is sent, and how: the words of a call (http_client.h) as options of libcurl's. */
struct http_call;

/* Sets the URL, the header lines, the body, the times and the certificates, and the manners that
 * every call has. The lines are the caller's, who keeps them until the call is over. */
struct curl_slist *http_request_describe(CURL *easy, const struct http_call *call);

#endif

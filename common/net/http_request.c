#include "common/net/http_request.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/xalloc.h"
#include "common/net/http_client.h"

#define CONNECT_TIMEOUT_MS 3000

static bool plain(const char *text)
{
    return !text[strcspn(text, "\r\n")];
}

static struct curl_slist *add_line(struct curl_slist *lines, const char *line)
{
    struct curl_slist *longer = curl_slist_append(lines, line);
    if (!longer)
        abort();
    return longer;
}

static struct curl_slist *lines_of(const struct http_call *call)
{
    /* No 100-continue round trip, and no content type of libcurl's own. */
    struct curl_slist *lines = add_line(NULL, "Expect:");
    bool typed = false;
    for (size_t i = 0; i < call->header_count; i++) {
        const struct http_header *h = &call->headers[i];
        assert(plain(h->name) && plain(h->value));
        char *line = *h->value ? xasprintf("%s: %s", h->name, h->value) : xasprintf("%s;", h->name);
        lines = add_line(lines, line);
        explicit_bzero(line, strlen(line));
        free(line);
        typed = typed || !strcasecmp(h->name, "content-type");
    }
    return typed ? lines : add_line(lines, "Content-Type:");
}

static void set_method(CURL *easy, const struct http_call *call)
{
    curl_easy_setopt(easy, CURLOPT_CUSTOMREQUEST, call->method);
    if (!strcmp(call->method, "HEAD")) {
        curl_easy_setopt(easy, CURLOPT_NOBODY, 1L);
    } else if (call->body_len || !strcmp(call->method, "POST") || !strcmp(call->method, "PUT") ||
               !strcmp(call->method, "PATCH")) {
        curl_easy_setopt(easy, CURLOPT_POST, 1L);
        curl_easy_setopt(easy, CURLOPT_POSTFIELDS, call->body_len ? call->body : "");
        curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)call->body_len);
    }
}

static void set_manners(CURL *easy)
{
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L); /* a dead resolver must not block the loop */
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_PROXY, ""); /* not the environment's */
    curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(easy, CURLOPT_MAXAGE_CONN, 45L); /* before the server gives it up */
    curl_easy_setopt(easy, CURLOPT_DNS_CACHE_TIMEOUT, 60L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPIDLE, 15L);
    curl_easy_setopt(easy, CURLOPT_TCP_KEEPINTVL, 5L);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "Sluice/" SLUICE_VERSION);
}

static bool given(const char *file)
{
    return file && *file;
}

static void set_tls(CURL *easy, const struct http_tls *tls)
{
    if (given(tls->ca_file)) {
        curl_easy_setopt(easy, CURLOPT_CAINFO, tls->ca_file);
        curl_easy_setopt(easy, CURLOPT_CAPATH, NULL);         /* else the system's stay trusted */
        curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, 0L); /* else it is kept for a day */
    }
    if (given(tls->cert_file)) {
        curl_easy_setopt(easy, CURLOPT_SSLCERT, tls->cert_file);
        curl_easy_setopt(easy, CURLOPT_SSLKEY,
                         given(tls->key_file) ? tls->key_file : tls->cert_file);
        curl_easy_setopt(easy, CURLOPT_KEYPASSWD, ""); /* else OpenSSL asks at the terminal */
    }
}

struct curl_slist *http_request_describe(CURL *easy, const struct http_call *call)
{
    int64_t connect_ms = call->connect_timeout_ms ? call->connect_timeout_ms : CONNECT_TIMEOUT_MS;
    struct curl_slist *lines = lines_of(call);
    assert(plain(call->url));
    curl_easy_setopt(easy, CURLOPT_URL, call->url);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, lines);
    curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)call->timeout_ms);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, (long)connect_ms);
    set_method(easy, call);
    set_manners(easy);
    set_tls(easy, &call->tls);
    return lines;
}

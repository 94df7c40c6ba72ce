#include "common/conf/conf_format.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/ip_range.h"

#define FIFO ".fifo"
#define QUEUE_NAME_MAX 80
#define NAME_CHARACTERS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

const char *conf_format_not_empty(const char *text)
{
    return *text ? NULL : "a text that is not empty";
}

const char *conf_format_line(const char *text)
{
    for (const unsigned char *p = (const unsigned char *)text; *p; p++)
        if (*p < 0x20 || *p == 0x7f)
            return "one line without control characters";
    return NULL;
}

const char *conf_format_secret(const char *text)
{
    return *text ? conf_format_line(text) : "a text that is not empty";
}

const char *conf_format_header_name(const char *text)
{
    for (const char *p = text; *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr("!#$%&'*+-.^_`|~", *p))
            return "the name of an HTTP header, such as \"X-Api-Key\"";
    return NULL;
}

/* 60 leaves room for "-inspection" in the 80 characters of a queue name. */
const char *conf_format_name(const char *text)
{
    size_t len = strlen(text);
    if (len == 0 || len > 60 || strspn(text, NAME_CHARACTERS) != len)
        return "1 to 60 letters, digits, \"-\" and \"_\"";
    return NULL;
}

const char *conf_format_name_or_none(const char *text)
{
    return *text ? conf_format_name(text) : NULL;
}

bool conf_format_is_fifo(const char *queue)
{
    size_t len = strlen(queue);
    return len >= strlen(FIFO) && strcmp(queue + len - strlen(FIFO), FIFO) == 0;
}

const char *conf_format_queue(const char *text)
{
    size_t len = strlen(text);
    if (conf_format_is_fifo(text))
        return "a name without \".fifo\": the embedded store keeps standard queues only, and a "
               "FIFO queue on AWS is named by queues.NAME.url";
    if (len == 0 || len > QUEUE_NAME_MAX || strspn(text, NAME_CHARACTERS) != len)
        return "the name of a queue: 1 to 80 letters, digits, \"-\" and \"_\"";
    return NULL;
}

const char *conf_format_queue_or_none(const char *text)
{
    return *text ? conf_format_queue(text) : NULL;
}

const char *conf_format_table(const char *text)
{
    size_t len = strlen(text);
    if (len < 3 || len > 255 || strspn(text, NAME_CHARACTERS ".") != len)
        return "the name of a table: 3 to 255 letters, digits, \"-\", \"_\" and \".\"";
    return NULL;
}

const char *conf_format_bucket(const char *text)
{
    size_t len = strlen(text);
    if (len < 3 || len > 63 || strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-.") != len ||
        strchr("-.", text[0]) || strchr("-.", text[len - 1]) || strstr(text, ".."))
        return "the name of a bucket: 3 to 63 small letters, digits, \"-\" and \".\", a letter or "
               "digit first and last";
    return NULL;
}

const char *conf_format_prefix(const char *text)
{
    size_t len = strlen(text);
    if (len && (len > 200 || strspn(text, NAME_CHARACTERS "./") != len || *text == '/' ||
                text[len - 1] != '/' || strstr(text, "//") || strstr(text, "..")))
        return "empty or a path that ends with \"/\", such as \"dlq/\", of letters, digits, \"-\", "
               "\"_\" and \".\"";
    return NULL;
}

const char *conf_format_token(const char *text)
{
    size_t len = strlen(text);
    for (const char *p = text; *p; p++)
        if (*p <= ' ' || *p >= 0x7f)
            return "printable ASCII without blanks: it is sent in a header";
    return len >= 16 && len <= 1024 ? NULL : "16 to 1024 characters that nobody can guess";
}

const char *conf_format_url_path(const char *text)
{
    static const char *const expected =
        "a URL path such as \"/webhooks/orders\": printable ASCII without blank, \"?\", \"#\", "
        "\"//\" and \"..\"";
    if (*text != '/' || strlen(text) > 1024 || strstr(text, "//") || strstr(text, "/.."))
        return expected;
    for (const char *p = text; *p; p++)
        if (*p <= ' ' || *p >= 0x7f || *p == '?' || *p == '#')
            return expected;
    return NULL;
}

const char *conf_format_url(const char *text)
{
    if (!*text)
        return NULL;
    const char *host = strncmp(text, "https://", 8) == 0  ? text + 8
                       : strncmp(text, "http://", 7) == 0 ? text + 7
                                                          : "";
    if (!*host || *host == '/' || strpbrk(text, " \"<>\\") || conf_format_line(text))
        return "a URL that begins with http:// or https://";
    return NULL;
}

const char *conf_format_call_url(const char *text)
{
    const char *host = strncmp(text, "https://", 8) == 0  ? text + 8
                       : strncmp(text, "http://", 7) == 0 ? text + 7
                                                          : "";
    size_t host_len = strcspn(host, "/?");
    for (const char *p = text; *p; p++)
        if (*p <= ' ' || *p >= 0x7f || strchr("\"<>\\^`{|}#", *p))
            return "a URL in printable ASCII that is encoded already, without \"#\"";
    if (memchr(host, '@', host_len))
        return "a URL without a user and password: put them into headers";
    if (host_len == 0 || *host == ':' || strlen(text) > 2000)
        return "a URL that begins with http:// or https://, such as "
               "\"https://api.example.com/events\"";
    return NULL;
}

const char *conf_format_call_url_or_none(const char *text)
{
    return *text ? conf_format_call_url(text) : NULL;
}

const char *conf_format_call_template_or_none(const char *text)
{
    static const char *const expected =
        "a URL whose places are JSON pointers in braces behind its host, such as "
        "\"https://api.example.com/contacts/{/payload/interaction_id}\"";
    char plain[2048]; /* the URL with "x" at each place */
    size_t len = 0;
    const char *host = strstr(text, "://");
    const char *behind = host ? host + 3 + strcspn(host + 3, "/?") : text + strlen(text);
    for (const char *p = text; *p && len < sizeof(plain) - 1; p++) {
        plain[len++] = *p == '{' ? 'x' : *p;
        if (*p != '{')
            continue;
        char pointer[1024];
        size_t n = strcspn(p + 1, "{}");
        if (p < behind || p[1 + n] != '}' || n >= sizeof(pointer))
            return expected;
        memcpy(pointer, p + 1, n);
        pointer[n] = '\0';
        if (conf_format_pointer(pointer))
            return expected;
        p += n + 1;
    }
    plain[len] = '\0';
    return conf_format_call_url_or_none(plain);
}

const char *conf_format_scope(const char *text)
{
    for (const char *p = text; *p; p++)
        if (*p <= ' ' || *p >= 0x7f || *p == '"' || *p == '\\')
            return "one scope, in printable ASCII without blanks, quotes and backslashes";
    return *text && strlen(text) <= 256 ? NULL : "a scope, such as \"data-actions:read\"";
}

const char *conf_format_region(const char *text)
{
    size_t len = strlen(text);
    if (len > 40 || strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-") != len || *text == '-')
        return "a region such as \"eu-central-1\"";
    return NULL;
}

const char *conf_format_endpoint(const char *text)
{
    if (*text && (conf_format_call_url(text) || strchr(text, '?')))
        return "the URL of an endpoint, such as \"http://127.0.0.1:9324\", without a query";
    return NULL;
}

const char *conf_format_queue_url(const char *text)
{
    static const char *const expected =
        "the URL of an SQS queue, such as "
        "\"https://sqs.eu-central-1.amazonaws.com/123456789012/events\"";
    if (!*text)
        return NULL;
    const char *name = strrchr(text, '/');
    if (conf_format_call_url(text) || strchr(text, '?') || name < strstr(text, "://") + 3 ||
        !name[1])
        return expected;
    size_t len = strlen(name + 1);
    char plain[QUEUE_NAME_MAX + 1];
    if (len > QUEUE_NAME_MAX)
        return expected;
    memcpy(plain, name + 1, len + 1);
    if (conf_format_is_fifo(plain))
        plain[len - strlen(FIFO)] = '\0';
    return conf_format_queue(plain) ? expected : NULL;
}

const char *conf_format_call_header(const char *text)
{
    static const char *const ours[] = {
        "connection",      "content-length", "content-type",      "expect",
        "idempotency-key", "keep-alive",     "proxy-connection",  "te",
        "trailer",         "traceparent",    "tracestate",        "transfer-encoding",
        "upgrade",         "webhook-id",     "webhook-signature", "webhook-timestamp"};
    if (!*text || conf_format_header_name(text))
        return "the name of an HTTP header, such as \"X-Api-Key\"";
    for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
        if (strcasecmp(text, ours[i]) == 0)
            return "another one: Sluice sets this header itself";
    return strncasecmp(text, "sluice-", 7) == 0 ? "another one: Sluice sets this header itself"
                                                : NULL;
}

const char *conf_format_signing_secret(const char *text)
{
    static const char *const expected =
        "\"whsec_\" and base64 of 24 to 64 bytes, or another text of 16 to 1024 characters";
    size_t len = strlen(text);
    if (conf_format_secret(text))
        return conf_format_secret(text);
    if (strncmp(text, "whsec_", 6) != 0)
        return len >= 16 && len <= 1024 ? NULL : expected;
    size_t digits =
        strspn(text + 6, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/");
    size_t padding = len - 6 - digits;
    if (strspn(text + 6 + digits, "=") != padding || padding > 2 || (len - 6) % 4 != 0)
        return expected;
    size_t bytes = (len - 6) / 4 * 3 - padding;
    return bytes >= 24 && bytes <= 64 ? NULL : expected;
}

const char *conf_format_network(const char *text)
{
    struct ip_range range;
    if (ip_range_parse(text, &range))
        return "a network such as \"10.0.0.0/8\", \"127.0.0.1\" or \"fd00::/8\", its address the "
               "first "
               "one in it";
    return NULL;
}

/* Splits "host:port", the host without the brackets of IPv6. 0, or -1 where it is no such thing. */
static int split_listen(const char *text, char host[64])
{
    const char *colon = strrchr(text, ':');
    if (!colon || strspn(colon + 1, "0123456789") != strlen(colon + 1) || !colon[1] ||
        strlen(colon + 1) > 5 || strtol(colon + 1, NULL, 10) > 65535)
        return -1;
    const char *start = text;
    size_t len = (size_t)(colon - text);
    if (*text == '[' && len > 2 && colon[-1] == ']') {
        start++;
        len -= 2;
    }
    if (len == 0 || len >= 64)
        return -1;
    memcpy(host, start, len);
    host[len] = '\0';
    struct in6_addr ip;
    if (strcmp(host, "localhost") == 0)
        return start == text ? 0 : -1;
    return inet_pton(start == text ? AF_INET : AF_INET6, host, &ip) == 1 ? 0 : -1;
}

const char *conf_format_listen(const char *text)
{
    char host[64];
    if (split_listen(text, host))
        return "an address and port such as \"127.0.0.1:8080\", \"0.0.0.0:8080\" or \"[::1]:8080\"";
    return NULL;
}

bool conf_format_is_loopback(const char *listen)
{
    char host[64];
    if (split_listen(listen, host))
        return false;
    return strcmp(host, "localhost") == 0 || strncmp(host, "127.", 4) == 0 ||
           strcmp(host, "::1") == 0;
}

const char *conf_format_listen_local(const char *text)
{
    if (!conf_format_is_loopback(text))
        return "a loopback address and port such as \"127.0.0.1:9324\"";
    return NULL;
}

const char *conf_format_pointer(const char *text)
{
    if (*text != '/')
        return "a JSON pointer such as \"/event_id\"";
    for (const char *p = text; (p = strchr(p, '~')); p++)
        if (p[1] != '0' && p[1] != '1')
            return "a JSON pointer in which \"~\" is written \"~0\"";
    return NULL;
}

const char *conf_format_pointer_or_none(const char *text)
{
    return *text ? conf_format_pointer(text) : NULL;
}

const char *conf_format_variable(const char *text)
{
    if (!*text || isdigit((unsigned char)*text))
        return "the name of an environment variable";
    for (const char *p = text; *p; p++)
        if (!isalnum((unsigned char)*p) && *p != '_')
            return "the name of an environment variable";
    return NULL;
}

const char *conf_format_template(const char *text)
{
    for (const char *p = text; (p = strpbrk(p, "{}")); p += strlen("{source}"))
        if (strncmp(p, "{source}", strlen("{source}")) != 0)
            return "a file path in which {source} is the only placeholder";
    return conf_format_line(text);
}

#include "common/conf/conf_check_http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "common/base/egress.h"
#include "common/conf/conf.h"
#include "common/conf/conf_errors.h"

#define HOST_BYTES 256
#define PATH_BYTES 160

static const char *path_of(char out[PATH_BYTES], const char *at, const char *key)
{
    snprintf(out, PATH_BYTES, "%.110s.%s", at, key);
    return out;
}

/* The host of a well-formed URL, without port and brackets. */
static int host_of(const char *url, char host[HOST_BYTES])
{
    const char *start = strstr(url, "://");
    if (!start)
        return -1;
    start += 3;
    size_t len = strcspn(start, "/?:");
    if (*start == '[') {
        start++;
        len = strcspn(start, "]");
    }
    if (len >= HOST_BYTES)
        return -1;
    memcpy(host, start, len);
    host[len] = '\0';
    return 0;
}

/* The address that a host stands for without asking a name server; the resolver takes numbers such
 * as 127.1 and 0x7f000001 too. */
static int address_of(const char *host, struct ip_address *out)
{
    struct in_addr v4;
    if (strcasecmp(host, "localhost") == 0)
        return ip_address_parse("127.0.0.1", out);
    if (ip_address_parse(host, out) == 0)
        return 0;
    if (inet_aton(host, &v4) == 0)
        return -1;
    *out = (struct ip_address){.len = 4};
    memcpy(out->bytes, &v4, 4);
    return 0;
}

static void check_address(const char *at, const json_t *object, const char *url_key,
                          struct conf_errors *errors)
{
    char host[HOST_BYTES], path[PATH_BYTES];
    struct ip_address address;
    size_t count;
    struct ip_range *allowed = conf_networks(object, &count);
    path_of(path, at, url_key);
    if (host_of(conf_str(object, url_key), host) == 0 && address_of(host, &address) == 0) {
        const char *what = egress_refusal(&address, allowed, count);
        if (what && egress_is_metadata(&address))
            conf_errors_add(errors, path, "%s is %s", host, what);
        else if (what)
            conf_errors_add(errors, path,
                            "%s is %s: to call it all the same, list its network in allow_networks",
                            host, what);
    }
    free(allowed);
}

static void check_files(const char *at, const json_t *object, struct conf_errors *errors)
{
    static const char *const keys[] = {"ca_file", "cert_file", "key_file"};
    char path[PATH_BYTES];
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        const char *file = json_string_value(json_object_get(object, keys[i]));
        if (file && *file && access(file, R_OK))
            conf_errors_add(errors, path_of(path, at, keys[i]), "cannot read \"%.200s\": %s", file,
                            strerror(errno));
    }
    const json_t *key = json_object_get(object, "key_file");
    if (json_string_length(key) && !*conf_str(object, "cert_file"))
        conf_errors_add(errors, path_of(path, at, "cert_file"),
                        "must be written: key_file is the key of a client certificate");
}

void conf_check_http(const char *at, const json_t *object, const char *url_key,
                     struct conf_errors *errors)
{
    check_address(at, object, url_key, errors);
    check_files(at, object, errors);
}

void conf_check_http_secret(const char *at, const json_t *object, const char *url_key,
                            struct conf_errors *errors)
{
    char host[HOST_BYTES], path[PATH_BYTES];
    struct ip_address address;
    const char *url = conf_str(object, url_key);
    if (strncmp(url, "http://", 7) != 0 || host_of(url, host))
        return;
    bool is_public = address_of(host, &address) == 0 && !egress_refusal(&address, NULL, 0);
    if (is_public || json_array_size(conf_value(object, "allow_networks")) == 0)
        conf_errors_add(errors, path_of(path, at, url_key),
                        "http:// would show the secret to everyone on the way: use https://, or "
                        "list the private network it is in under allow_networks");
}

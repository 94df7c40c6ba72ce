#include "common/conf/conf_aws.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "common/base/xalloc.h"
#include "common/conf/aws_files.h"
#include "common/conf/conf.h"
#include "common/conf/conf_errors.h"
#include "common/conf/conf_format.h"

#define PATH_BYTES 160

static const struct service {
    const char *name, *key, *variable;
} services[] = {
    {"sqs", "sqs_endpoint_url", "AWS_ENDPOINT_URL_SQS"},
    {"s3", "s3_endpoint_url", "AWS_ENDPOINT_URL_S3"},
    {"dynamodb", "dynamodb_endpoint_url", "AWS_ENDPOINT_URL_DYNAMODB"},
    {"sts", "sts_endpoint_url", "AWS_ENDPOINT_URL_STS"},
};
#define SERVICES (sizeof(services) / sizeof(services[0]))

struct resolving {
    json_t *conf;               /* borrowed */
    json_t *aws;                /* borrowed: its member "aws" */
    struct aws_files *files;    /* own */
    const char *profile;        /* borrowed */
    bool ignores_endpoints;     /* of environment and files */
    struct conf_errors *errors; /* borrowed */
};

static bool is_aws(const json_t *object)
{
    return strcmp(conf_str(object, "service"), "aws") == 0;
}

static bool is_true(const char *value)
{
    return value && strcasecmp(value, "true") == 0;
}

/* ---- what is used ---- */

static bool uses_queue(const json_t *conf)
{
    const char *name;
    json_t *queue;
    json_object_foreach(json_object_get(conf, "queues"), name, queue)
    {
        if (is_aws(queue))
            return true;
    }
    return false;
}

static bool uses(const json_t *conf, const char *service)
{
    if (strcmp(service, "sqs") == 0)
        return uses_queue(conf);
    if (strcmp(service, "s3") == 0)
        return is_aws(conf_value(conf, "dead_letters"));
    if (strcmp(service, "dynamodb") == 0)
        return is_aws(conf_value(conf, "ledger"));
    return conf_aws_is_used(conf);
}

bool conf_aws_is_used(const json_t *conf)
{
    return uses_queue(conf) || is_aws(conf_value(conf, "dead_letters")) ||
           is_aws(conf_value(conf, "ledger"));
}

/* ---- hosts ---- */

/* Cuts a suffix off; false where the text does not end with it. */
static bool cut(char *text, const char *suffix)
{
    size_t len = strlen(text), suffix_len = strlen(suffix);
    if (len < suffix_len || strcmp(text + len - suffix_len, suffix) != 0)
        return false;
    text[len - suffix_len] = '\0';
    return true;
}

static bool is_word(const char *start, size_t len, const char *word)
{
    return strlen(word) == len && strncmp(start, word, len) == 0;
}

/* "sqs.REGION", "sqs-fips.REGION", "vpce-1.sqs.REGION.vpce", and the old "REGION.queue", "queue".
 */
bool conf_aws_url_region(const char *url, char region_out[CONF_AWS_REGION_BYTES])
{
    char host[256];
    const char *authority = strstr(url, "://");
    authority = authority ? authority + 3 : "";
    size_t host_len = strcspn(authority, "/:");
    if (host_len >= sizeof(host))
        return false;
    memcpy(host, authority, host_len);
    host[host_len] = '\0';
    if (!cut(host, ".amazonaws.com") && !cut(host, ".amazonaws.com.cn") && !cut(host, ".api.aws"))
        return false;
    const char *before = "us-east-1"; /* what the oldest host, "queue", means */
    size_t before_len = strlen(before);
    for (const char *p = host; *p; p += *p == '.') {
        size_t len = strcspn(p, ".");
        bool names_next = is_word(p, len, "sqs") || is_word(p, len, "sqs-fips");
        if (names_next && p[len] == '.') {
            before = p + len + 1;
            before_len = strcspn(before, ".");
        }
        if (names_next || is_word(p, len, "queue")) {
            snprintf(region_out, CONF_AWS_REGION_BYTES, "%.*s", (int)before_len, before);
            return p[len] == '.' || is_word(p, len, "queue");
        }
        before = p;
        before_len = len;
        p += len;
    }
    return false;
}

/* ---- region ---- */

/* Takes a value that was found outside the configuration; false after an error where it is none. */
static bool take(const struct resolving *r, const char *key, const char *value, const char *where,
                 conf_format *format)
{
    const char *expected = format(value);
    char at[PATH_BYTES];
    snprintf(at, sizeof(at), "aws.%s", key);
    if (expected)
        conf_errors_add(r->errors, at, "%s says \"%.80s\": it must be %s", where, value, expected);
    else
        json_object_set_new(r->aws, key, json_string(value));
    return !expected;
}

/* The region of the first queue on AWS whose URL names one. */
static bool queues_region(const json_t *conf, char region_out[CONF_AWS_REGION_BYTES])
{
    const char *name;
    json_t *queue;
    json_object_foreach(json_object_get(conf, "queues"), name, queue)
    {
        if (is_aws(queue) && conf_aws_url_region(conf_str(queue, "url"), region_out))
            return true;
    }
    return false;
}

static void resolve_region(const struct resolving *r)
{
    static const char *const variables[] = {"AWS_REGION", "AWS_DEFAULT_REGION"};
    char region[CONF_AWS_REGION_BYTES];
    if (*conf_str(r->aws, "region") || conf_errors_concern(r->errors, "aws.region"))
        return;
    for (size_t i = 0; i < 2; i++) {
        const char *value = aws_files_env(variables[i]);
        if (value) {
            take(r, "region", value, variables[i], conf_format_region);
            return;
        }
    }
    const char *value = aws_files_get(r->files, AWS_FILE_CONFIG, r->profile, "region");
    if (value)
        take(r, "region", value, "the profile's file", conf_format_region);
    else if (queues_region(r->conf, region))
        take(r, "region", region, "a queue's URL", conf_format_region);
    else if (!conf_errors_concern(r->errors, "queues"))
        conf_errors_add(r->errors, "aws.region",
                        "no region was found: write it here, such as \"eu-central-1\", or set "
                        "AWS_REGION");
}

/* ---- endpoints ---- */

static bool ignores_endpoints(const struct resolving *r)
{
    const char *value = aws_files_env("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS");
    return is_true(value ? value
                         : aws_files_get(r->files, AWS_FILE_CONFIG, r->profile,
                                         "ignore_configured_endpoint_urls"));
}

/* What the environment or the profile says, with where it was found; NULL for AWS's own. */
static const char *found_endpoint(const struct resolving *r, const struct service *service,
                                  const char **where_out)
{
    const char *value;
    if (r->ignores_endpoints)
        return NULL;
    *where_out = service->variable;
    if ((value = aws_files_env(*where_out)))
        return value;
    *where_out = "AWS_ENDPOINT_URL";
    if ((value = aws_files_env(*where_out)))
        return value;
    *where_out = "the profile's file";
    value = aws_files_get_service(r->files, r->profile, service->name, "endpoint_url");
    return value ? value : aws_files_get(r->files, AWS_FILE_CONFIG, r->profile, "endpoint_url");
}

static void set_built_in(const struct resolving *r, const struct service *service)
{
    const char *region = conf_str(r->aws, "region");
    char *url = xasprintf("https://%s.%s.amazonaws.com%s", service->name, region,
                          strncmp(region, "cn-", 3) == 0 ? ".cn" : "");
    json_object_set_new(r->aws, service->key, json_string(url));
    free(url);
}

static void cut_slashes(const struct resolving *r, const char *key)
{
    const char *url = conf_str(r->aws, key);
    size_t len = strlen(url);
    while (len && url[len - 1] == '/')
        len--;
    json_object_set_new(r->aws, key, json_stringn(url, len));
}

/* True where it is not AWS's own. */
static bool resolve_endpoint(const struct resolving *r, const struct service *service)
{
    const char *general = conf_str(r->aws, "endpoint_url");
    const char *where = NULL;
    const char *found = found_endpoint(r, service, &where);
    bool is_written = *conf_str(r->aws, service->key) != '\0';
    if (!is_written && *general)
        json_object_set_new(r->aws, service->key, json_string(general));
    else if (!is_written && found)
        take(r, service->key, found, where, conf_format_endpoint);
    else if (!is_written)
        set_built_in(r, service);
    cut_slashes(r, service->key);
    return is_written || *general || found;
}

static void resolve_addressing(const struct resolving *r, bool is_override)
{
    bool has_dot = strchr(conf_str(r->conf, "dead_letters.bucket"), '.') != NULL;
    if (strcmp(conf_str(r->aws, "s3_addressing"), "auto") == 0)
        json_object_set_new(r->aws, "s3_addressing",
                            json_string(is_override || has_dot ? "path" : "virtual"));
}

static void resolve_ca_file(const struct resolving *r)
{
    const char *bundle = aws_files_env("AWS_CA_BUNDLE");
    if (!*conf_str(r->aws, "ca_file") && bundle)
        take(r, "ca_file", bundle, "AWS_CA_BUNDLE", conf_format_line);
    const char *file = conf_str(r->aws, "ca_file");
    if (*file && access(file, R_OK))
        conf_errors_add(r->errors, "aws.ca_file", "cannot read \"%.200s\": %s", file,
                        strerror(errno));
}

/* ---- the whole ---- */

/* The name of a queue on AWS is the end of its URL. */
static void set_names(const struct resolving *r)
{
    const char *key;
    json_t *queue;
    json_object_foreach(json_object_get(r->conf, "queues"), key, queue)
    {
        const char *name = strrchr(conf_str(queue, "url"), '/');
        const char *written = conf_str(queue, "name");
        char at[PATH_BYTES];
        snprintf(at, sizeof(at), "queues.%s.name", key);
        if (!is_aws(queue) || !name)
            continue;
        if (strcmp(written, key) != 0 && strcmp(written, name + 1) != 0)
            conf_errors_add(r->errors, at, "is not what the url names: leave it out");
        json_object_set_new(queue, "name", json_string(name + 1));
    }
}

static void warn_unsupported(const struct resolving *r)
{
    static const char *const variables[] = {"AWS_USE_FIPS_ENDPOINT", "AWS_USE_DUALSTACK_ENDPOINT"};
    for (size_t i = 0; i < 2; i++)
        if (is_true(aws_files_env(variables[i])))
            conf_errors_warn(r->errors, "aws",
                             "%s is not looked at: write such endpoints as aws.sqs_endpoint_url, "
                             "s3_endpoint_url, dynamodb_endpoint_url and sts_endpoint_url",
                             variables[i]);
}

/* Roles see what they use and nothing that may change beside it. */
static void clear_unused(json_t *conf)
{
    json_t *aws = json_object_get(conf, "aws");
    for (size_t i = 0; i < SERVICES; i++)
        if (!uses(conf, services[i].name))
            json_object_set_new(aws, services[i].key, json_string(""));
    if (!conf_aws_is_used(conf))
        json_object_set_new(aws, "region", json_string(""));
}

void conf_aws_resolve(json_t *conf, struct conf_errors *errors)
{
    struct resolving r = {.conf = conf, .aws = json_object_get(conf, "aws"), .errors = errors};
    bool s3_is_override = false;
    char why[512];
    clear_unused(conf);
    if (!conf_aws_is_used(conf))
        return;
    r.profile = aws_files_profile_name(conf_str(r.aws, "profile"));
    r.files = aws_files_new();
    if (aws_files_read(r.files, AWS_FILE_CONFIG, why, sizeof(why)))
        conf_errors_warn(errors, "aws.profile", "%s", why);
    r.ignores_endpoints = ignores_endpoints(&r);
    resolve_region(&r);
    for (size_t i = 0; i < SERVICES; i++)
        if (uses(conf, services[i].name) && resolve_endpoint(&r, &services[i]) &&
            strcmp(services[i].name, "s3") == 0)
            s3_is_override = true;
    resolve_addressing(&r, s3_is_override);
    resolve_ca_file(&r);
    set_names(&r);
    warn_unsupported(&r);
    aws_files_free(r.files);
}

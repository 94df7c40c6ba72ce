#include "common/aws/endpoint.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/xalloc.h"
#include "common/conf/conf.h"

struct endpoint {
    struct aws_endpoint aws; /* its strings are the following, or literal */
    char *service;           /* own, as are all of them; NULL where there is none */
    char *unix_socket;
    char *region;
    char *url;
    char *ca_file;
    char *sse;
    char *kms_key_id;
};

static void set_embedded(struct endpoint *endpoint, const json_t *conf)
{
    endpoint->unix_socket = xasprintf("%s/store.sock", conf_str(conf, "run_dir"));
    endpoint->aws = (struct aws_endpoint){
        .identity = "embedded",
        .region = "local",
        .url = "http://store.local",
        .unix_socket = endpoint->unix_socket,
    };
}

static char *copy_unless_empty(const json_t *conf, const char *path)
{
    const char *text = conf_str(conf, path);
    return *text ? xstrdup(text) : NULL;
}

static void set_s3(struct endpoint *endpoint, const json_t *conf)
{
    struct aws_endpoint *e = &endpoint->aws;
    endpoint->sse = copy_unless_empty(conf, "dead_letters.sse");
    endpoint->kms_key_id = copy_unless_empty(conf, "dead_letters.kms_key_id");
    e->sse = endpoint->sse;
    e->kms_key_id = endpoint->kms_key_id;
    e->unconditional = !conf_bool(conf, "dead_letters.conditional_writes");
    e->bucket_in_host = strcmp(conf_str(conf, "aws.s3_addressing"), "virtual") == 0;
    if (!e->bucket_in_host)
        return;
    const char *host = strstr(endpoint->url, "://") + 3;
    char *url = xasprintf("%.*s%s.%s", (int)(host - endpoint->url), endpoint->url,
                          conf_str(conf, "dead_letters.bucket"), host);
    free(endpoint->url);
    endpoint->url = url;
}

static void set_aws(struct endpoint *endpoint, const json_t *conf, const char *aws_service)
{
    char *url_key = xasprintf("aws.%s_endpoint_url", aws_service);
    endpoint->region = xstrdup(conf_str(conf, "aws.region"));
    endpoint->ca_file = copy_unless_empty(conf, "aws.ca_file");
    endpoint->url = xstrdup(conf_str(conf, url_key));
    endpoint->aws = (struct aws_endpoint){
        .identity = "aws", .region = endpoint->region, .ca_file = endpoint->ca_file};
    if (strcmp(aws_service, "s3") == 0)
        set_s3(endpoint, conf);
    endpoint->aws.url = endpoint->url;
    free(url_key);
}

struct endpoint *endpoint_new(const json_t *conf, const char *service, const char *aws_service)
{
    struct endpoint *endpoint = xcalloc(1, sizeof(*endpoint));
    bool embedded = strcmp(service, "embedded") == 0;
    assert(embedded || strcmp(service, "aws") == 0);
    if (embedded)
        set_embedded(endpoint, conf);
    else
        set_aws(endpoint, conf, aws_service);
    endpoint->service = xstrdup(aws_service);
    endpoint->aws.service = endpoint->service;
    return endpoint;
}

void endpoint_free(struct endpoint *endpoint)
{
    if (!endpoint)
        return;
    free(endpoint->service);
    free(endpoint->unix_socket);
    free(endpoint->region);
    free(endpoint->url);
    free(endpoint->ca_file);
    free(endpoint->sse);
    free(endpoint->kms_key_id);
    free(endpoint);
}

const struct aws_endpoint *endpoint_aws(const struct endpoint *endpoint)
{
    return &endpoint->aws;
}

bool endpoint_is_embedded(const struct aws_endpoint *endpoint)
{
    return strcmp(endpoint->identity, "embedded") == 0;
}

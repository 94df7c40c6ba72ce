#include "common/aws/endpoint.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/xalloc.h"

struct endpoint {
    struct aws_endpoint aws; /* its strings are owned or literal */
    char *service;           /* own */
    char *unix_socket;       /* own */
};

struct endpoint *endpoint_new(const json_t *conf, const char *service, const char *aws_service)
{
    const char *run_dir = json_string_value(json_object_get(conf, "run_dir"));
    assert(!strcmp(service, "embedded") && run_dir);
    struct endpoint *endpoint = xcalloc(1, sizeof(*endpoint));
    endpoint->service = xstrdup(aws_service);
    endpoint->unix_socket = xasprintf("%s/store.sock", run_dir);
    endpoint->aws = (struct aws_endpoint){
        .identity = "embedded",
        .region = "local",
        .service = endpoint->service,
        .url = "http://store.local",
        .unix_socket = endpoint->unix_socket,
    };
    return endpoint;
}

void endpoint_free(struct endpoint *endpoint)
{
    if (!endpoint)
        return;
    free(endpoint->service);
    free(endpoint->unix_socket);
    free(endpoint);
}

const struct aws_endpoint *endpoint_aws(const struct endpoint *endpoint)
{
    return &endpoint->aws;
}

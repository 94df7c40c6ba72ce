#include "workers/store/intake.h"

#include <stdio.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "workers/http_server.h"
#include "workers/store/s3_request.h"
#include "workers/store/verify.h"

#define REGION "local"
#define HEADERS_MAX 64

struct headers {
    struct sigv4_header list[HEADERS_MAX];
    size_t count;
    size_t dropped;
};

static void add_header(void *arg, const char *name, const char *value)
{
    struct headers *h = arg;
    if (h->count < HEADERS_MAX)
        h->list[h->count++] = (struct sigv4_header){name, value};
    else
        h->dropped++;
}

/* target NULL: the one that speaks REST. */
static const struct service *service_for(const struct service *const *services, size_t count,
                                         const char *target)
{
    for (size_t i = 0; i < count; i++) {
        const char *prefix = services[i]->target_prefix;
        if (target && prefix ? strncmp(target, prefix, strlen(prefix)) == 0 : !target && !prefix)
            return services[i];
    }
    return NULL;
}

static bool refuse(struct service_answer *answer, int status, const char *type, const char *message)
{
    service_answer_error(answer, status, "com.amazon.coral.service", type, message);
    if (!answer->xml)
        snprintf(answer->query_error, sizeof(answer->query_error), "%s;%s", type,
                 status < 500 ? "Sender" : "Receiver");
    answer->retry_after_s = status == 503 ? 1 : 0;
    return false;
}

static bool take_json(const struct service *service, const char *target,
                      const struct http_request *request, struct service_call *call,
                      struct service_answer *answer)
{
    json_t *in = json_loadb(request->body, request->body_len, 0, NULL);
    if (!json_is_object(in)) {
        json_decref(in);
        return refuse(answer, 400, "SerializationException",
                      "The request's body is not a JSON object.");
    }
    call->operation = xstrdup(target + strlen(service->target_prefix));
    call->input = in;
    return true;
}

bool intake_take(const struct service *const *services, size_t service_count,
                 const struct material *material, const struct http_request *request,
                 const struct service **service_out, struct service_call *call_out,
                 struct service_answer *answer_out)
{
    struct headers h = {.count = 0};
    struct verify_result v;
    http_request_each_header(request, add_header, &h);
    const char *target = http_request_header(request, "X-Amz-Target");
    const struct service *service = service_for(services, service_count, target);
    struct verify_input input = {request->method, request->path, request->query,   h.list,
                                 h.count,         request->body, request->body_len};
    answer_out->xml = service && !service->target_prefix;
    if (!service || h.dropped > 0)
        return refuse(answer_out, 400, "UnknownOperationException",
                      "X-Amz-Target must name an operation, for example AmazonSQS.SendMessage.");
    if (target && (strcmp(request->method, "POST") != 0 || strcmp(request->path, "/") != 0))
        return refuse(answer_out, 404, "UnknownOperationException",
                      "The store answers POST / only where X-Amz-Target is given.");
    if (!verify_request(material, REGION, service->name, &input, clock_wall_ms(), &v)) {
        if (v.status != 503)
            log_warn("refused %.60s on %s: %s: %s", target ? target : request->method,
                     request->listener, v.code, v.message);
        return refuse(answer_out, v.status, v.code, v.message);
    }
    if (target && !take_json(service, target, request, call_out, answer_out))
        return false;
    if (!target) {
        call_out->operation = xasprintf("%s %s", request->method, request->path);
        call_out->s3 = s3_request_new(request->method, request->path, request->query, h.list,
                                      h.count, request->body, request->body_len);
    }
    snprintf(call_out->caller, sizeof(call_out->caller), "%s", v.caller);
    *service_out = service;
    return true;
}

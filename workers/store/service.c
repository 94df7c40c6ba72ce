#include "workers/store/service.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/xalloc.h"
#include "workers/store/s3_request.h"
#include "workers/store/s3_xml.h"

void service_call_clear(struct service_call *call)
{
    free(call->operation);
    json_decref(call->input);
    s3_request_free(call->s3);
    *call = (struct service_call){0};
}

void service_answer_clear(struct service_answer *answer)
{
    for (size_t i = 0; i < answer->header_count; i++) {
        free(answer->headers[i].name);
        free(answer->headers[i].value);
    }
    free(answer->headers);
    free(answer->body);
    *answer = (struct service_answer){.xml = answer->xml};
}

bool service_waits(const struct service *service, const struct service_call *call)
{
    return service->waits && service->waits(call);
}

void service_answer_header(struct service_answer *answer, const char *name, const char *value)
{
    answer->headers =
        xrealloc(answer->headers, (answer->header_count + 1) * sizeof(*answer->headers));
    answer->headers[answer->header_count++] =
        (struct service_header){xstrdup(name), xstrdup(value)};
}

void service_answer_json(struct service_answer *answer, int status, json_t *object)
{
    answer->status = status;
    answer->body = object ? json_dumps(object, JSON_COMPACT) : NULL;
    answer->body_len = answer->body ? strlen(answer->body) : 0;
    json_decref(object);
}

void service_answer_error(struct service_answer *answer, int status, const char *name_space,
                          const char *type, const char *message)
{
    service_answer_clear(answer);
    if (answer->xml) {
        s3_error_answer(answer, status, type, message, NULL, NULL);
        return;
    }
    char *full = xasprintf("%s#%s", name_space, type);
    service_answer_json(answer, status,
                        json_pack("{s:s, s:s}", "__type", full, "message", message));
    free(full);
}

void service_answer_internal(struct service_answer *answer)
{
    service_answer_error(answer, 500, "com.amazon.coral.service",
                         answer->xml ? "InternalError" : "InternalFailure",
                         "The store could not make this durable. Nothing of it was done; send it "
                         "again.");
}

void service_answer_unavailable(struct service_answer *answer, const char *message,
                                int retry_after_s)
{
    service_answer_error(answer, 503, "com.amazon.coral.service", "ServiceUnavailable", message);
    answer->retry_after_s = retry_after_s;
}

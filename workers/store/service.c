#include "workers/store/service.h"

#include <stdlib.h>

#include "common/base/xalloc.h"

void service_call_clear(struct service_call *call)
{
    free(call->operation);
    json_decref(call->input);
    *call = (struct service_call){0};
}

void service_answer_clear(struct service_answer *answer)
{
    free(answer->body);
    *answer = (struct service_answer){0};
}

void service_answer_error(struct service_answer *answer, int status, const char *name_space,
                          const char *type, const char *message)
{
    service_answer_clear(answer);
    char *full = xasprintf("%s#%s", name_space, type);
    json_t *body = json_pack("{s:s, s:s}", "__type", full, "message", message);
    answer->status = status;
    answer->body = body ? json_dumps(body, JSON_COMPACT) : NULL;
    json_decref(body);
    free(full);
}

void service_answer_internal(struct service_answer *answer)
{
    service_answer_error(answer, 500, "com.amazon.coral.service", "InternalFailure",
                         "The store could not make this durable. Nothing of it was done; send it "
                         "again.");
}

void service_answer_unavailable(struct service_answer *answer, const char *message,
                                int retry_after_s)
{
    service_answer_error(answer, 503, "com.amazon.coral.service", "ServiceUnavailable", message);
    answer->retry_after_s = retry_after_s;
}

#ifndef WORKERS_STORE_INTAKE_H
#define WORKERS_STORE_INTAKE_H

#include <stdbool.h>
#include <stddef.h>

#include "workers/store/service.h"

/* From an HTTP request to a call of a service: which service it is for, whether it is signed, and
 * what it says. The AWS JSON services are asked by POST / with X-Amz-Target; whatever has no
 * X-Amz-Target is for the service that speaks REST (S3). */
struct http_request;
struct material;

/* True with *service_out and *call_out, or false with the refusal in *answer_out. */
bool intake_take(const struct service *const *services, size_t service_count,
                 const struct material *material, const struct http_request *request,
                 const struct service **service_out, struct service_call *call_out,
                 struct service_answer *answer_out);

#endif

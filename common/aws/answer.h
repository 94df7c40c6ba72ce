#ifndef COMMON_AWS_ANSWER_H
#define COMMON_AWS_ANSWER_H

#include "common/aws/aws_call.h"

/* What an HTTP answer to a call means: its body parsed, its class, code and message. No I/O. */
struct answer {
    struct aws_error
        error;    /* what reply's code and message point to, where the service says them */
    json_t *json; /* own */
    struct aws_reply reply; /* borrows from this object and from the HTTP answer; attempts is 0 */
};

/* http is borrowed until answer_free. An answer from a bucket of another region becomes AWS_INVALID
 * with a message that names it. */
void answer_read(struct answer *a, const struct aws_endpoint *endpoint,
                 const struct aws_request *request, const struct http_answer *http);
void answer_free(struct answer *a);

/* Whether the service refused the key itself (expired, unknown to it, or with another secret): a
 * newer one may help. */
bool answer_is_about_key(const struct aws_reply *reply);
/* Whether the date of the request may be what the service refused. */
bool answer_is_about_clock(const struct aws_reply *reply);
/* Whether it was refused without a reason, as a HEAD is: for its key or its date, perhaps. */
bool answer_gives_no_reason(const struct aws_reply *reply);

#endif

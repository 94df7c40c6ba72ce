#ifndef WORKERS_HTTP_GUARD_H
#define WORKERS_HTTP_GUARD_H

#include <stdbool.h>
#include <stddef.h>

/* What a request must be like beyond what evhttp's parser insists on (RFC 9110, RFC 9112). Pure: it
 * looks at the parsed parts and decides. A proxy in front of us that frames a request differently
 * than we do could give one sender the answer to another's request, so any doubt about framing ends
 * the connection. */
struct http_guard_field {
    const char *name;
    const char *value;
};

struct http_guard_request {
    int major; /* of the HTTP version */
    int minor;
    const char *target; /* as on the wire */
    const struct http_guard_field *fields;
    size_t field_count;
    bool bodiless; /* of a method whose body the parser would take for the next request */
};

enum http_guard_verdict {
    HTTP_GUARD_PASS,
    HTTP_GUARD_MALFORMED,       /* 400, close */
    HTTP_GUARD_LENGTH_REQUIRED, /* 411, close: a chunked body */
};

/* *why_out becomes a constant sentence where the verdict is not HTTP_GUARD_PASS; it repeats nothing
 * of the request. */
enum http_guard_verdict http_guard_check(const struct http_guard_request *r, const char **why_out);

#endif

#include "workers/store/s3_service.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/xalloc.h"
#include "workers/store/s3_op.h"
#include "workers/store/s3_xml.h"

struct s3_service {
    struct service table;
    struct s3_counts total;
    struct s3_counts turn; /* not durable yet */
};

/* The parameter in the query that makes the operation; NULL: none. First fit. */
static const struct operation {
    const char *method;
    bool about_object;
    const char *parameter;
    bool needs_bucket;
    s3_operation *run;
} operations[] = {
    {"PUT", true, NULL, true, s3_put_object_op},
    {"GET", true, NULL, true, s3_get_object_op},
    {"HEAD", true, NULL, true, s3_get_object_op},
    {"DELETE", true, NULL, true, s3_delete_object_op},
    {"GET", false, "list-type", true, s3_list_objects_op},
    {"GET", false, "versioning", true, s3_bucket_versioning_op},
    {"GET", false, "location", true, s3_bucket_location_op},
    {"POST", false, "delete", true, s3_delete_objects_op},
    {"PUT", false, NULL, false, s3_create_bucket_op},
    {"HEAD", false, NULL, true, s3_head_bucket_op},
    {"DELETE", false, NULL, true, s3_delete_bucket_op},
};

/* Parameters that belong to the operations above; any other one asks for something else. */
static bool is_known(const struct operation *o, const char *name)
{
    static const char *const listing[] = {
        "prefix",        "delimiter",   "max-keys",          "start-after",
        "encoding-type", "fetch-owner", "continuation-token"};
    if (strcmp(name, "x-id") == 0 || (o->parameter && strcmp(name, o->parameter) == 0))
        return true;
    for (size_t i = 0; o->run == s3_list_objects_op && i < sizeof(listing) / sizeof(*listing); i++)
        if (strcmp(name, listing[i]) == 0)
            return true;
    return false;
}

static const struct operation *find(const struct s3_request *r)
{
    for (size_t i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
        const struct operation *o = &operations[i];
        bool fits = strcmp(o->method, r->method) == 0 && o->about_object == (r->key != NULL) &&
                    (!o->parameter || s3_request_query(r, o->parameter));
        for (size_t q = 0; fits && q < r->query_count; q++)
            fits = is_known(o, r->query[q].name);
        if (fits)
            return o;
    }
    return NULL;
}

static int run_op(struct s3_op *op)
{
    const struct s3_request *r = op->request;
    if (r->bad_code)
        return s3_refuse(op, 400, r->bad_code, r->bad_message);
    if (!*r->bucket)
        return strcmp(r->method, "GET") == 0
                   ? s3_list_buckets_op(op)
                   : s3_refuse(op, 405, "MethodNotAllowed",
                               "The specified method is not allowed against this resource.");
    const struct operation *operation = find(r);
    if (!operation)
        return s3_refuse(op, 501, "NotImplemented",
                         "The store does not know what this method and these parameters ask for.");
    int found = s3_bucket_find(op->context->db, r->bucket, &op->bucket);
    if (found < 0)
        return -1;
    if (!found && operation->needs_bucket)
        return s3_refuse_with(op, 404, "NoSuchBucket", "The specified bucket does not exist",
                              "BucketName", r->bucket);
    return operation->run(op);
}

static enum service_verdict run(void *state, const struct service_context *context,
                                struct service_call *call, struct service_answer *answer)
{
    struct s3_service *s = state;
    struct s3_counts before = s->turn;
    struct s3_op op = {
        .context = context, .request = call->s3, .counts = &s->turn, .answer = answer};
    answer->xml = true;
    if (run_op(&op) == 0)
        return SERVICE_ANSWERED;
    s->turn = before;
    service_answer_clear(answer);
    return SERVICE_FAILED;
}

static void committed(void *state)
{
    struct s3_service *s = state;
    s->total.objects_put += s->turn.objects_put;
    s->total.objects_read += s->turn.objects_read;
    s->total.objects_deleted += s->turn.objects_deleted;
    s->turn = (struct s3_counts){0};
}

static void dropped(void *state)
{
    struct s3_service *s = state;
    s->turn = (struct s3_counts){0};
}

struct s3_service *s3_service_new(void)
{
    struct s3_service *s = xcalloc(1, sizeof(*s));
    s->table = (struct service){
        .name = "s3", .state = s, .run = run, .committed = committed, .dropped = dropped};
    return s;
}

void s3_service_free(struct s3_service *s)
{
    free(s);
}

const struct service *s3_service_table(struct s3_service *s)
{
    return &s->table;
}

struct s3_counts s3_service_counts(const struct s3_service *s)
{
    return s->total;
}

/* ---- refusals */

int s3_refuse_with(struct s3_op *op, int status, const char *code, const char *message,
                   const char *extra, const char *extra_text)
{
    s3_error_answer(op->answer, status, code, message, extra, extra_text);
    return 0;
}

int s3_refuse(struct s3_op *op, int status, const char *code, const char *message)
{
    return s3_refuse_with(op, status, code, message, NULL, NULL);
}

int s3_refuse_no_key(struct s3_op *op)
{
    return s3_refuse_with(op, 404, "NoSuchKey", "The specified key does not exist.", "Key",
                          op->request->key);
}

int s3_refuse_full(struct s3_op *op)
{
    service_answer_unavailable(op->answer, "The store is full and takes no objects now.", 5);
    return 0;
}

int s3_refuse_unsupported(struct s3_op *op, const char *header)
{
    return s3_refuse_with(op, 501, "NotImplemented",
                          "A header you provided implies functionality that is not implemented",
                          "Header", header);
}

int s3_refuse_precondition(struct s3_op *op, const char *condition)
{
    return s3_refuse_with(op, 412, "PreconditionFailed",
                          "At least one of the pre-conditions you specified did not hold",
                          "Condition", condition);
}

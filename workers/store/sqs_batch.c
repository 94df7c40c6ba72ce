#include <string.h>

#include "workers/store/sqs_op.h"

#define ENTRIES_MAX 10

static bool good_id(const char *id)
{
    size_t len = strlen(id);
    return len >= 1 && len <= 80 &&
           strspn(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") == len;
}

static int check_ids(const json_t *entries, struct sqs_refusal *r)
{
    size_t i;
    json_t *entry;
    json_t *seen = json_object();
    int rc = 0;
    json_array_foreach(entries, i, entry)
    {
        const char *id = json_string_value(json_object_get(entry, "Id"));
        if (!json_is_object(entry)) {
            rc = sqs_refuse(r, SQS_SERIALIZATION, "Each of Entries must be an object.");
        } else if (!id) {
            rc = sqs_refuse(r, SQS_MISSING_PARAMETER, "The request must contain the parameter Id.");
        } else if (!good_id(id)) {
            rc = sqs_refuse(r, SQS_BAD_BATCH_ID,
                            "A batch entry id can only contain alphanumeric characters, hyphens "
                            "and underscores. It can be at most 80 letters long.");
        } else if (json_object_get(seen, id)) {
            rc = sqs_refuse(r, SQS_IDS_NOT_DISTINCT, "Id %s repeated.", id);
        }
        if (rc < 0)
            break;
        json_object_set_new(seen, id, json_true());
    }
    json_decref(seen);
    return rc;
}

int sqs_batch_entries(struct sqs_op *op, const char *entry_type, const json_t **entries_out)
{
    const json_t *entries = json_object_get(op->in, "Entries");
    *entries_out = entries;
    if (!entries)
        return sqs_refuse(&op->refusal, SQS_MISSING_PARAMETER,
                          "The request must contain the parameter Entries.");
    if (!json_is_array(entries))
        return sqs_refuse(&op->refusal, SQS_SERIALIZATION, "Entries must be a list.");
    size_t count = json_array_size(entries);
    if (count == 0)
        return sqs_refuse(&op->refusal, SQS_BATCH_EMPTY,
                          "There should be at least one %s in the request.", entry_type);
    if (count > ENTRIES_MAX)
        return sqs_refuse(&op->refusal, SQS_BATCH_TOO_MANY,
                          "Maximum number of entries per request are 10. You have sent %zu.",
                          count);
    return check_ids(entries, &op->refusal);
}

static json_t *failure(const char *id, const struct sqs_refusal *r)
{
    return json_pack("{s:s, s:b, s:s, s:s}", "Id", id, "SenderFault", 1, "Code",
                     sqs_error_code(r->error), "Message", r->message);
}

json_t *sqs_batch_run(struct sqs_op *op, const struct sqs_queue *q, const json_t *entries,
                      sqs_one_fn *one)
{
    json_t *successful = json_array();
    json_t *failed = json_array();
    size_t i;
    json_t *entry;
    json_array_foreach(entries, i, entry)
    {
        json_t *id = json_object_get(entry, "Id");
        struct sqs_refusal refusal = {0};
        json_t *answer = one(op, q, entry, &refusal);
        if (answer) {
            json_object_set(answer, "Id", id);
            json_array_append_new(successful, answer);
        } else if (refusal.error == SQS_DATABASE) {
            op->refusal = refusal;
            break;
        } else {
            json_array_append_new(failed, failure(json_string_value(id), &refusal));
        }
    }
    json_t *out = op->refusal.error == SQS_FINE ? json_object() : NULL;
    if (out && json_array_size(successful) > 0)
        json_object_set(out, "Successful", successful);
    if (out && json_array_size(failed) > 0)
        json_object_set(out, "Failed", failed);
    json_decref(successful);
    json_decref(failed);
    return out;
}

#include <string.h>

#include "common/aws/sqs.h"
#include "tests/interop/peer/peer.h"

struct batch { /* of a command, ready to be sent */
    struct sqs_outgoing messages[SQS_BATCH_MAX];
    struct sqs_attribute attributes[SQS_BATCH_MAX][SQS_USER_ATTRIBUTES_MAX];
    const char *handles[SQS_BATCH_MAX];
    int visibility_s[SQS_BATCH_MAX];
    size_t count;
};

static size_t read_attributes(const json_t *list, struct sqs_attribute *out)
{
    size_t i;
    const json_t *a;
    json_array_foreach(list, i, a) out[i] =
        (struct sqs_attribute){peer_text(a, "name"), peer_text(a, "type"), peer_text(a, "value")};
    return json_array_size(list);
}

static void read_batch(const json_t *in, struct batch *b)
{
    size_t i;
    const json_t *entry;
    json_array_foreach(json_object_get(in, "messages"), i, entry)
    {
        const char *body = peer_text(entry, "body");
        b->messages[i] =
            (struct sqs_outgoing){.body = body,
                                  .body_len = strlen(body),
                                  .attributes = b->attributes[i],
                                  .attribute_count = read_attributes(
                                      json_object_get(entry, "attributes"), b->attributes[i])};
        b->count++;
    }
    json_array_foreach(json_object_get(in, "handles"), i, entry)
    {
        b->handles[i] = json_string_value(entry);
        b->visibility_s[i] = (int)json_integer_value(json_object_get(in, "visibility_s"));
        b->count++;
    }
}

static void on_batch(void *arg, const struct aws_reply *reply,
                     const struct sqs_entry_result *results, size_t count)
{
    struct peer *p = arg;
    json_t *entries = json_array();
    for (size_t i = 0; results && i < count; i++)
        json_array_append_new(entries,
                              json_pack("{s:b, s:s, s:s, s:s?}", "ok", results[i].ok, "code",
                                        results[i].code, "class",
                                        results[i].ok ? "ok" : aws_class_word(results[i].class),
                                        "message_id", results[i].message_id));
    p->answer = peer_reply(reply);
    json_object_set_new(p->answer, "entries", entries);
}

static void on_url(void *arg, const struct aws_reply *reply, const char *queue_url)
{
    struct peer *p = arg;
    p->answer = peer_reply(reply);
    if (queue_url)
        json_object_set_new(p->answer, "url", json_string(queue_url));
}

static void on_reply(void *arg, const struct aws_reply *reply)
{
    struct peer *p = arg;
    p->answer = peer_reply(reply);
    if (reply->json)
        json_object_set_new(p->answer, "json", json_deep_copy(reply->json));
}

static void on_messages(void *arg, const struct aws_reply *reply,
                        const struct sqs_message *messages, size_t count)
{
    struct peer *p = arg;
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        const struct sqs_message *m = &messages[i];
        json_t *attributes = json_array();
        for (size_t k = 0; k < m->attribute_count; k++)
            json_array_append_new(
                attributes, json_pack("{s:s, s:s, s:s}", "name", m->attributes[k].name, "type",
                                      m->attributes[k].type, "value", m->attributes[k].value));
        json_array_append_new(list, json_pack("{s:s, s:s, s:s%, s:o, s:i, s:I, s:b}", "id", m->id,
                                              "handle", m->receipt_handle, "body", m->body,
                                              m->body_len, "attributes", attributes,
                                              "receive_count", m->receive_count, "sent_at_ms",
                                              (json_int_t)m->sent_at_ms, "damaged", m->damaged));
    }
    p->answer = peer_reply(reply);
    json_object_set_new(p->answer, "messages", list);
}

bool peer_sqs_run(struct peer *p, const char *op, const json_t *in)
{
    if (strncmp(op, "sqs.", 4) != 0)
        return false;
    op += 4;
    const struct aws_endpoint *e = &p->endpoint;
    const char *queue = peer_text(in, "queue");
    const struct sqs_options limits = PEER_LIMITS(struct sqs_options, in);
    struct batch b = {0};
    read_batch(in, &b);
    if (strcmp(op, "create") == 0)
        sqs_create_queue(p->client, e, queue, &limits, on_url, p);
    else if (strcmp(op, "url") == 0)
        sqs_get_queue_url(p->client, e, queue, &limits, on_url, p);
    else if (strcmp(op, "attributes") == 0)
        sqs_get_queue_attributes(p->client, e, queue, &limits, on_reply, p);
    else if (strcmp(op, "send") == 0)
        sqs_send_batch(p->client, e, queue, b.messages, b.count, &limits, on_batch, p);
    else if (strcmp(op, "delete") == 0)
        sqs_delete_batch(p->client, e, queue, b.handles, b.count, &limits, on_batch, p);
    else if (strcmp(op, "visibility") == 0)
        sqs_change_visibility_batch(p->client, e, queue, b.handles, b.visibility_s, b.count,
                                    &limits, on_batch, p);
    else if (strcmp(op, "receive") == 0)
        sqs_receive(p->client, e, queue, (int)peer_number(in, "max"),
                    (int)peer_number(in, "wait_s"), (int)peer_number(in, "visibility_s"),
                    on_messages, p);
    else
        return false;
    return true;
}

#ifndef COMMON_AWS_SQS_H
#define COMMON_AWS_SQS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/aws/aws_call.h"

/* Amazon SQS, AWS JSON 1.0 (aws-protocol notes section 1). */
#define SQS_BATCH_MAX 10
#define SQS_BATCH_BYTES 1048576
#define SQS_MESSAGE_BYTES 1048576
#define SQS_USER_ATTRIBUTES_MAX 10

struct sqs_attribute { /* a user attribute */
    const char *name;
    const char *type;  /* "String", "Number", "Binary", or with ".label" */
    const char *value; /* StringValue; for Binary the base64 text as on the wire */
};

struct sqs_outgoing { /* a message to send; everything borrowed until the callback */
    const char *body; /* text that SQS allows (sqs_body_allowed) */
    size_t body_len;
    const struct sqs_attribute *attributes;
    size_t attribute_count;
    int delay_s; /* 0..900; 0 on a FIFO queue */
    const char *group;            /* MessageGroupId (sqs_group_id); NULL: none. On a FIFO queue its
                                     messages keep their order, on a standard one it turns on fair
                                     queues */
    const char *deduplication_id; /* FIFO queues, and only they: a second send of it within five
                                     minutes is confirmed and not stored; else NULL */
};

struct sqs_message { /* received; borrowed for the callback */
    const char *id;
    const char *receipt_handle;
    const char *body;
    size_t body_len;
    const struct sqs_attribute *attributes;
    size_t attribute_count;
    int receive_count;         /* ApproximateReceiveCount */
    int64_t sent_at_ms;        /* SentTimestamp */
    int64_t first_received_ms; /* ApproximateFirstReceiveTimestamp */
    const char *group;         /* MessageGroupId; NULL: it has none */
    bool damaged;              /* MD5OfBody or MD5OfMessageAttributes does not match */
};

/* The result of one entry of a batch, in the order they were given. An entry in neither of the
 * answer's lists is failed. */
struct sqs_entry_result {
    bool ok;
    bool sender_fault;    /* do not send it again unchanged */
    enum aws_class class; /* of the code, where not ok */
    const char *code;     /* "" when ok */
    const char *message;
    const char *message_id; /* of a sent message */
};

/* For batches: reply says how the call as a whole went; results[count] is NULL unless it was
 * AWS_OK. MD5s of sent messages are checked; a mismatch is a failed entry (class AWS_TRANSIENT). */
typedef void sqs_batch_cb(void *arg, const struct aws_reply *reply,
                          const struct sqs_entry_result *results, size_t count);
typedef void sqs_receive_cb(void *arg, const struct aws_reply *reply,
                            const struct sqs_message *messages, size_t count);
typedef void sqs_url_cb(void *arg, const struct aws_reply *reply, const char *queue_url);

struct sqs_options {     /* for sends, deletes, visibility changes */
    int64_t timeout_ms;  /* one attempt */
    int64_t deadline_ms; /* all attempts */
    int max_attempts;
};

/* All return the id for aws_cancel. count is 1..SQS_BATCH_MAX (asserted); the caller keeps the
 * sum of the sizes (sqs_message_bytes) within SQS_BATCH_BYTES. */
uint64_t sqs_send_batch(struct aws_client *c, const struct aws_endpoint *e, const char *queue_url,
                        const struct sqs_outgoing *messages, size_t count,
                        const struct sqs_options *o, sqs_batch_cb *done, void *arg);
uint64_t sqs_delete_batch(struct aws_client *c, const struct aws_endpoint *e, const char *queue_url,
                          const char *const *receipt_handles, size_t count,
                          const struct sqs_options *o, sqs_batch_cb *done, void *arg);
uint64_t sqs_change_visibility_batch(struct aws_client *c, const struct aws_endpoint *e,
                                     const char *queue_url, const char *const *receipt_handles,
                                     const int *visibility_s, size_t count,
                                     const struct sqs_options *o, sqs_batch_cb *done, void *arg);

/* One long poll; wait_s 0..20, max 1..10: what is beyond it in the answer is left out. Never
 * retried here. The lease of what it brings runs from reply->http->first_byte_mono_ms. */
uint64_t sqs_receive(struct aws_client *c, const struct aws_endpoint *e, const char *queue_url,
                     int max, int wait_s, int visibility_s, sqs_receive_cb *done, void *arg);

/* CreateQueue without attributes (idempotent) / GetQueueUrl: give the queue's URL. */
uint64_t sqs_create_queue(struct aws_client *c, const struct aws_endpoint *e, const char *name,
                          const struct sqs_options *o, sqs_url_cb *done, void *arg);
uint64_t sqs_get_queue_url(struct aws_client *c, const struct aws_endpoint *e, const char *name,
                           const struct sqs_options *o, sqs_url_cb *done, void *arg);
/* GetQueueAttributes All; reply->json has "Attributes". */
uint64_t sqs_get_queue_attributes(struct aws_client *c, const struct aws_endpoint *e,
                                  const char *queue_url, const struct sqs_options *o,
                                  aws_reply_cb *done, void *arg);

/* Pure helpers. The MD5s are "" where this machine has no MD5 (FIPS) or a Binary value is no
 * base64: then there is nothing to compare. */
size_t
sqs_message_bytes(const struct sqs_outgoing *m); /* as SQS counts: body + names + types + values */
bool sqs_body_allowed(const void *body, size_t len); /* not empty, and only characters SQS takes */
/* A text as a MessageGroupId or MessageDeduplicationId (malloc): itself where SQS takes it (1 to 128
 * characters from U+0021 to U+007E), else its SHA-256 in hex. */
char *sqs_group_id(const void *text, size_t len);
void sqs_md5_hex(const void *data, size_t len, char out[33]);
void sqs_attributes_md5_hex(const struct sqs_attribute *attributes, size_t count, char out[33]);

#endif

#ifndef COMMON_WEBHOOK_MESSAGE_GROUP_H
#define COMMON_WEBHOOK_MESSAGE_GROUP_H

#include <jansson.h>
#include <stddef.h>

/* Which events belong together: the MessageGroupId of an event on SQS. Pure. */

/* By the "message_group" of a normalised source: the value at that pointer as SQS takes it
 * (sqs_group_id; malloc). NULL where none is configured, and where it is missing, null, empty or no
 * scalar. The body may be anything. */
char *message_group_of(const json_t *source, const void *body, size_t len);

#endif

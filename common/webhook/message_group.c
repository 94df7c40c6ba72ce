#include "common/webhook/message_group.h"

#include "common/aws/sqs.h"
#include "common/base/buf.h"
#include "common/conf/conf.h"
#include "common/webhook/json_check.h"

char *message_group_of(const json_t *source, const void *body, size_t len)
{
    const char *pointer = conf_str(source, "message_group");
    struct buf value = {0};
    char *group = NULL;
    if (*pointer && json_check(body, len, NULL, 0) && json_check_scalar(body, len, pointer, &value))
        group = sqs_group_id(value.data, value.len);
    buf_free(&value);
    return group;
}

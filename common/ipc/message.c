#include "common/ipc/message.h"

#include <assert.h>

const char *message_kind(const json_t *msg)
{
    const char *kind = json_string_value(json_object_get(msg, "t"));
    return kind ? kind : "";
}

json_t *message_new(const char *kind)
{
    json_t *msg = json_pack("{s:s}", "t", kind);
    assert(msg);
    return msg;
}

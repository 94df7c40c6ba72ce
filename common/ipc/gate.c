#include "common/ipc/gate.h"

#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/utf8.h"
#include "common/ipc/message.h"

const char *gate_key_name(const char *key, const char *kind)
{
    size_t len = strlen(kind);
    return strncmp(key, kind, len) == 0 ? key + len : NULL;
}

bool gate_key_is_probed(const char *key)
{
    return gate_key_name(key, GATE_DESTINATION) || gate_key_name(key, GATE_POLLING);
}

json_t *gate_message(const char *key, int64_t until_ms, const char *why)
{
    char *text = utf8_safe(why, strlen(why), GATE_WHY_BYTES);
    json_t *msg = message_new("gate");
    json_object_set_new(msg, "key", json_string(key));
    json_object_set_new(msg, "until_ms", json_integer(until_ms));
    json_object_set_new(msg, "why", json_string(text));
    free(text);
    return msg;
}

json_t *gate_probe_message(const char *key, bool granted)
{
    json_t *msg = message_new("gate");
    json_object_set_new(msg, "key", json_string(key));
    json_object_set_new(msg, "probe", json_boolean(granted));
    return msg;
}

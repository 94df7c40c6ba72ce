#include "common/ipc/gate_key.h"

#include <stddef.h>
#include <string.h>

const char *gate_key_name(const char *key, const char *kind)
{
    size_t len = strlen(kind);
    return strncmp(key, kind, len) == 0 ? key + len : NULL;
}

bool gate_key_is_probed(const char *key)
{
    return gate_key_name(key, GATE_DESTINATION) || gate_key_name(key, GATE_POLLING);
}

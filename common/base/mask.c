#include "common/base/mask.h"

#include <string.h>

void mask_secret(char *text, const char *secret)
{
    size_t len = strlen(secret);
    for (char *p = text; len && (p = strcasestr(p, secret)); p += len)
        memset(p, '*', len);
}

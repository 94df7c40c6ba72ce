#include "workers/keyring/publication.h"

#include <assert.h>
#include <string.h>

#include "common/aws/sigv4.h"
#include "common/base/clock.h"
#include "common/base/hex.h"

#define DAY_MS ((int64_t)86400 * 1000)

void publication_date(int64_t wall_ms, char out[9])
{
    char text[CLOCK_TEXT_BYTES];
    clock_amz_date(wall_ms, text);
    memcpy(out, text, 8);
    out[8] = '\0';
}

int64_t publication_version(int64_t last, int64_t wall_ms)
{
    return last >= wall_ms ? last + 1 : wall_ms;
}

json_t *publication_item(const struct publication *p, int day)
{
    char date[9];
    publication_date(p->wall_ms + day * DAY_MS, date);
    unsigned char key[SIGV4_KEY_BYTES];
    char hex[2 * SIGV4_KEY_BYTES + 1];
    sigv4_derive_key(p->secret, date, p->region, p->service, key);
    hex_encode(key, sizeof(key), hex);
    json_t *item = json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:I}", "t", "material", "kind",
                             "sigv4", "identity", p->identity, "region", p->region, "service",
                             p->service, "date", date, "access_key_id", p->access_key_id, "key",
                             hex, "token", p->token, "version", (json_int_t)p->version);
    explicit_bzero(key, sizeof(key));
    explicit_bzero(hex, sizeof(hex));
    assert(item);
    return item;
}

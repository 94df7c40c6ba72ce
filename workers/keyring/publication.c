#include "workers/keyring/publication.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "common/aws/sigv4.h"
#include "common/base/clock.h"

#define DAY_MS ((int64_t)86400 * 1000)
#define DAYS 3

static const char *const services[] = {"sqs", "s3", "dynamodb"};

_Static_assert(sizeof(services) / sizeof(services[0]) * DAYS == PUBLICATION_ITEMS,
               "an item for each service and day");

void publication_date(int64_t wall_ms, char out[9])
{
    char text[CLOCK_TEXT_BYTES];
    clock_amz_date(wall_ms, text);
    memcpy(out, text, 8);
    out[8] = '\0';
}

json_t *publication_item(const struct publication *p, size_t i)
{
    assert(i < PUBLICATION_ITEMS);
    const char *service = services[i / DAYS];
    int64_t day = (int64_t)(i % DAYS) - 1;
    char date[9];
    publication_date(p->wall_ms + day * DAY_MS, date);
    unsigned char key[SIGV4_KEY_BYTES];
    char hex[2 * SIGV4_KEY_BYTES + 1];
    sigv4_derive_key(p->secret, date, p->region, service, key);
    for (size_t k = 0; k < SIGV4_KEY_BYTES; k++)
        snprintf(hex + 2 * k, 3, "%02x", key[k]);
    json_t *item =
        json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:i}", "t", "material", "kind", "sigv4",
                  "identity", p->identity, "region", p->region, "service", service, "date", date,
                  "access_key_id", p->access_key_id, "key", hex, "token", "", "version", 1);
    explicit_bzero(key, sizeof(key));
    explicit_bzero(hex, sizeof(hex));
    assert(item);
    return item;
}

#include "common/delivery/delivery_ids.h"

#include <openssl/sha.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/hex.h"
#include "common/base/xalloc.h"

/* The first count bytes of SHA-256(text "|" number) in hex. */
static void hash(const char *text, int number, size_t count, char *out)
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    char *input = xasprintf("%s|%d", text, number);
    SHA256((const unsigned char *)input, strlen(input), digest);
    free(input);
    hex_encode(digest, count, out);
}

void delivery_ids_key(const char *ledger_id, int revision, char out[DELIVERY_IDS_KEY_BYTES])
{
    hash(ledger_id, revision, SHA256_DIGEST_LENGTH, out);
}

void delivery_ids_traceparent(const char *trace_id, int attempt,
                              char out[DELIVERY_IDS_TRACEPARENT_BYTES])
{
    char trace[33], parent[17];
    hash(trace_id, 0, 16, trace);
    hash(trace_id, attempt, 8, parent);
    snprintf(out, DELIVERY_IDS_TRACEPARENT_BYTES, "00-%s-%s-01", trace, parent);
}

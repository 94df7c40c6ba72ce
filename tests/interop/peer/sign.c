#include <stdlib.h>
#include <string.h>

#include "common/aws/sigv4.h"
#include "tests/interop/peer/peer.h"

#define HEADERS_MAX 32

/* {"secret","region","service","amz_date","method","path","query","headers":[[name, value]...],
 * "payload_hash"} -> {"authorization","canonical"}. */
bool peer_sign_run(struct peer *p, const char *op, const json_t *in)
{
    if (strcmp(op, "sign") != 0)
        return false;
    struct sigv4_key key = {0};
    const char *amz_date = peer_text(in, "amz_date");
    snprintf(key.access_key_id, sizeof(key.access_key_id), "%s", peer_text(in, "access_key_id"));
    snprintf(key.date, sizeof(key.date), "%.8s", amz_date);
    snprintf(key.region, sizeof(key.region), "%s", peer_text(in, "region"));
    snprintf(key.service, sizeof(key.service), "%s", peer_text(in, "service"));
    sigv4_derive_key(peer_text(in, "secret"), key.date, key.region, key.service, key.key);

    struct sigv4_header headers[HEADERS_MAX];
    struct sigv4_request r = {.method = peer_text(in, "method"),
                              .path = peer_text(in, "path"),
                              .query = peer_text(in, "query"),
                              .headers = headers,
                              .payload_hash = peer_text(in, "payload_hash")};
    size_t i;
    const json_t *pair;
    json_array_foreach(json_object_get(in, "headers"), i, pair) if (i < HEADERS_MAX)
        headers[r.header_count++] = (struct sigv4_header){
            json_string_value(json_array_get(pair, 0)), json_string_value(json_array_get(pair, 1))};
    char *authorization = sigv4_authorization(&r, &key, amz_date);
    char *canonical = sigv4_canonical_request(&r, key.service);
    p->answer = json_pack("{s:s, s:s}", "authorization", authorization, "canonical", canonical);
    free(authorization);
    free(canonical);
    return true;
}

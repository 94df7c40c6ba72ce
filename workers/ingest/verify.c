#include "workers/ingest/verify.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#include "common/conf/conf.h"

/* Digests are compared, so that neither length nor content of a secret shows in the time, and all
 * of them, so that it does not show which one was meant. */
static bool is_a_secret(const json_t *secrets, const char *given)
{
    unsigned char want[SHA256_DIGEST_LENGTH];
    unsigned char have[SHA256_DIGEST_LENGTH];
    unsigned good = 0;
    size_t i;
    const json_t *secret;
    SHA256((const unsigned char *)given, strlen(given), have);
    json_array_foreach(secrets, i, secret)
    {
        SHA256((const unsigned char *)json_string_value(secret), json_string_length(secret), want);
        good |= (unsigned)(CRYPTO_memcmp(want, have, sizeof(want)) == 0);
    }
    OPENSSL_cleanse(want, sizeof(want));
    OPENSSL_cleanse(have, sizeof(have));
    return good != 0;
}

/* The token of "Bearer token", or NULL (RFC 6750; the scheme's case does not matter). */
static const char *bearer_token(const char *value)
{
    static const char scheme[] = "Bearer ";
    if (!value || strncasecmp(value, scheme, sizeof(scheme) - 1) != 0)
        return NULL;
    value += sizeof(scheme) - 1;
    return value + strspn(value, " ");
}

bool verify_request(const json_t *verify, verify_header_fn *header, void *arg)
{
    const char *type = conf_str(verify, "type");
    const char *given = NULL;
    if (strcmp(type, "none") == 0)
        return true;
    if (strcmp(type, "shared-header") == 0)
        given = header(arg, conf_str(verify, "header"));
    else if (strcmp(type, "bearer") == 0)
        given = bearer_token(header(arg, "Authorization"));
    return given && *given && is_a_secret(conf_value(verify, "secrets"), given);
}

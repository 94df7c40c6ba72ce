/* libFuzzer target: any bytes as what a token endpoint or a source of AWS credentials answers, and
 * as the secret that is sent. A token fits into a packet and a header, a lifetime lies within its
 * bounds, a refusal does not repeat the secret, and the form holds nothing but what a form may. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/ipc/channel.h"
#include "workers/keyring/aws_source.h"
#include "workers/keyring/oauth_token.h"
#include "workers/keyring/publication.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void try_answer(const void *body, size_t len)
{
    char why[OAUTH_TOKEN_WHY_BYTES] = "";
    struct oauth_token token;
    if (oauth_token_parse(body, len, &token, why) != 0) {
        assert(*why && !token.text);
        return;
    }
    assert(*token.text && strlen(token.text) <= OAUTH_TOKEN_MAX_BYTES);
    assert(!token.text[strcspn(token.text, " \"\\\r\n\t\x7f")]);
    assert(token.lifetime_s >= 1 && token.lifetime_s <= OAUTH_TOKEN_LONGEST_S);
    free(token.text);
}

/* What is found can be published. */
static void try_credentials(const void *body, size_t len)
{
    struct aws_result result = {0};
    json_t *object = json_loadb(body, len, 0, NULL);
    aws_result_from_json(&result, object, "Token");
    json_decref(object);
    assert((result.outcome == AWS_FOUND) == !*result.why);
    if (result.outcome == AWS_FOUND) {
        const struct aws_credentials *c = &result.credentials;
        const struct publication p = {.identity = "aws",
                                      .region = "eu-central-1",
                                      .service = "sqs",
                                      .access_key_id = c->access_key_id,
                                      .secret = c->secret,
                                      .token = c->token ? c->token : "",
                                      .version = 1};
        json_t *item = publication_item(&p, 0);
        assert(json_dumpb(item, NULL, 0, JSON_COMPACT) <= CHANNEL_PACKET_BYTES);
        json_decref(item);
    }
    aws_result_wipe(&result);
}

static json_t *conf_with(const char *secret, size_t len)
{
    json_t *conf = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:[]}", "grant", "client_credentials",
                             "auth", "post", "client_id", "id", "discovery_url",
                             "https://a.example", "username", "", "password", "", "scopes");
    json_t *text = json_stringn(secret, len);
    json_object_set_new(conf, "client_secret", text ? text : json_string("s3cret/secret"));
    return conf;
}

static void try_refusal(const json_t *conf, const void *body, size_t len)
{
    char why[OAUTH_TOKEN_WHY_BYTES];
    const char *secret = json_string_value(json_object_get(conf, "client_secret"));
    (void)oauth_token_refusal(conf, 400, body, len, why);
    assert(*why);
    /* A short one can be in our own words. */
    assert(strlen(secret) < 12 || !strstr(why, secret));
}

static void try_form(const json_t *conf)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                "-._%+&=";
    struct buf form = {0};
    oauth_token_form(conf, &form);
    assert(strspn(form.data, plain) == form.len);
    buf_free(&form);
}

/* The first byte says how many that follow are the secret; the answer is behind them. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char why[OAUTH_TOKEN_WHY_BYTES] = "";
    if (!size)
        return 0;
    size_t secret_len = data[0] < size ? data[0] : size - 1;
    const uint8_t *body = data + 1 + secret_len;
    size_t len = size - 1 - secret_len;
    json_t *conf = conf_with((const char *)data + 1, secret_len);
    try_answer(body, len);
    try_credentials(body, len);
    try_refusal(conf, body, len);
    try_form(conf);
    char *endpoint = oauth_token_endpoint(conf, body, len, why);
    assert(endpoint ? strncmp(endpoint, "https://", 8) == 0 : *why);
    free(endpoint);
    json_decref(conf);
    return 0;
}

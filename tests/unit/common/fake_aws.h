#ifndef TESTS_UNIT_COMMON_FAKE_AWS_H
#define TESTS_UNIT_COMMON_FAKE_AWS_H

/* An aws_client whose endpoint is a fake_http server, with a signing key for today and tomorrow. */
#include "common/aws/aws_call.h"
#include "common/aws/material.h"
#include "tests/unit/common/fake_http.h"

struct fake_aws {
    struct event_base *base;
    struct fake_http *server;
    struct material *material;
    struct aws_client *client;
    struct aws_endpoint endpoint;
};

static void fake_aws_keys_of(struct fake_aws *f, const char *token, int version)
{
    for (int day = 0; day < 2; day++) {
        char date[CLOCK_TEXT_BYTES], hex[65];
        unsigned char key[SIGV4_KEY_BYTES];
        clock_amz_date(clock_wall_ms() + day * 86400000, date);
        date[8] = '\0';
        sigv4_derive_key("secret", date, "local", f->endpoint.service, key);
        for (int i = 0; i < SIGV4_KEY_BYTES; i++)
            sprintf(hex + 2 * i, "%02x", key[i]);
        json_t *msg =
            json_pack("{s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:s,s:i}", "kind", "sigv4", "identity",
                      f->endpoint.identity, "region", "local", "service", f->endpoint.service, "date", date,
                      "access_key_id", "AKID", "key", hex, "token", token, "version", version);
        assert_int_equal(material_put(f->material, msg), 0);
        json_decref(msg);
    }
}

static void fake_aws_keys(struct fake_aws *f, const char *token)
{
    fake_aws_keys_of(f, token, 1);
}

static struct fake_aws fake_aws_new(const char *service, const struct fake_step *steps,
                                    size_t count, bool with_keys)
{
    struct fake_aws f = {.base = event_base_new(), .material = material_new()};
    f.server = fake_tcp(f.base, steps, count);
    f.client = aws_client_new(f.base, f.material);
    f.endpoint = (struct aws_endpoint){
        .identity = "embedded", .region = "local", .service = service, .url = f.server->url};
    if (with_keys)
        fake_aws_keys(&f, "");
    return f;
}

static void fake_aws_free(struct fake_aws *f)
{
    aws_client_free(f->client);
    material_free(f->material);
    fake_free(f->server);
    event_base_free(f->base);
}

/* Whether the n-th request is signed with the secret, by its own date and its own signed headers.
 */
static __attribute__((unused)) bool fake_aws_signed(const struct fake_aws *f, size_t n)
{
    char *authorization = fake_header(f->server, n, "authorization");
    char *date = fake_header(f->server, n, "x-amz-date");
    char names[512] = "", path[256], method[16];
    const char *list = strstr(authorization, "SignedHeaders=") + 14;
    snprintf(names, sizeof(names), "%.*s", (int)strcspn(list, ","), list);
    sscanf(f->server->requests[n], "%15s %255s", method, path);
    char *question = strchr(path, '?');
    if (question)
        *question = '\0';
    struct sigv4_header headers[16];
    char hash[SIGV4_HEX_BYTES], *rest = names, *name;
    const char *body = fake_body(f->server, n);
    sigv4_sha256_hex(body, strlen(body), hash);
    struct sigv4_request r = {method, path, question ? question + 1 : "", headers, 0, hash};
    while ((name = strsep(&rest, ";"))) {
        char *value = fake_header(f->server, n, name);
        headers[r.header_count++] = (struct sigv4_header){name, value ? value : strdup("?")};
    }
    struct sigv4_key key = {.access_key_id = "AKID"};
    memcpy(key.date, date, 8);
    strcpy(key.region, "local");
    strcpy(key.service, f->endpoint.service);
    sigv4_derive_key("secret", key.date, "local", key.service, key.key);
    char *expected = sigv4_authorization(&r, &key, date);
    bool same = !strcmp(expected, authorization);
    for (size_t i = 0; i < r.header_count; i++)
        free((char *)headers[i].value);
    free(expected);
    free(authorization);
    free(date);
    return same;
}

#endif

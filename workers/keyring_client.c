#include "workers/keyring_client.h"

#include <stdint.h>

#include "common/aws/aws_call.h"
#include "common/aws/material.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "common/delivery/tokens.h"
#include "workers/asking.h"

struct keyring_client {
    struct event_base *base;   /* borrow */
    struct material *material; /* own */
    struct asking *asking;     /* own */
    struct tokens *tokens;     /* own */
    struct aws_client *aws;    /* own; NULL until asked for */
};

static void on_token_needed(void *arg, const char *name)
{
    const struct keyring_client *k = arg;
    asking_need(k->asking, &(struct asking_item){"oauth", name, "", ""});
}

static void on_token_refused(void *arg, const char *name, int64_t version)
{
    const struct keyring_client *k = arg;
    asking_stale(k->asking, &(struct asking_item){"oauth", name, "", ""}, version);
}

static void on_key_needed(void *arg, const struct aws_endpoint *e)
{
    const struct keyring_client *k = arg;
    asking_need(k->asking, &(struct asking_item){"sigv4", e->identity, e->region, e->service});
}

static void on_key_refused(void *arg, const struct aws_endpoint *e, int64_t version)
{
    const struct keyring_client *k = arg;
    const struct asking_item item = {"sigv4", e->identity, e->region, e->service};
    asking_stale(k->asking, &item, version);
}

struct keyring_client *keyring_client_new(struct event_base *base,
                                          void (*send)(void *arg, json_t *msg), void *arg)
{
    struct keyring_client *k = xcalloc(1, sizeof(*k));
    k->base = base;
    k->material = material_new();
    k->asking = asking_new(base, send, arg);
    k->tokens = tokens_new(base, &(struct tokens_hooks){on_token_needed, on_token_refused, k});
    return k;
}

void keyring_client_take(struct keyring_client *k, const json_t *msg)
{
    bool is_token = tokens_put(k->tokens, msg);
    asking_answered(k->asking, msg);
    if (!is_token && material_put(k->material, msg) != 0)
        log_error("a material from the keyring is not well formed; it is left out");
}

struct material *keyring_client_material(const struct keyring_client *k)
{
    return k->material;
}

struct tokens *keyring_client_tokens(const struct keyring_client *k)
{
    return k->tokens;
}

struct aws_client *keyring_client_aws(struct keyring_client *k)
{
    if (!k->aws) {
        k->aws = aws_client_new(k->base, k->material);
        aws_client_ask(k->aws, &(struct aws_key_hooks){on_key_needed, on_key_refused, k});
    }
    return k->aws;
}

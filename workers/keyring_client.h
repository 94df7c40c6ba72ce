#ifndef WORKERS_KEYRING_CLIENT_H
#define WORKERS_KEYRING_CLIENT_H

#include <jansson.h>

/* The keyring as a worker sees it: the signing keys and access tokens that have come, and the
 * asking (asking.h) for what is missing or was refused. */
struct keyring_client;
struct aws_client;
struct event_base;
struct material;
struct tokens;

/* For the life of the process. send: to the supervisor; takes over the message. */
struct keyring_client *keyring_client_new(struct event_base *base,
                                          void (*send)(void *arg, json_t *msg), void *arg);

/* A `material` message. */
void keyring_client_take(struct keyring_client *k, const json_t *msg);

struct material *keyring_client_material(const struct keyring_client *k);
struct tokens *keyring_client_tokens(const struct keyring_client *k);
/* Made on first use: signs with the keys that are here, and asks for those that are not. */
struct aws_client *keyring_client_aws(struct keyring_client *k);

#endif

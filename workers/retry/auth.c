#include "workers/retry/auth.h"

#include <assert.h>
#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/xalloc.h"
#include "common/conf/conf.h"

#define WINDOW_MS 60000

struct token {
    unsigned char sha256[SHA256_DIGEST_LENGTH];
    char *name; /* own */
    enum auth_role role;
};

struct auth {
    struct token *tokens; /* own */
    size_t token_count;
    uid_t *uids; /* own */
    size_t uid_count;
    bool open_on_loopback;
    int64_t failures[AUTH_FAILURES_MAX]; /* when the newest ones were; a ring */
    size_t failure_count;                /* since the start */
};

static const char *const words[] = {"none", "read", "redrive", "admin"};

const char *auth_role_word(enum auth_role role)
{
    return words[role];
}

static enum auth_role parse_role(const char *word)
{
    for (enum auth_role role = AUTH_READ; role <= AUTH_ADMIN; role++)
        if (strcmp(words[role], word) == 0)
            return role;
    return AUTH_NONE;
}

static void hash(const char *text, size_t len, unsigned char out[SHA256_DIGEST_LENGTH])
{
    SHA256((const unsigned char *)text, len, out);
}

struct auth *auth_new(const json_t *conf, uid_t own_uid)
{
    struct auth *auth = xcalloc(1, sizeof(*auth));
    const json_t *tokens = conf_value(conf, "retry.tokens");
    const json_t *uids = conf_value(conf, "retry.uids");
    auth->open_on_loopback = conf_bool(conf, "retry.open_on_loopback");
    auth->token_count = json_array_size(tokens);
    auth->tokens = xcalloc(auth->token_count + 1, sizeof(*auth->tokens));
    for (size_t i = 0; i < auth->token_count; i++) {
        const json_t *one = json_array_get(tokens, i);
        const char *secret = conf_str(one, "secret");
        hash(secret, strlen(secret), auth->tokens[i].sha256);
        auth->tokens[i].name = xstrdup(conf_str(one, "name"));
        auth->tokens[i].role = parse_role(conf_str(one, "role"));
        if (!*secret) /* nobody has the empty token */
            auth->tokens[i].role = AUTH_NONE;
    }
    auth->uids = xcalloc(json_array_size(uids) + 2, sizeof(*auth->uids));
    auth->uids[auth->uid_count++] = 0;
    auth->uids[auth->uid_count++] = own_uid;
    for (size_t i = 0; i < json_array_size(uids); i++)
        auth->uids[auth->uid_count++] = (uid_t)json_integer_value(json_array_get(uids, i));
    return auth;
}

void auth_free(struct auth *auth)
{
    if (!auth)
        return;
    for (size_t i = 0; i < auth->token_count; i++)
        free(auth->tokens[i].name);
    free(auth->tokens);
    free(auth->uids);
    free(auth);
}

/* The token of "Bearer <token>" (RFC 6750), or NULL. */
static const char *bearer(const char *authorization)
{
    if (!authorization || strncasecmp(authorization, "Bearer ", 7) != 0)
        return NULL;
    authorization += 7;
    return authorization + strspn(authorization, " ");
}

/* Compares with every token, whichever matches, so that the time tells nothing. */
static const struct token *find_token(const struct auth *auth, const char *text)
{
    unsigned char sha256[SHA256_DIGEST_LENGTH];
    const struct token *found = NULL;
    hash(text, strlen(text), sha256);
    for (size_t i = 0; i < auth->token_count; i++) {
        bool same = CRYPTO_memcmp(auth->tokens[i].sha256, sha256, sizeof(sha256)) == 0;
        if (same && auth->tokens[i].role != AUTH_NONE)
            found = &auth->tokens[i];
    }
    return found;
}

static bool is_loopback(const char *listener)
{
    return strncmp(listener, "127.", 4) == 0 || strncmp(listener, "[::1]", 5) == 0 ||
           strncasecmp(listener, "localhost:", 10) == 0;
}

/* The role without a token. */
static enum auth_role role_of_peer(const struct auth *auth, const struct auth_request *r,
                                   char who[AUTH_WHO_BYTES])
{
    if (r->peer_uid == (uid_t)-1) {
        snprintf(who, AUTH_WHO_BYTES, "loopback");
        return auth->open_on_loopback && is_loopback(r->listener) ? AUTH_ADMIN : AUTH_NONE;
    }
    snprintf(who, AUTH_WHO_BYTES, "uid %lu", (unsigned long)r->peer_uid);
    for (size_t i = 0; i < auth->uid_count; i++)
        if (auth->uids[i] == r->peer_uid)
            return AUTH_ADMIN;
    return AUTH_NONE;
}

/* Until when refusals are 429; 0 where they are 401. */
static int64_t limited_until_ms(const struct auth *auth, int64_t now_ms)
{
    if (auth->failure_count < AUTH_FAILURES_MAX)
        return 0;
    int64_t oldest_ms = auth->failures[auth->failure_count % AUTH_FAILURES_MAX];
    return oldest_ms + WINDOW_MS > now_ms ? oldest_ms + WINDOW_MS : 0;
}

static void refuse(struct auth *auth, bool wrong_token, int64_t now_ms, struct auth_verdict *v)
{
    int64_t until_ms = limited_until_ms(auth, now_ms);
    v->status = until_ms ? 429 : 401;
    v->retry_after_s = until_ms ? (int)((until_ms - now_ms + 999) / 1000) : 0;
    if (wrong_token && !until_ms)
        auth->failures[auth->failure_count++ % AUTH_FAILURES_MAX] = now_ms;
}

struct auth_verdict auth_judge(struct auth *auth, const struct auth_request *request,
                               int64_t now_mono_ms)
{
    struct auth_verdict v = {0};
    enum auth_role role = AUTH_NONE;
    const char *text = bearer(request->authorization);
    const struct token *token = text ? find_token(auth, text) : NULL;
    if (token) {
        snprintf(v.who, sizeof(v.who), "token \"%s\"", token->name);
        role = token->role;
    } else if (!request->authorization) {
        role = role_of_peer(auth, request, v.who);
    }
    if (role == AUTH_NONE)
        refuse(auth, request->authorization != NULL, now_mono_ms, &v);
    else if (role < request->needed)
        v.status = 403;
    return v;
}

#include "workers/keyring/oauth_token.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "common/base/mask.h"
#include "common/base/xalloc.h"
#include "common/conf/conf.h"
#include "common/conf/conf_format.h"
#include "common/webhook/base64.h"

#define CODE_BYTES 48
#define WELL_KNOWN "/.well-known/openid-configuration"

/* ---- what is sent ---- */

void oauth_token_encode(const char *text, struct buf *out)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._";
    for (const char *p = text; *p; p++) {
        if (strchr(plain, *p))
            buf_append(out, p, 1);
        else if (*p == ' ')
            buf_append(out, "+", 1);
        else
            buf_printf(out, "%%%02X", (unsigned char)*p);
    }
}

static void add_field(struct buf *form, const char *name, const char *value)
{
    buf_printf(form, "%s%s=", form->len ? "&" : "", name);
    oauth_token_encode(value, form);
}

static char *scopes_of(const json_t *conf)
{
    struct buf text = {0};
    size_t i;
    const json_t *scope;
    json_array_foreach(conf_value(conf, "scopes"), i, scope)
    {
        buf_printf(&text, "%s%s", i ? " " : "", json_string_value(scope));
    }
    return buf_steal(&text);
}

static bool is(const json_t *conf, const char *key, const char *word)
{
    return strcmp(conf_str(conf, key), word) == 0;
}

void oauth_token_form(const json_t *conf, struct buf *out)
{
    char *scopes = scopes_of(conf);
    add_field(out, "grant_type", conf_str(conf, "grant"));
    if (is(conf, "grant", "password")) {
        add_field(out, "username", conf_str(conf, "username"));
        add_field(out, "password", conf_str(conf, "password"));
    }
    if (*scopes)
        add_field(out, "scope", scopes);
    if (is(conf, "auth", "post")) {
        add_field(out, "client_id", conf_str(conf, "client_id"));
        add_field(out, "client_secret", conf_str(conf, "client_secret"));
    }
    free(scopes);
}

static void basic_of(const json_t *conf, struct buf *out)
{
    struct buf pair = {0};
    oauth_token_encode(conf_str(conf, "client_id"), &pair);
    buf_puts(&pair, ":");
    oauth_token_encode(conf_str(conf, "client_secret"), &pair);
    base64_encode(pair.data, pair.len, out);
    buf_wipe(&pair);
}

bool oauth_token_basic(const json_t *conf, struct buf *out)
{
    if (!is(conf, "auth", "basic"))
        return false;
    buf_puts(out, "Basic ");
    basic_of(conf, out);
    return true;
}

/* ---- a token ---- */

static int fail(char why[OAUTH_TOKEN_WHY_BYTES], const char *text)
{
    snprintf(why, OAUTH_TOKEN_WHY_BYTES, "%s", text);
    return -1;
}

/* A number, or one that is written as a string; what is not positive says nothing. */
static int64_t lifetime_of(const json_t *value)
{
    double seconds = json_number_value(value);
    const char *text = json_string_value(value);
    size_t digits = text ? strspn(text, "0123456789") : 0;
    if (digits && digits < 16 && text[digits] == '\0')
        seconds = (double)strtoll(text, NULL, 10);
    if (!(seconds >= 1))
        return OAUTH_TOKEN_DEFAULT_S;
    return seconds > OAUTH_TOKEN_LONGEST_S ? OAUTH_TOKEN_LONGEST_S : (int64_t)seconds;
}

/* It goes into a header and into JSON, so it is printable and needs no escapes in either. */
static bool is_clean(const char *token)
{
    for (const char *p = token; *p; p++)
        if (*p <= ' ' || *p >= 0x7f || *p == '"' || *p == '\\')
            return false;
    return true;
}

static int take_token(const json_t *answer, struct oauth_token *out,
                      char why[OAUTH_TOKEN_WHY_BYTES])
{
    const json_t *token = json_object_get(answer, "access_token");
    const json_t *type = json_object_get(answer, "token_type");
    const char *text = json_string_value(token);
    const char *word = json_string_value(type);
    if (!text || !*text)
        return fail(why, "the answer has no access_token: is this the token URL?");
    if (type && !json_is_null(type) && (!word || strcasecmp(word, "Bearer") != 0))
        return fail(why, "the token is not of the type Bearer, which is the only one in use here");
    if (json_string_length(token) > OAUTH_TOKEN_MAX_BYTES) {
        snprintf(why, OAUTH_TOKEN_WHY_BYTES,
                 "the token has %zu bytes, at most %d can be used: ask for fewer scopes, or for "
                 "opaque tokens",
                 json_string_length(token), OAUTH_TOKEN_MAX_BYTES);
        return -1;
    }
    if (strlen(text) != json_string_length(token) || !is_clean(text))
        return fail(why, "the token has characters that no token may have");
    out->text = xstrdup(text);
    out->lifetime_s = lifetime_of(json_object_get(answer, "expires_in"));
    return 0;
}

static json_t *object_of(const void *body, size_t len)
{
    json_error_t error;
    json_t *answer = json_loadb(len ? body : "", len, JSON_REJECT_DUPLICATES, &error);
    if (answer && !json_is_object(answer)) {
        json_decref(answer);
        answer = NULL;
    }
    return answer;
}

int oauth_token_parse(const void *body, size_t len, struct oauth_token *out,
                      char why[OAUTH_TOKEN_WHY_BYTES])
{
    *out = (struct oauth_token){0};
    json_t *answer = object_of(body, len);
    if (!answer)
        return fail(why, "the answer is not a JSON object: is this the token URL?");
    int rc = take_token(answer, out, why);
    json_decref(answer);
    return rc;
}

/* ---- a refusal ---- */

static void strip_secret(char *text, const char *secret)
{
    struct buf encoded = {0}, base64 = {0};
    oauth_token_encode(secret, &encoded);
    base64_encode(secret, strlen(secret), &base64);
    mask_secret(text, secret);
    if (encoded.data)
        mask_secret(text, encoded.data);
    if (*secret)
        mask_secret(text, base64.data);
    buf_wipe(&encoded);
    buf_wipe(&base64);
}

/* Before anything is cut or replaced: half a secret would not be found. */
static void strip_secrets(const json_t *conf, char *text)
{
    struct buf basic = {0};
    basic_of(conf, &basic);
    mask_secret(text, basic.data);
    strip_secret(text, conf_str(conf, "client_secret"));
    strip_secret(text, conf_str(conf, "password"));
    buf_wipe(&basic);
}

static const struct {
    const char *code;
    const char *fix;
} fixes[] = {
    {"invalid_client", "correct client_id, client_secret or auth (basic or post)"},
    {"invalid_grant", "correct username and password, or what the client may do"},
    {"unauthorized_client", "the client is not registered for this grant"},
    {"unsupported_grant_type", "correct grant, or the token URL"},
    {"invalid_scope", "correct scopes"},
    {"invalid_request", "correct the token URL, grant or auth (basic or post)"},
};

static const char *fix_of(const char *code, int status)
{
    for (size_t i = 0; i < sizeof(fixes) / sizeof(fixes[0]); i++)
        if (strcmp(fixes[i].code, code) == 0)
            return fixes[i].fix;
    if (status == 401 || status == 403)
        return fixes[0].fix;
    return "correct the token URL";
}

static char *text_of(const json_t *conf, const json_t *answer, const char *name)
{
    const char *said = json_string_value(json_object_get(answer, name));
    char *text = xstrdup(said ? said : "");
    strip_secrets(conf, text);
    for (char *p = text; *p; p++)
        if (*p < ' ' || *p >= 0x7f)
            *p = '?';
    return text;
}

bool oauth_token_is_refusal(const void *body, size_t len)
{
    json_t *answer = object_of(body, len);
    bool is_refusal = json_is_string(json_object_get(answer, "error")) &&
                      !json_object_get(answer, "access_token");
    json_decref(answer);
    return is_refusal;
}

bool oauth_token_refusal(const json_t *conf, int status, const void *body, size_t len,
                         char why[OAUTH_TOKEN_WHY_BYTES])
{
    json_t *answer = object_of(body, len);
    char *code = text_of(conf, answer, "error");
    char *words = text_of(conf, answer, "error_description");
    bool lasting = status < 500 && status != 408 && status != 425 && status != 429;
    int n = snprintf(why, OAUTH_TOKEN_WHY_BYTES, "HTTP status %d%s%.*s", status, *code ? " " : "",
                     CODE_BYTES, code);
    if (lasting)
        n += snprintf(why + n, OAUTH_TOKEN_WHY_BYTES - (size_t)n, ": %s",
                      status >= 300 && status < 400
                          ? "redirects are not followed: correct the token URL"
                          : fix_of(code, status));
    if (*words && n < OAUTH_TOKEN_WHY_BYTES - 8)
        snprintf(why + n, OAUTH_TOKEN_WHY_BYTES - (size_t)n, " (%.*s)",
                 OAUTH_TOKEN_WHY_BYTES - n - 4, words);
    free(code);
    free(words);
    json_decref(answer);
    return lasting;
}

/* ---- discovery ---- */

/* The issuer's own URL, without the last slash. */
static char *issuer_of(const char *url)
{
    const char *end = strstr(url, "/.well-known/");
    size_t len = end ? (size_t)(end - url) : strlen(url);
    while (len && url[len - 1] == '/')
        len--;
    return xasprintf("%.*s", (int)len, url);
}

char *oauth_token_discovery_url(const json_t *conf)
{
    const char *url = conf_str(conf, "discovery_url");
    if (strstr(url, "/.well-known/"))
        return xstrdup(url);
    char *issuer = issuer_of(url);
    char *document = xasprintf("%s" WELL_KNOWN, issuer);
    free(issuer);
    return document;
}

static bool same_issuer(const json_t *conf, const char *said)
{
    char *a = issuer_of(conf_str(conf, "discovery_url")), *b = issuer_of(said);
    bool same = strcmp(a, b) == 0;
    free(a);
    free(b);
    return same;
}

static bool as_safe(const json_t *conf, const char *endpoint)
{
    return strncmp(endpoint, "https://", 8) == 0 ||
           strncmp(conf_str(conf, "discovery_url"), "http://", 7) == 0;
}

char *oauth_token_endpoint(const json_t *conf, const void *body, size_t len,
                           char why[OAUTH_TOKEN_WHY_BYTES])
{
    json_t *document = object_of(body, len);
    const char *issuer = json_string_value(json_object_get(document, "issuer"));
    const char *endpoint = json_string_value(json_object_get(document, "token_endpoint"));
    char *found = NULL;
    if (!document)
        fail(why, "the discovery document is not a JSON object: correct discovery_url");
    else if (!issuer || !same_issuer(conf, issuer))
        fail(why, "the discovery document is another issuer's: correct discovery_url");
    else if (!endpoint || conf_format_call_url(endpoint))
        fail(why, "the discovery document names no good token_endpoint: write token_url");
    else if (!as_safe(conf, endpoint))
        fail(why, "the discovery document's token_endpoint is not https: write token_url");
    else
        found = xstrdup(endpoint);
    json_decref(document);
    return found;
}

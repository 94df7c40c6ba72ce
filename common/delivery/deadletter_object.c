#include "common/delivery/deadletter_object.h"

#include <openssl/sha.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/clock.h"
#include "common/base/hex.h"
#include "common/base/utf8.h"
#include "common/base/xalloc.h"
#include "common/webhook/base64.h"

#define METADATA_BYTES 1024
#define COLLISION_DIGITS 16

static void put(json_t *json, const char *name, json_t *value)
{
    json_object_set_new(json, name, value ? value : json_string(""));
}

/* A text of unknown origin: what is not UTF-8 is escaped. */
static json_t *text_json(const char *text)
{
    json_t *value = json_string(text);
    if (value)
        return value;
    char *safe = utf8_safe(text, strlen(text), SIZE_MAX);
    value = json_string(safe);
    free(safe);
    return value;
}

static json_t *time_json(int64_t wall_ms)
{
    char text[CLOCK_TEXT_BYTES];
    clock_rfc3339(wall_ms, text);
    return json_string(text);
}

static const char *text_of(const json_t *json, const char *name)
{
    const char *text = json_string_value(json_object_get(json, name));
    return text ? text : "";
}

static int64_t time_of(const json_t *json, const char *name)
{
    int64_t ms;
    return clock_parse_rfc3339(text_of(json, name), &ms) == 0 ? ms : 0;
}

static int count_of(const json_t *json, const char *name)
{
    json_int_t n = json_integer_value(json_object_get(json, name));
    return n < 0 ? 0 : n > INT32_MAX ? INT32_MAX : (int)n;
}

/* Reads the members anew after the JSON has changed. */
static void refresh(struct deadletter_object *o)
{
    const json_t *json = o->json;
    const json_t *key = json_object_get(json, "ledger_key");
    o->trace_id = text_of(json, "trace_id");
    o->source = text_of(json, "source");
    o->event_id = text_of(json, "event_id");
    o->schema_version = text_of(json, "schema_version");
    o->content_type = text_of(json, "content_type");
    o->sha256 = text_of(json, "sha256");
    o->error = text_of(json, "error");
    o->error_class = text_of(json, "error_class");
    o->message_id = text_of(json, "message_id");
    o->claimed_by = text_of(json, "claimed_by");
    o->ledger_id = text_of(key, "id");
    o->destination = text_of(key, "destination");
    o->failed_at_ms = time_of(json, "failed_at");
    o->first_failed_at_ms = time_of(json, "first_failed_at");
    o->received_at_ms = time_of(json, "received_at");
    o->claimed_until_ms = time_of(json, "claimed_until");
    o->delivered_at_ms = time_of(json, "delivered_at");
    o->retry_count = count_of(json, "retry_count");
    o->redrives = count_of(json, "redrives");
    o->revision = count_of(json, "revision");
    o->parked = json_is_true(json_object_get(json, "parked"));
    o->dlq = json_is_true(json_object_get(json, "dlq"));
}

static struct deadletter_object *wrap(json_t *json)
{
    struct deadletter_object *o = xcalloc(1, sizeof(*o));
    o->json = json;
    refresh(o);
    return o;
}

void deadletter_object_free(struct deadletter_object *o)
{
    if (!o)
        return;
    json_decref(o->json);
    free(o);
}

/* ---- building ---- */

/* Whether the bytes can stand in a JSON string as they are: text without control characters, whose
 * escapes would make it several times as long. */
static bool is_text(const unsigned char *body, size_t len)
{
    for (size_t i = 0, step; i < len; i += step) {
        step = utf8_sequence(body + i, len - i);
        bool control = body[i] < 0x20 && body[i] != '\t' && body[i] != '\n' && body[i] != '\r';
        if (step == 0 || control)
            return false;
    }
    return true;
}

static void put_body(json_t *json, const struct webhook *h)
{
    struct buf encoded = {0};
    const char *encoding = h->body_len == 0                ? "empty"
                           : is_text(h->body, h->body_len) ? "raw"
                                                           : "base64";
    if (strcmp(encoding, "base64") == 0)
        base64_encode(h->body, h->body_len, &encoded);
    bool raw = strcmp(encoding, "raw") == 0;
    put(json, "original_body",
        raw ? json_stringn(h->body, h->body_len)
            : json_stringn(encoded.data ? encoded.data : "", encoded.len));
    put(json, "original_encoding", json_string(encoding));
    buf_free(&encoded);
}

static void put_sha256(json_t *json, const void *body, size_t len)
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    char hex[2 * SHA256_DIGEST_LENGTH + 1];
    SHA256(len ? body : "", len, digest);
    hex_encode(digest, sizeof(digest), hex);
    put(json, "sha256", json_string(hex));
}

static json_t *history_json(const struct ledger_record *r)
{
    json_t *history = json_loads(r->history, 0, NULL);
    if (json_is_array(history))
        return history;
    json_decref(history);
    return json_array();
}

/* An event may be nested so deeply that it is read by itself but not inside of the object. */
static bool is_readable(const json_t *json)
{
    size_t len = json_dumpb(json, NULL, 0, JSON_COMPACT);
    if (len == 0 || len > DEADLETTER_OBJECT_BYTES)
        return false;
    char *text = xmalloc(len);
    json_dumpb(json, text, len, JSON_COMPACT);
    json_t *again = json_loadb(text, len, 0, NULL);
    free(text);
    json_decref(again);
    return again != NULL;
}

struct deadletter_object *deadletter_object_new(const struct deadletter_facts *f)
{
    const struct webhook *h = f->hook;
    const struct ledger_record *r = f->record;
    json_t *event =
        f->unread ? NULL
                  : json_loadb(h->body_len ? h->body : "", h->body_len, JSON_DECODE_ANY, NULL);
    json_t *json = json_object();
    put(json, "trace_id", json_string(*r->trace_id ? r->trace_id : h->trace_id));
    put(json, "source", text_json(h->source));
    put(json, "event_id", text_json(h->event_id));
    put(json, "schema_version", text_json(h->schema_version));
    put(json, "original_event", event ? event : json_null());
    put_body(json, h);
    put(json, "content_type", text_json(h->content_type));
    put(json, "error", text_json(r->error));
    put(json, "error_class", text_json(r->error_class));
    put(json, "failed_at", time_json(r->failed_at_ms));
    put(json, "first_failed_at", time_json(r->first_failed_at_ms));
    put(json, "received_at", time_json(h->received_at_ms));
    put(json, "retry_count", json_integer(r->attempts > 0 ? r->attempts - 1 : 0));
    put(json, "attempts", history_json(r));
    put_sha256(json, h->body, h->body_len);
    put(json, "redrives", json_integer(0));
    put(json, "parked", json_false());
    put(json, "revision", json_integer(r->revision));
    put(json, "message_id", text_json(f->message_id));
    put(json, "dlq", json_boolean(f->dlq));
    json_t *key = json_object();
    put(key, "destination", text_json(f->destination));
    put(key, "source", text_json(h->source));
    put(key, "event_id", text_json(h->event_id));
    put(key, "id", text_json(f->ledger_id));
    json_object_set_new(json, "ledger_key", key);
    if (event && !is_readable(json))
        json_object_set_new(json, "original_event", json_null());
    return wrap(json);
}

char *deadletter_object_text(const struct deadletter_object *o, size_t *len_out)
{
    char *text = json_dumps(o->json, JSON_COMPACT);
    if (!text)
        abort(); /* out of memory: everything in it is UTF-8 and not too deep */
    *len_out = strlen(text);
    return text;
}

/* ---- reading ---- */

__attribute__((format(printf, 3, 4))) static void say(char *reason, size_t size, const char *format,
                                                      ...)
{
    va_list ap;
    va_start(ap, format);
    vsnprintf(reason, size, format, ap);
    va_end(ap);
}

struct deadletter_object *deadletter_object_parse(const void *bytes, size_t len, char *reason,
                                                  size_t reason_size)
{
    static const char *const required[] = {
        "trace_id",          "source", "event_id",  "original_body",
        "original_encoding", "sha256", "failed_at", "first_failed_at"};
    json_error_t error;
    json_t *json = json_loadb(bytes, len, 0, &error);
    if (!json_is_object(json)) {
        say(reason, reason_size, "the object is not a JSON object: %s", json ? "" : error.text);
        json_decref(json);
        return NULL;
    }
    for (size_t i = 0; i < sizeof(required) / sizeof(required[0]); i++) {
        if (json_is_string(json_object_get(json, required[i])))
            continue;
        say(reason, reason_size, "the object is not a dead letter: it has no text \"%s\"",
            required[i]);
        json_decref(json);
        return NULL;
    }
    return wrap(json);
}

static bool decode_body(const json_t *json, struct buf *out, char *reason, size_t size)
{
    const json_t *body = json_object_get(json, "original_body");
    const char *encoding = text_of(json, "original_encoding");
    const char *text = json_string_value(body);
    size_t len = json_string_length(body);
    if (strcmp(encoding, "raw") == 0) {
        buf_append(out, text, len);
    } else if (strcmp(encoding, "base64") == 0) {
        if (!base64_decode(text, len, out)) {
            say(reason, size, "original_body is not the base64 that it is marked as");
            return false;
        }
    } else if (strcmp(encoding, "empty") != 0 || len > 0) {
        say(reason, size, "original_encoding \"%.32s\" does not fit original_body", encoding);
        return false;
    }
    return true;
}

static bool has_sha256(const struct deadletter_object *o, const struct buf *body)
{
    json_t *actual = json_object();
    put_sha256(actual, body->data, body->len);
    bool same = strcmp(text_of(actual, "sha256"), o->sha256) == 0;
    json_decref(actual);
    return same;
}

struct webhook *deadletter_object_webhook(const struct deadletter_object *o, char *reason,
                                          size_t reason_size)
{
    struct buf body = {0};
    if (!decode_body(o->json, &body, reason, reason_size)) {
        buf_free(&body);
        return NULL;
    }
    if (!has_sha256(o, &body) || strlen(o->trace_id) >= WEBHOOK_TRACE_BYTES) {
        say(reason, reason_size,
            has_sha256(o, &body) ? "the trace id is too long"
                                 : "original_body does not match its sha256");
        buf_free(&body);
        return NULL;
    }
    struct webhook *h = xcalloc(1, sizeof(*h));
    strcpy(h->trace_id, o->trace_id);
    h->source = xstrdup(o->source);
    h->event_id = xstrdup(o->event_id);
    h->content_type = xstrdup(o->content_type);
    h->schema_version = xstrdup(o->schema_version);
    h->received_at_ms = o->received_at_ms;
    h->body_len = body.len;
    h->body = buf_steal(&body);
    return h;
}

/* ---- updating ---- */

bool deadletter_object_is_claimed(const struct deadletter_object *o, int64_t now_ms)
{
    return *o->claimed_by && o->claimed_until_ms > now_ms;
}

void deadletter_object_claim(struct deadletter_object *o, const char *by, int64_t until_ms)
{
    put(o->json, "claimed_by", text_json(by));
    put(o->json, "claimed_until", time_json(until_ms));
    refresh(o);
}

void deadletter_object_release(struct deadletter_object *o)
{
    json_object_del(o->json, "claimed_by");
    json_object_del(o->json, "claimed_until");
    refresh(o);
}

void deadletter_object_delivered(struct deadletter_object *o, int64_t at_ms)
{
    put(o->json, "delivered_at", time_json(at_ms));
    deadletter_object_release(o);
}

static json_t *attempts_of(struct deadletter_object *o)
{
    json_t *attempts = json_object_get(o->json, "attempts");
    if (!json_is_array(attempts)) {
        attempts = json_array();
        json_object_set_new(o->json, "attempts", attempts);
    }
    return attempts;
}

static void cut_attempts(json_t *attempts)
{
    while (json_array_size(attempts) > DEADLETTER_OBJECT_ATTEMPTS)
        json_array_remove(attempts, 0);
}

void deadletter_object_failed(struct deadletter_object *o, const struct deadletter_attempt *attempt,
                              const char *error_class, int max_redrives)
{
    json_t *json = o->json;
    json_t *one = json_object();
    put(one, "at", time_json(attempt->at_ms));
    put(one, "attempt", json_integer(o->retry_count + 2));
    put(one, "error", text_json(attempt->error));
    put(one, "status", json_integer(attempt->status));
    put(one, "ms", json_integer(attempt->took_ms));
    json_array_append_new(attempts_of(o), one);
    cut_attempts(attempts_of(o));
    put(json, "error", text_json(attempt->error));
    put(json, "error_class", text_json(error_class));
    put(json, "failed_at", time_json(attempt->at_ms + attempt->took_ms));
    put(json, "retry_count", json_integer(o->retry_count + 1));
    put(json, "redrives", json_integer(o->redrives + 1));
    put(json, "parked", json_boolean(o->redrives + 1 >= max_redrives));
    deadletter_object_release(o);
}

struct deadletter_object *deadletter_object_next_round(const struct deadletter_object *stored,
                                                       const struct deadletter_object *round)
{
    json_t *json = json_deep_copy(stored->json);
    struct deadletter_object *o = wrap(json);
    const char *name;
    json_t *value;
    int retry_count = stored->retry_count + round->retry_count + 1;
    json_t *attempts = json_incref(attempts_of(o));
    int64_t last_ms = time_of(json_array_get(attempts, json_array_size(attempts) - 1), "at");
    size_t i;
    json_array_foreach(json_object_get(round->json, "attempts"), i, value)
    {
        if (time_of(value, "at") > last_ms)
            json_array_append_new(attempts, json_deep_copy(value));
    }
    cut_attempts(attempts);
    json_object_foreach(round->json, name, value)
    {
        bool kept = strcmp(name, "first_failed_at") == 0 || strcmp(name, "attempts") == 0 ||
                    strcmp(name, "received_at") == 0;
        if (!kept)
            json_object_set_new(json, name, json_deep_copy(value));
    }
    json_decref(attempts);
    put(json, "retry_count", json_integer(retry_count));
    json_object_del(json, "delivered_at");
    deadletter_object_release(o);
    return o;
}

/* ---- key and metadata ---- */

void deadletter_object_key(const char *prefix, int64_t first_failed_at_ms, const char *trace_id,
                           const char *sha256, char out[DEADLETTER_OBJECT_KEY_BYTES])
{
    char t[CLOCK_TEXT_BYTES];
    clock_rfc3339(first_failed_at_ms, t);
    snprintf(out, DEADLETTER_OBJECT_KEY_BYTES,
             "%syear=%.4s/month=%.2s/day=%.2s/hour=%.2s/%s%s%.*s.json", prefix, t, t + 5, t + 8,
             t + 11, trace_id, sha256 ? "-" : "", COLLISION_DIGITS, sha256 ? sha256 : "");
}

/* One line of printable ASCII that survives a header: the rest, and blanks that a header would
 * lose, become %XX. */
static char *header_safe(const char *text)
{
    struct buf out = {0};
    for (size_t i = 0; text[i] && out.len + 3 <= METADATA_BYTES; i++) {
        unsigned char c = (unsigned char)text[i];
        bool lost = c == ' ' && (i == 0 || text[i - 1] == ' ' || !text[i + 1]);
        if (c < 0x20 || c > 0x7e || lost)
            buf_printf(&out, "%%%02X", c);
        else
            buf_append(&out, &text[i], 1);
    }
    return buf_steal(&out);
}

void deadletter_object_metadata(const struct deadletter_object *o, struct deadletter_metadata *m)
{
    memset(m, 0, sizeof(*m));
    m->event_id = header_safe(o->event_id);
    m->schema_version = header_safe(o->schema_version);
    snprintf(m->retry_count, sizeof(m->retry_count), "%d", o->retry_count);
    m->headers[m->count++] = (struct http_header){"event_id", m->event_id};
    if (*m->schema_version)
        m->headers[m->count++] = (struct http_header){"schema_ver", m->schema_version};
    m->headers[m->count++] = (struct http_header){"retry_count", m->retry_count};
}

void deadletter_metadata_free(struct deadletter_metadata *m)
{
    free(m->event_id);
    free(m->schema_version);
}

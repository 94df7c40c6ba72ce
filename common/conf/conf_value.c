#include "common/conf/conf_value.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/buf.h"
#include "common/base/fdio.h"
#include "common/base/xalloc.h"
#include "common/conf/conf_errors.h"
#include "common/conf/conf_keys.h"
#include "common/conf/conf_text.h"
#include "common/conf/conf_tokens.h"

#define SECRET_FILE_MAX 65536
#define REASON_BYTES 320

/* What every check of one value needs. */
struct subject {
    const struct conf_key *key;
    const char *base_dir;
    struct conf_errors *errors;
};

static const char *type_words(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "a list";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
        return "a number";
    case JSON_REAL:
        return "a number with a fraction";
    case JSON_NULL:
        return "null";
    default:
        return "true or false";
    }
}

static char *absolute(const char *text, const char *base_dir)
{
    return *text == '/' || !*text ? xstrdup(text) : xasprintf("%s/%s", base_dir, text);
}

/* The content of {"file": path} without its last line end; NULL after adding the error. */
static char *read_secret(const struct subject *s, const char *path, const json_t *reference)
{
    const char *written = json_string_value(json_object_get(reference, "file"));
    if (!written || json_object_size(reference) != 1) {
        conf_errors_add(s->errors, path, "expected a string or {\"file\": \"path\"}");
        return NULL;
    }
    char reason[REASON_BYTES];
    char *expanded = conf_text_expand(written, reason, sizeof(reason));
    if (!expanded) {
        conf_errors_add(s->errors, path, "%s", reason);
        return NULL;
    }
    char *file = absolute(expanded, s->base_dir);
    free(expanded);
    struct buf content = {0};
    char *secret = NULL;
    if (fdio_read_file(file, SECRET_FILE_MAX, &content)) {
        conf_errors_add(s->errors, path, "cannot read the secret in \"%s\": %s", file,
                        strerror(errno));
    } else {
        while (content.len && strchr("\r\n", content.data[content.len - 1]))
            content.data[--content.len] = '\0';
        if (content.len == 0)
            conf_errors_add(s->errors, path, "the secret file \"%s\" is empty", file);
        else if (memchr(content.data, '\0', content.len))
            conf_errors_add(s->errors, path, "the secret file \"%s\" holds a NUL byte", file);
        else
            secret = xstrdup(content.data);
    }
    if (content.data)
        explicit_bzero(content.data, content.cap);
    buf_free(&content);
    free(file);
    return secret;
}

/* A string as written, with its variables replaced; NULL after adding the error. */
static char *plain_text(const struct subject *s, const char *path, const json_t *written)
{
    bool secret = s->key->flags & CONF_SECRET;
    if (secret && json_is_object(written))
        return read_secret(s, path, written);
    if (!json_is_string(written)) {
        conf_errors_add(s->errors, path, "expected a string%s, found %s",
                        secret ? " or {\"file\": \"path\"}" : "", type_words(written));
        return NULL;
    }
    char reason[REASON_BYTES];
    char *text = conf_text_expand(json_string_value(written), reason, sizeof(reason));
    if (!text)
        conf_errors_add(s->errors, path, "%s", reason);
    return text;
}

/* A string that has the key's format, as JSON; NULL after adding the error. */
static json_t *text_value(const struct subject *s, const char *path, const json_t *written)
{
    char *text = plain_text(s, path, written);
    if (!text)
        return NULL;
    json_t *value = NULL;
    const char *expected = s->key->format ? s->key->format(text) : NULL;
    if (expected && s->key->flags & CONF_SECRET)
        conf_errors_add(s->errors, path, "must be %s", expected);
    else if (expected)
        conf_errors_add(s->errors, path, "must be %s, found \"%.80s\"", expected, text);
    else if (!(value = json_string(text)))
        conf_errors_add(s->errors, path, "must be UTF-8 text");
    explicit_bzero(text, strlen(text));
    free(text);
    return value;
}

static json_t *check_int(const struct subject *s, const char *path, const json_t *written)
{
    const struct conf_key *key = s->key;
    json_int_t number = json_integer_value(written);
    bool whole = json_is_integer(written);
    /* A number from the environment can only be written as a string. */
    if (json_is_string(written) && conf_text_has_variable(json_string_value(written))) {
        char *text = plain_text(s, path, written);
        if (!text)
            return NULL;
        char *end;
        errno = 0;
        number = strtoll(text, &end, 10);
        whole = end != text && !*end && !errno && !strchr(" \t\n\v\f\r+", *text);
        if (!whole)
            conf_errors_add(
                s->errors, path,
                "expected a whole number from %lld to %lld, the variable gives \"%.40s\"",
                (long long)key->min, (long long)key->max, text);
        free(text);
        if (!whole)
            return NULL;
    }
    if (!whole) {
        conf_errors_add(s->errors, path, "expected a whole number from %lld to %lld, found %s",
                        (long long)key->min, (long long)key->max, type_words(written));
        return NULL;
    }
    if (number < key->min || number > key->max) {
        conf_errors_add(s->errors, path, "%lld is out of range: write a number from %lld to %lld",
                        (long long)number, (long long)key->min, (long long)key->max);
        return NULL;
    }
    return json_integer(number);
}

static json_t *check_bool(const struct subject *s, const char *path, const json_t *written)
{
    if (json_is_boolean(written))
        return json_boolean(json_is_true(written));
    if (!json_is_string(written) || !conf_text_has_variable(json_string_value(written))) {
        conf_errors_add(s->errors, path, "expected true or false, found %s", type_words(written));
        return NULL;
    }
    char *text = plain_text(s, path, written);
    if (!text)
        return NULL;
    json_t *value = NULL;
    if (strcmp(text, "true") == 0 || strcmp(text, "false") == 0)
        value = json_boolean(strcmp(text, "true") == 0);
    else
        conf_errors_add(s->errors, path, "expected true or false, the variable gives \"%.40s\"",
                        text);
    free(text);
    return value;
}

static json_t *check_string(const struct subject *s, const char *path, const json_t *written)
{
    return text_value(s, path, written);
}

static json_t *check_path(const struct subject *s, const char *path, const json_t *written)
{
    json_t *value = text_value(s, path, written);
    if (!value)
        return NULL;
    char *full = absolute(json_string_value(value), s->base_dir);
    json_decref(value);
    value = json_string(full);
    if (!value)
        conf_errors_add(s->errors, path,
                        "the directory it is relative to has a name that is not "
                        "UTF-8: write an absolute path");
    free(full);
    return value;
}

#define WORDS_MAX 16

/* Splits "a|b|c" in place. */
static size_t split_words(char *text, const char *words[WORDS_MAX])
{
    size_t count = 0;
    char *save = NULL;
    for (char *w = strtok_r(text, "|", &save); w && count < WORDS_MAX;
         w = strtok_r(NULL, "|", &save))
        words[count++] = w;
    return count;
}

static json_t *check_word(const struct subject *s, const char *path, const json_t *written)
{
    json_t *value = text_value(s, path, written);
    if (!value || conf_keys_has_word(s->key->words, json_string_value(value)))
        return value;
    char *copy = xstrdup(s->key->words);
    const char *words[WORDS_MAX];
    const char *near = conf_text_nearest(json_string_value(value), words, split_words(copy, words));
    if (near)
        conf_errors_add(s->errors, path, "unknown word \"%.40s\"; did you mean \"%s\"? (%s)",
                        json_string_value(value), near, s->key->words);
    else
        conf_errors_add(s->errors, path, "unknown word \"%.40s\"; write one of %s",
                        json_string_value(value), s->key->words);
    free(copy);
    json_decref(value);
    return NULL;
}

/* Whether a list or map has as many entries as its key allows. */
static bool count_fits(const struct subject *s, const char *path, size_t count)
{
    if ((int64_t)count < s->key->min) {
        conf_errors_add(s->errors, path, "needs at least %lld, found %zu", (long long)s->key->min,
                        count);
        return false;
    }
    if ((int64_t)count > s->key->max) {
        conf_errors_add(s->errors, path, "takes at most %lld, found %zu", (long long)s->key->max,
                        count);
        return false;
    }
    return true;
}

/* A list; where an entry is wrong the others are still looked at. */
static json_t *check_entries(const struct subject *s, const char *path, const json_t *written,
                             const char *of,
                             json_t *(*one)(const struct subject *, const char *, const json_t *))
{
    if (!json_is_array(written)) {
        conf_errors_add(s->errors, path, "expected a list of %s, found %s", of,
                        type_words(written));
        return NULL;
    }
    json_t *list = json_array();
    size_t i;
    json_t *entry;
    json_array_foreach((json_t *)written, i, entry)
    {
        char *entry_path = xasprintf("%s[%zu]", path, i);
        json_t *value = one(s, entry_path, entry);
        if (value)
            json_array_append_new(list, value);
        free(entry_path);
    }
    if (json_array_size(list) == json_array_size(written))
        return list;
    json_decref(list);
    return NULL;
}

static json_t *check_strings(const struct subject *s, const char *path, const json_t *written)
{
    return check_entries(s, path, written, "strings", text_value);
}

static json_t *check_list(const struct subject *s, const char *path, const json_t *written)
{
    if (json_is_array(written) && !count_fits(s, path, json_array_size(written)))
        return NULL;
    return check_strings(s, path, written);
}

static json_t *check_uid(const struct subject *s, const char *path, const json_t *written)
{
    static const struct conf_key uid = {.type = CONF_INT, .min = 0, .max = 0xfffffffe};
    return conf_value_check(&uid, path, written, s->base_dir, s->errors);
}

static json_t *check_uids(const struct subject *s, const char *path, const json_t *written)
{
    if (json_is_array(written) && !count_fits(s, path, json_array_size(written)))
        return NULL;
    return check_entries(s, path, written, "user ids", check_uid);
}

static json_t *check_token(const struct subject *s, const char *path, const json_t *written)
{
    return conf_tokens_check(path, written, s->base_dir, s->errors);
}

static json_t *check_tokens(const struct subject *s, const char *path, const json_t *written)
{
    if (json_is_array(written) && !count_fits(s, path, json_array_size(written)))
        return NULL;
    return check_entries(s, path, written, "{\"name\", \"secret\", \"role\"}", check_token);
}

/* name -> what `entry` makes of each value. */
static json_t *check_named(const struct subject *s, const char *path, const json_t *written,
                           json_t *(*entry)(const struct subject *, const char *, const json_t *))
{
    if (!json_is_object(written)) {
        conf_errors_add(s->errors, path, "expected an object, found %s", type_words(written));
        return NULL;
    }
    if (!count_fits(s, path, json_object_size(written)))
        return NULL;
    json_t *map = json_object();
    const char *name;
    json_t *one;
    json_object_foreach((json_t *)written, name, one)
    {
        char *entry_path = xasprintf("%s.%s", path, name);
        const char *expected = s->key->key_format ? s->key->key_format(name) : NULL;
        json_t *value = NULL;
        if (expected)
            conf_errors_add(s->errors, entry_path, "the name must be %s", expected);
        else
            value = entry(s, entry_path, one);
        if (value)
            json_object_set_new(map, name, value);
        free(entry_path);
    }
    if (json_object_size(map) == json_object_size(written))
        return map;
    json_decref(map);
    return NULL;
}

static json_t *check_map(const struct subject *s, const char *path, const json_t *written)
{
    return check_named(s, path, written, text_value);
}

static json_t *choice_entry(const struct subject *s, const char *path, const json_t *written)
{
    if (json_is_array(written) && json_array_size(written) == 0) {
        conf_errors_add(s->errors, path, "needs at least one value that is allowed");
        return NULL;
    }
    return check_strings(s, path, written);
}

static json_t *check_choices(const struct subject *s, const char *path, const json_t *written)
{
    return check_named(s, path, written, choice_entry);
}

static json_t *empty_integer(void)
{
    return json_integer(0);
}

static json_t *empty_bool(void)
{
    return json_false();
}

static json_t *empty_string(void)
{
    return json_string("");
}

static const struct {
    json_t *(*check)(const struct subject *s, const char *path, const json_t *written);
    json_t *(*empty)(void);
} types[] = {
    [CONF_INT] = {check_int, empty_integer},       [CONF_STRING] = {check_string, empty_string},
    [CONF_WORD] = {check_word, empty_string},      [CONF_PATH] = {check_path, empty_string},
    [CONF_LIST] = {check_list, json_array},        [CONF_MAP] = {check_map, json_object},
    [CONF_CHOICES] = {check_choices, json_object}, [CONF_BOOL] = {check_bool, empty_bool},
    [CONF_UIDS] = {check_uids, json_array},        [CONF_TOKENS] = {check_tokens, json_array},
};

json_t *conf_value_check(const struct conf_key *key, const char *path, const json_t *written,
                         const char *base_dir, struct conf_errors *errors)
{
    struct subject s = {key, base_dir, errors};
    return types[key->type].check(&s, path, written);
}

json_t *conf_value_empty(const struct conf_key *key)
{
    return types[key->type].empty();
}

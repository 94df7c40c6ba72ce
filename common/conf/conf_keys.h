#ifndef COMMON_CONF_CONF_KEYS_H
#define COMMON_CONF_CONF_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "common/conf/conf_format.h"

/* The one table of configuration keys: what conf_fill checks and fills in, what conf_slice cuts,
 * and what etc/sluice.json is tested against. */
enum conf_type {
    CONF_INT,
    CONF_STRING,
    CONF_WORD,    /* one of words */
    CONF_PATH,    /* a file; made absolute unless empty */
    CONF_LIST,    /* of strings; min and max bound how many */
    CONF_MAP,     /* name -> string */
    CONF_CHOICES, /* name -> list of strings */
    CONF_BOOL,
    CONF_UIDS,   /* a list of user ids; min and max bound how many */
    CONF_TOKENS, /* a list of {"name", "secret", "role"}: conf_tokens.h */
};

enum {
    CONF_RELOADABLE = 1 << 0, /* a reload may change it */
    CONF_SECRET = 1 << 1,     /* masked; may be written as {"file": path} */
    /* The roles that see it in their slice. What none sees is the supervisor's own. */
    CONF_INGEST = 1 << 8,
    CONF_CONSUMER = 1 << 9,
    CONF_RETRY = 1 << 10,
    CONF_KEYRING = 1 << 11,
    CONF_STORE = 1 << 12,
    CONF_WORKERS = CONF_INGEST | CONF_CONSUMER | CONF_RETRY | CONF_KEYRING | CONF_STORE,
};

struct conf_key {
    const char *path; /* dotted; "*" stands for the name of a source, queue or destination */
    enum conf_type type;
    unsigned flags;
    const char *fallback; /* JSON; {name} is the object's own name. NULL: must be written */
    int64_t min, max;     /* of a number; of a list or map its count */
    const char *words;    /* CONF_WORD: "text|json" */
    const char *when;     /* only for objects whose "type" is one of these words; NULL: for all */
    conf_format *format;  /* of a string, or of each in a list or map; NULL: any */
    conf_format *key_format; /* of the names in a map */
    const char *doc;
};

size_t conf_keys_count(void);
const struct conf_key *conf_keys_at(size_t i);

/* Whether word is one of "a|b|c". */
bool conf_keys_has_word(const char *words, const char *word);

/* Walks the members that an object of the table has: `pattern` is the object's own path ("" at the
 * top), *i_inout starts at 0. Each different next component is written to name_out once. False at
 * the end. */
#define CONF_KEYS_NAME_BYTES 48
bool conf_keys_next(const char *pattern, size_t *i_inout, char name_out[CONF_KEYS_NAME_BYTES]);

/* The key with exactly this path, or NULL (an object's path, or none). */
const struct conf_key *conf_keys_find(const char *path);

/* JSON that a preset lays under a source; NULL where there is no such preset. */
const char *conf_keys_preset(const char *name);

#endif

#include "workers/keyring/embedded_key.h"

#include <errno.h>
#include <jansson.h>
#include <openssl/rand.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "common/base/buf.h"
#include "common/base/fdio.h"
#include "common/base/log.h"

#define FILE_MAX_BYTES 4096
#define ID_PREFIX "SLUICE"
#define ID_RANDOM 14
#define SECRET_CHARACTERS 40
#define SECRET_MIN_CHARACTERS 16

static const char id_alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
static const char secret_alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void wipe_buf(struct buf *b)
{
    if (b->data)
        explicit_bzero(b->data, b->cap);
    buf_free(b);
}

/* The alphabets have a power of two characters, so each is as likely as the next. */
static int random_text(const char *alphabet, size_t count, char *out)
{
    unsigned char bytes[SECRET_CHARACTERS];
    if (RAND_bytes(bytes, (int)count) != 1)
        return -1;
    size_t mask = strlen(alphabet) - 1;
    for (size_t i = 0; i < count; i++)
        out[i] = alphabet[bytes[i] & mask];
    out[count] = '\0';
    explicit_bzero(bytes, sizeof(bytes));
    return 0;
}

static int make_file(const char *path, char *reason, size_t reason_size)
{
    char id[ID_RANDOM + 1];
    char secret[SECRET_CHARACTERS + 1];
    char text[256];
    int rc = random_text(id_alphabet, ID_RANDOM, id);
    if (rc == 0)
        rc = random_text(secret_alphabet, SECRET_CHARACTERS, secret);
    if (rc != 0) {
        snprintf(reason, reason_size, "no random bytes for the key pair \"%s\"", path);
        return -1;
    }
    snprintf(text, sizeof(text),
             "{\"access_key_id\": \"" ID_PREFIX "%s\", \"secret_access_key\": \"%s\"}\n", id,
             secret);
    explicit_bzero(secret, sizeof(secret));
    rc = fdio_replace_file(path, text, strlen(text), 0600);
    explicit_bzero(text, sizeof(text));
    if (rc != 0)
        snprintf(reason, reason_size, "key pair \"%s\" cannot be written: %s", path,
                 strerror(errno));
    else
        log_info("made a key pair for the embedded store: \"%s\"", path);
    return rc;
}

static bool is_key_id(const char *text)
{
    size_t len = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789");
    return len >= 16 && len < EMBEDDED_KEY_ID_BYTES && text[len] == '\0';
}

static bool is_secret(const char *text)
{
    size_t len = strspn(text, secret_alphabet);
    return len >= SECRET_MIN_CHARACTERS && len < EMBEDDED_KEY_SECRET_BYTES && text[len] == '\0';
}

static struct embedded_key *guarded_memory(void)
{
    struct embedded_key *key =
        mmap(NULL, sizeof(*key), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (key == MAP_FAILED)
        return NULL;
    if (mlock(key, sizeof(*key)) != 0)
        log_debug("the key pair could not be locked into memory: %s", strerror(errno));
    madvise(key, sizeof(*key), MADV_DONTDUMP);
    return key;
}

static struct embedded_key *parse(const struct buf *text)
{
    json_error_t error;
    struct embedded_key *key = NULL;
    json_t *object = json_loadb(text->data ? text->data : "", text->len, 0, &error);
    const char *id = json_string_value(json_object_get(object, "access_key_id"));
    const char *secret = json_string_value(json_object_get(object, "secret_access_key"));
    if (id && secret && is_key_id(id) && is_secret(secret))
        key = guarded_memory();
    if (key) {
        memcpy(key->access_key_id, id, strlen(id) + 1); /* is_key_id, is_secret: they fit */
        memcpy(key->secret, secret, strlen(secret) + 1);
    }
    json_decref(object); /* its memory is wiped by the process's allocator (keyring.c) */
    return key;
}

struct embedded_key *embedded_key_open(const char *path, char *reason, size_t reason_size)
{
    struct buf text = {0};
    struct embedded_key *key = NULL;
    int rc = fdio_read_file(path, FILE_MAX_BYTES, &text);
    if (rc != 0 && errno == ENOENT) {
        if (make_file(path, reason, reason_size) != 0)
            goto out;
        rc = fdio_read_file(path, FILE_MAX_BYTES, &text);
    }
    if (rc != 0) {
        snprintf(reason, reason_size, "key pair \"%s\" cannot be read: %s", path, strerror(errno));
        goto out;
    }
    key = parse(&text);
    if (!key)
        snprintf(reason, reason_size,
                 "key pair \"%s\" is damaged: restore it from a backup, or move it away so that a "
                 "new one is made (SDKs that use the old one need the new one then)",
                 path);
out:
    wipe_buf(&text);
    return key;
}

void embedded_key_free(struct embedded_key *key)
{
    if (!key)
        return;
    explicit_bzero(key, sizeof(*key));
    munmap(key, sizeof(*key));
}

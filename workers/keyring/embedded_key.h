#ifndef WORKERS_KEYRING_EMBEDDED_KEY_H
#define WORKERS_KEYRING_EMBEDDED_KEY_H

#include <stddef.h>

/* The key pair of the embedded store, made at the first start and kept in one file (mode 0600):
 * {"access_key_id": "...", "secret_access_key": "..."}. A file that is there but damaged is never
 * replaced: messages are not lost with it, but SDKs that were given the pair would be locked out.
 */
#define EMBEDDED_KEY_ID_BYTES 129
#define EMBEDDED_KEY_SECRET_BYTES 129

/* In memory of its own that is neither swapped nor dumped. */
struct embedded_key {
    char access_key_id[EMBEDDED_KEY_ID_BYTES];
    char secret[EMBEDDED_KEY_SECRET_BYTES];
};

/* Reads the file, or makes it where there is none. NULL with a reason that names the next step. */
struct embedded_key *embedded_key_open(const char *path, char *reason, size_t reason_size);
/* Wipes. */
void embedded_key_free(struct embedded_key *key);

#endif

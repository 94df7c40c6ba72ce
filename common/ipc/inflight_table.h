#ifndef COMMON_IPC_INFLIGHT_TABLE_H
#define COMMON_IPC_INFLIGHT_TABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* What a consumer process has in hand, in memory that outlives it: a memfd that the supervisor
 * makes and keeps (WORKER_FD_INFLIGHT), the consumer writes, and after its death another consumer
 * settles.
 *
 * It has a fixed number of slots, one for each message in work: the receipt handle with its queue,
 * and the claim in the ledger that is held on its event. Beside them are the process groups of the
 * programs that the consumer runs (more than slots: a program that was cancelled outlives its
 * message), and `current`: the one message whose content is being handled at this moment.
 *
 * The writer may die between any two instructions: a word that says whether a part is there is
 * cleared before the part is written and set after it. The readers take nothing for granted: texts
 * that are not ended or have control characters make a slot absent, and the size is the
 * descriptor's, sealed.
 */
struct inflight_table; /* a mapping of one */

#define INFLIGHT_URL_BYTES 513
#define INFLIGHT_HANDLE_BYTES 2049
#define INFLIGHT_LEDGER_ID_BYTES 1281
#define INFLIGHT_OWNER_BYTES 65
#define INFLIGHT_MESSAGE_ID_BYTES 129
#define INFLIGHT_TOKEN_BYTES 33

struct inflight_entry {
    char queue_url[INFLIGHT_URL_BYTES];
    char handle[INFLIGHT_HANDLE_BYTES];
    bool is_claimed; /* the ledger has been asked for the next two */
    char ledger_id[INFLIGHT_LEDGER_ID_BYTES];
    char owner[INFLIGHT_OWNER_BYTES];
};

struct inflight_current {
    char queue_url[INFLIGHT_URL_BYTES];
    char message_id[INFLIGHT_MESSAGE_ID_BYTES];
};

/* A new table of so many slots, empty: a memfd of a sealed size, close-on-exec. -1 with errno. */
int inflight_table_create(size_t slots) __attribute__((warn_unused_result));
/* Maps it (fd stays the caller's); NULL where the descriptor is no table. */
struct inflight_table *inflight_table_map(int fd);
void inflight_table_unmap(struct inflight_table *t); /* NULL is a no-op */
size_t inflight_table_slots(const struct inflight_table *t);

/* ---- the consumer ---- */

/* A message has been received. Its slot; -1 where none is free, or a text is too long: then the
 * message is not in the table. */
int inflight_table_enter(struct inflight_table *t, const char *queue_url, const char *handle);
/* The ledger is about to be asked for a claim in its name. */
void inflight_table_claim(struct inflight_table *t, int slot, const char *ledger_id,
                          const char *owner);
/* The message is no longer held; also the settler's mark that a slot is done with. */
void inflight_table_leave(struct inflight_table *t, int slot);
/* From here to inflight_table_end a death is put down to this message. */
void inflight_table_begin(struct inflight_table *t, const char *queue_url, const char *message_id);
void inflight_table_end(struct inflight_table *t);
/* A place for a process group, free (0) and the caller's until it holds 0 again; NULL where there
 * is none. */
_Atomic pid_t *inflight_table_group_place(struct inflight_table *t);

/* ---- whoever comes after its death ---- */

/* What is in a slot; false where it is free or not to be trusted. */
bool inflight_table_read(const struct inflight_table *t, size_t slot, struct inflight_entry *out);
bool inflight_table_read_current(const struct inflight_table *t, struct inflight_current *out);
/* Whether nothing is left that has to be settled. */
bool inflight_table_is_clear(const struct inflight_table *t);
/* The i-th process group, 0 where there is none; i < inflight_table_group_count. Whose it is, is
 * the caller's to check. */
size_t inflight_table_group_count(const struct inflight_table *t);
pid_t inflight_table_group_at(const struct inflight_table *t, size_t i);
/* What names this table among all that there ever were. */
void inflight_table_token(const struct inflight_table *t, char out[INFLIGHT_TOKEN_BYTES]);

#endif

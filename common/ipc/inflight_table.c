#include "common/ipc/inflight_table.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/hex.h"
#include "common/base/xalloc.h"

#define MAGIC 0x534c4954u
#define SLOTS_MAX 65536
#define GROUPS_PER_SLOT 2

/* In the memfd: a head, the slots, the groups. `there` is 0 while the part is absent. */
struct slot {
    _Atomic uint32_t there;
    _Atomic uint32_t claim_there;
    char queue_url[INFLIGHT_URL_BYTES];
    char handle[INFLIGHT_HANDLE_BYTES];
    char ledger_id[INFLIGHT_LEDGER_ID_BYTES];
    char owner[INFLIGHT_OWNER_BYTES];
};

struct head {
    uint32_t magic;
    _Atomic uint32_t current_there;
    char token[INFLIGHT_TOKEN_BYTES];
    char queue_url[INFLIGHT_URL_BYTES];
    char message_id[INFLIGHT_MESSAGE_ID_BYTES];
};

struct groups {
    _Atomic pid_t of_slot[GROUPS_PER_SLOT];
};

struct inflight_table {
    void *map;
    size_t size;
    size_t count; /* of slots, by the size */
    struct head *head;
    struct slot *slots;
    _Atomic pid_t *groups;
    size_t next; /* where the search for a free slot begins */
};

static size_t table_size(size_t slots)
{
    return sizeof(struct head) + slots * (sizeof(struct slot) + sizeof(struct groups));
}

static int fill_head(int fd)
{
    unsigned char bytes[(INFLIGHT_TOKEN_BYTES - 1) / 2];
    struct head head = {.magic = MAGIC};
    if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes))
        return -1;
    hex_encode(bytes, sizeof(bytes), head.token);
    return pwrite(fd, &head, sizeof(head), 0) == (ssize_t)sizeof(head) ? 0 : -1;
}

int inflight_table_create(size_t slots)
{
    int fd = memfd_create("sluice-inflight", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0)
        return -1;
    if (ftruncate(fd, (off_t)table_size(slots)) == 0 && fill_head(fd) == 0 &&
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
        return fd;
    int saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

/* How many slots a descriptor of this size has; 0 where it is none of ours. */
static size_t slots_of(int fd)
{
    struct stat st;
    int seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0 || !(seals & F_SEAL_SHRINK) || fstat(fd, &st) != 0)
        return 0;
    size_t size = (size_t)st.st_size;
    size_t slots =
        size > table_size(0) ? (size - table_size(0)) / (table_size(1) - table_size(0)) : 0;
    return slots <= SLOTS_MAX && table_size(slots) == size ? slots : 0;
}

struct inflight_table *inflight_table_map(int fd)
{
    size_t count = slots_of(fd);
    if (count == 0)
        return NULL;
    void *map = mmap(NULL, table_size(count), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED)
        return NULL;
    struct inflight_table *t = xcalloc(1, sizeof(*t));
    t->map = map;
    t->size = table_size(count);
    t->count = count;
    t->head = map;
    t->slots = (struct slot *)(void *)((char *)map + sizeof(struct head));
    t->groups = (_Atomic pid_t *)(void *)(t->slots + count);
    if (t->head->magic == MAGIC)
        return t;
    inflight_table_unmap(t);
    return NULL;
}

void inflight_table_unmap(struct inflight_table *t)
{
    if (!t)
        return;
    munmap(t->map, t->size);
    free(t);
}

size_t inflight_table_slots(const struct inflight_table *t)
{
    return t->count;
}

/* ---- writing ---- */

static void clear(_Atomic uint32_t *there)
{
    atomic_store_explicit(there, 0, memory_order_relaxed);
    /* Nothing of what follows may come before it. */
    atomic_thread_fence(memory_order_seq_cst);
}

static void set(_Atomic uint32_t *there)
{
    atomic_store_explicit(there, 1, memory_order_release);
}

static bool is_set(const _Atomic uint32_t *there)
{
    return atomic_load_explicit(there, memory_order_acquire) != 0;
}

int inflight_table_enter(struct inflight_table *t, const char *queue_url, const char *handle)
{
    if (strlen(queue_url) >= INFLIGHT_URL_BYTES || strlen(handle) >= INFLIGHT_HANDLE_BYTES)
        return -1;
    for (size_t n = 0; n < t->count; n++) {
        size_t i = (t->next + n) % t->count;
        struct slot *slot = &t->slots[i];
        if (is_set(&slot->there))
            continue;
        clear(&slot->claim_there);
        strcpy(slot->queue_url, queue_url);
        strcpy(slot->handle, handle);
        set(&slot->there);
        t->next = (i + 1) % t->count;
        return (int)i;
    }
    return -1;
}

void inflight_table_claim(struct inflight_table *t, int slot, const char *ledger_id,
                          const char *owner)
{
    if (slot < 0 || strlen(ledger_id) >= INFLIGHT_LEDGER_ID_BYTES ||
        strlen(owner) >= INFLIGHT_OWNER_BYTES)
        return;
    struct slot *s = &t->slots[slot];
    clear(&s->claim_there);
    strcpy(s->ledger_id, ledger_id);
    strcpy(s->owner, owner);
    set(&s->claim_there);
}

void inflight_table_leave(struct inflight_table *t, int slot)
{
    if (slot >= 0)
        clear(&t->slots[slot].there);
}

void inflight_table_begin(struct inflight_table *t, const char *queue_url, const char *message_id)
{
    clear(&t->head->current_there);
    if (strlen(queue_url) >= INFLIGHT_URL_BYTES || strlen(message_id) >= INFLIGHT_MESSAGE_ID_BYTES)
        return;
    strcpy(t->head->queue_url, queue_url);
    strcpy(t->head->message_id, message_id);
    set(&t->head->current_there);
}

void inflight_table_end(struct inflight_table *t)
{
    clear(&t->head->current_there);
}

_Atomic pid_t *inflight_table_group_place(struct inflight_table *t)
{
    for (size_t i = 0; i < t->count * GROUPS_PER_SLOT; i++)
        if (atomic_load(&t->groups[i]) == 0)
            return &t->groups[i];
    return NULL;
}

/* ---- reading ---- */

/* A text of the table: ended, not empty, no control characters. */
static bool take(char *out, const char *from, size_t size)
{
    size_t len = strnlen(from, size);
    if (len == 0 || len == size)
        return false;
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)from[i] < 0x20 || from[i] == 0x7f)
            return false;
        out[i] = from[i];
    }
    out[len] = '\0';
    return true;
}

/* Queues, handles and ids of messages are ASCII; only an event id need not be. */
static bool take_ascii(char *out, const char *from, size_t size)
{
    if (!take(out, from, size))
        return false;
    for (const char *c = out; *c; c++)
        if ((unsigned char)*c > 0x7e)
            return false;
    return true;
}

bool inflight_table_read(const struct inflight_table *t, size_t slot, struct inflight_entry *out)
{
    const struct slot *s = &t->slots[slot];
    if (!is_set(&s->there) || !take_ascii(out->queue_url, s->queue_url, sizeof(out->queue_url)) ||
        !take_ascii(out->handle, s->handle, sizeof(out->handle)))
        return false;
    out->is_claimed = is_set(&s->claim_there) &&
                      take(out->ledger_id, s->ledger_id, sizeof(out->ledger_id)) &&
                      take_ascii(out->owner, s->owner, sizeof(out->owner));
    return true;
}

bool inflight_table_read_current(const struct inflight_table *t, struct inflight_current *out)
{
    const struct head *h = t->head;
    return is_set(&h->current_there) &&
           take_ascii(out->queue_url, h->queue_url, sizeof(out->queue_url)) &&
           take_ascii(out->message_id, h->message_id, sizeof(out->message_id));
}

bool inflight_table_is_clear(const struct inflight_table *t)
{
    struct inflight_entry entry;
    struct inflight_current current;
    if (inflight_table_read_current(t, &current))
        return false;
    for (size_t i = 0; i < t->count; i++)
        if (inflight_table_read(t, i, &entry))
            return false;
    return true;
}

size_t inflight_table_group_count(const struct inflight_table *t)
{
    return t->count * GROUPS_PER_SLOT;
}

pid_t inflight_table_group_at(const struct inflight_table *t, size_t i)
{
    return atomic_load(&t->groups[i]);
}

void inflight_table_token(const struct inflight_table *t, char out[INFLIGHT_TOKEN_BYTES])
{
    if (!take_ascii(out, t->head->token, INFLIGHT_TOKEN_BYTES))
        strcpy(out, "none");
}

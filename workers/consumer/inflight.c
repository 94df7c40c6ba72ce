#include "workers/consumer/inflight.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/xalloc.h"
#include "common/delivery/ledger.h"
#include "common/ipc/inflight_table.h"

struct inflight {
    struct work_list list; /* own, in the order of receipt */
    size_t count;
    uint64_t last_id;
    struct inflight_table *table; /* borrow, or NULL */
    int depth;                    /* of inflight_begin */
};

struct inflight *inflight_new(void)
{
    struct inflight *all = xcalloc(1, sizeof(*all));
    TAILQ_INIT(&all->list);
    return all;
}

void inflight_free(struct inflight *all)
{
    if (!all)
        return;
    struct work *w;
    while ((w = TAILQ_FIRST(&all->list)))
        inflight_remove(all, w);
    free(all);
}

void inflight_use_table(struct inflight *all, struct inflight_table *table)
{
    all->table = table;
}

void inflight_claimed(struct inflight *all, const struct work *w, const char *ledger_id,
                      const char *owner)
{
    if (all->table)
        inflight_table_claim(all->table, w->slot, ledger_id, owner);
}

void inflight_begin(struct inflight *all, const struct work *w)
{
    if (all->depth++ == 0 && all->table)
        inflight_table_begin(all->table, w->queue->url ? w->queue->url : "", w->message.id);
}

void inflight_end(struct inflight *all)
{
    if (--all->depth == 0 && all->table)
        inflight_table_end(all->table);
}

static void copy_message(struct sqs_message *to, const struct sqs_message *from)
{
    *to = *from;
    to->id = xstrdup(from->id);
    to->receipt_handle = xstrdup(from->receipt_handle);
    to->group = from->group ? xstrdup(from->group) : NULL;
    char *body = xmalloc(from->body_len + 1);
    memcpy(body, from->body, from->body_len);
    body[from->body_len] = '\0';
    to->body = body;
    struct sqs_attribute *attributes = xcalloc(from->attribute_count + 1, sizeof(*attributes));
    for (size_t i = 0; i < from->attribute_count; i++) {
        attributes[i].name = xstrdup(from->attributes[i].name);
        attributes[i].type = xstrdup(from->attributes[i].type);
        attributes[i].value = xstrdup(from->attributes[i].value);
    }
    to->attributes = attributes;
}

static void free_text(const char *text)
{
    free((char *)(uintptr_t)text);
}

static void free_message(struct sqs_message *m)
{
    free_text(m->id);
    free_text(m->receipt_handle);
    free_text(m->group);
    free_text(m->body);
    for (size_t i = 0; i < m->attribute_count; i++) {
        free_text(m->attributes[i].name);
        free_text(m->attributes[i].type);
        free_text(m->attributes[i].value);
    }
    free((struct sqs_attribute *)(uintptr_t)m->attributes);
}

struct work *inflight_add(struct inflight *all, struct queue *queue,
                          const struct sqs_message *message)
{
    struct work *w = xcalloc(1, sizeof(*w));
    w->id = ++all->last_id;
    w->inflight = all;
    w->queue = queue;
    copy_message(&w->message, message);
    w->slot = all->table && queue->url
                  ? inflight_table_enter(all->table, queue->url, w->message.receipt_handle)
                  : -1;
    TAILQ_INSERT_TAIL(&all->list, w, link);
    all->count++;
    return w;
}

struct work *inflight_find(const struct inflight *all, uint64_t id)
{
    struct work *w;
    TAILQ_FOREACH(w, &all->list, link)
    if (w->id == id)
        return w;
    return NULL;
}

void inflight_remove(struct inflight *all, struct work *w)
{
    TAILQ_REMOVE(&all->list, w, link);
    all->count--;
    if (all->table)
        inflight_table_leave(all->table, w->slot);
    ledger_claim_free(w->claim);
    ledger_record_free(w->record);
    webhook_free(w->hook);
    free_message(&w->message);
    free(w);
}

size_t inflight_count(const struct inflight *all)
{
    return all->count;
}

size_t inflight_count_of(const struct inflight *all, const struct queue *queue)
{
    size_t count = 0;
    const struct work *w;
    TAILQ_FOREACH(w, &all->list, link)
    count += w->queue == queue ? 1 : 0;
    return count;
}

struct work *inflight_first(const struct inflight *all)
{
    return TAILQ_FIRST(&all->list);
}

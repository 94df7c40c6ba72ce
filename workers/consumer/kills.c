#include "workers/consumer/kills.h"

#include <stdlib.h>
#include <sys/queue.h>

#include "common/base/xalloc.h"
#include "common/delivery/ledger_kills.h"
#include "workers/consumer/poison.h"

/* A question that waits for its answer. */
struct inquiry {
    LIST_ENTRY(inquiry) link;
    struct kills *kills; /* borrow */
    uint64_t work_id;
};

struct kills {
    const struct sources *sources;   /* borrow */
    const struct inflight *inflight; /* borrow */
    LIST_HEAD(, inquiry) inquiries;  /* own */
    kills_cb *known;
    void *arg;
};

struct kills *kills_new(const struct sources *sources, const struct inflight *inflight,
                        kills_cb *known, void *arg)
{
    struct kills *k = xcalloc(1, sizeof(*k));
    k->sources = sources;
    k->inflight = inflight;
    k->known = known;
    k->arg = arg;
    return k;
}

void kills_free(struct kills *k)
{
    struct inquiry *inquiry;
    if (!k)
        return;
    while ((inquiry = LIST_FIRST(&k->inquiries))) {
        LIST_REMOVE(inquiry, link);
        free(inquiry);
    }
    free(k);
}

static void on_kills(void *arg, int kills)
{
    struct inquiry *inquiry = arg;
    struct kills *k = inquiry->kills;
    struct work *w = inflight_find(k->inflight, inquiry->work_id);
    LIST_REMOVE(inquiry, link);
    free(inquiry);
    if (!w)
        return;
    w->kills = kills;
    w->is_poison = poison_is(&w->message, kills, w->queue->attributes.max_receives);
    k->known(k->arg, w);
}

bool kills_ask(struct kills *k, const struct work *w)
{
    struct ledger_kills *ledger = sources_kills_of_queue(k->sources, w->queue);
    if (!ledger || w->message.receive_count < 2)
        return false;
    struct inquiry *inquiry = xcalloc(1, sizeof(*inquiry));
    inquiry->kills = k;
    inquiry->work_id = w->id;
    LIST_INSERT_HEAD(&k->inquiries, inquiry, link);
    ledger_kills_get(ledger, w->queue->url, w->message.id, on_kills, inquiry);
    return true;
}

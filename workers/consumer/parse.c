#include "workers/consumer/parse.h"

#include <stdlib.h>
#include <string.h>

#include "common/aws/sigv4.h"
#include "common/base/fault.h"
#include "common/webhook/event_id.h"
#include "workers/consumer/poison.h"

static void read_poison(const struct sources *sources, struct work *w)
{
    const struct source *first = sources_of_queue(sources, w->queue, NULL);
    w->hook = poison_webhook(&w->message, first->name, w->queue->name);
    w->source = sources_of_queue(sources, w->queue, w->hook->source);
}

static void read_event(const struct sources *sources, struct work *w, char *reason,
                       size_t reason_size)
{
    const char *queue = w->queue->name;
    w->source = sources_of_queue(sources, w->queue, NULL);
    if (w->message.damaged)
        return;
    w->hook = webhook_from_message(&w->message, w->source->name, queue, reason, reason_size);
    if (!w->hook)
        return;
    w->source = sources_of_queue(sources, w->queue, w->hook->source);
    if (*w->hook->event_id)
        return;
    free(w->hook->event_id);
    w->hook->event_id = event_id_of(w->source->conf, NULL, NULL, w->hook->body, w->hook->body_len,
                                    w->hook->trace_id);
    if (strcmp(w->hook->event_id, w->hook->trace_id) != 0)
        webhook_derived_trace(queue, w->hook->event_id, w->hook->trace_id);
}

bool parse_message(const struct sources *sources, struct work *w, struct route *route_out)
{
    char malformed[256] = "";
    if (w->is_poison) {
        read_poison(sources, w);
    } else {
        fault_point_about("consumer.parsing", w->message.body, w->message.body_len);
        read_event(sources, w, malformed, sizeof(malformed));
        if (!route_readable(w->source, &w->message, w->hook, malformed, route_out))
            return false;
    }
    sigv4_sha256_hex(w->hook->body, w->hook->body_len, w->sha256);
    w->retry_count = route_retry_count(&w->message);
    return true;
}

#include "common/delivery/delivery.h"

#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "common/conf/conf.h"
#include "common/delivery/check.h"
#include "common/delivery/delivery_ids.h"
#include "common/delivery/delivery_type.h"
#include "common/delivery/ledger.h"

#define ERROR_BYTES 201

struct destination {
    const struct delivery_type *type;
    const char *name; /* borrow */
    void *opened;     /* own, of the type */
};

struct delivery {
    const struct destination *to; /* borrow */
    const struct webhook *hook;   /* borrow */
    int number;
    struct check_call *checking;              /* own, while the source's check is made */
    void *attempt;                            /* own, of the type; NULL until then */
    void (*handling)(void *arg, bool begins); /* or NULL */
    delivery_cb *done;
    void *arg;
    int64_t started_mono_ms;
    int retry_after_s;
    bool of_destination;
    bool is_unasked;
    char key[DELIVERY_IDS_KEY_BYTES];
};

static const struct delivery_type *const types[] = {&to_exec_type, &to_file_type, &to_http_type};

struct destination *destination_new(struct event_base *base, const char *name, const json_t *conf,
                                    struct tokens *tokens)
{
    const char *word = conf_str(conf, "type");
    for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
        if (strcmp(types[i]->name, word) != 0)
            continue;
        void *opened = types[i]->open(base, name, conf, tokens);
        if (!opened)
            return NULL;
        struct destination *d = xcalloc(1, sizeof(*d));
        d->type = types[i];
        d->name = name;
        d->opened = opened;
        return d;
    }
    log_error("destination \"%s\": type \"%s\" is not built in; use \"exec\", \"file\" or \"http\"",
              name, word);
    return NULL;
}

void destination_free(struct destination *d)
{
    if (!d)
        return;
    d->type->close(d->opened);
    free(d);
}

void destination_note_groups(struct destination *d, const struct delivery_groups *groups)
{
    if (d->type->note_groups)
        d->type->note_groups(d->opened, groups);
}

static void set_key(struct delivery *delivery, const struct destination *d,
                    const struct webhook *hook, const struct delivery_record *record)
{
    const struct ledger_key key = {
        .destination = d->name, .source = hook->source, .event_id = hook->event_id};
    char *id = record && record->ledger_id ? xstrdup(record->ledger_id) : ledger_id(&key);
    delivery_ids_key(id, record ? record->revision : 0, delivery->key);
    free(id);
}

static void begin(struct delivery *delivery)
{
    const struct destination *d = delivery->to;
    delivery->attempt = d->type->start(d->opened, delivery->hook, delivery->number, delivery);
}

static void on_checked(void *arg, const struct check_result *result)
{
    struct delivery *delivery = arg;
    const struct delivery_outcome *o = &result->outcome;
    delivery->checking = NULL;
    if (result->passed) {
        delivery_handling(delivery, true);
        begin(delivery);
        delivery_handling(delivery, false);
        return;
    }
    delivery->is_unasked = true;
    delivery_set_retry_after(delivery, o->retry_after_s);
    if (o->of_destination)
        delivery_blame_destination(delivery);
    delivery_finish(delivery, o->verdict, o->class, o->error, o->status);
}

struct delivery *delivery_start(struct destination *d, const struct webhook *hook, int attempt,
                                const struct delivery_record *record, delivery_cb *done, void *arg)
{
    struct delivery *delivery = xcalloc(1, sizeof(*delivery));
    delivery->to = d;
    delivery->hook = hook;
    delivery->number = attempt;
    delivery->done = done;
    delivery->arg = arg;
    delivery->started_mono_ms = clock_mono_ms();
    delivery->handling = record ? record->handling : NULL;
    set_key(delivery, d, hook, record);
    if (record && record->check)
        delivery->checking = check_start(record->check, hook, on_checked, delivery);
    else
        begin(delivery);
    return delivery;
}

bool delivery_waiting(const struct delivery *delivery)
{
    const struct delivery_type *type = delivery->to->type;
    return delivery->checking || (type->waiting && type->waiting(delivery->attempt));
}

void delivery_cancel(struct delivery *delivery)
{
    if (!delivery)
        return;
    if (delivery->checking)
        check_cancel(delivery->checking);
    else
        delivery->to->type->cancel(delivery->attempt);
    free(delivery);
}

const char *delivery_key(const struct delivery *delivery)
{
    return delivery->key;
}

void delivery_handling(const struct delivery *delivery, bool begins)
{
    if (delivery->handling)
        delivery->handling(delivery->arg, begins);
}

void delivery_set_retry_after(struct delivery *delivery, int seconds)
{
    delivery->retry_after_s = seconds;
}

void delivery_blame_destination(struct delivery *delivery)
{
    delivery->of_destination = true;
}

/* Control bytes and what is no ASCII become '?', so that the text is safe in logs, attributes and
 * JSON alike. */
static void make_safe(const char *text, char out[ERROR_BYTES])
{
    size_t n = 0;
    for (; text[n] && n < ERROR_BYTES - 1; n++) {
        unsigned char c = (unsigned char)text[n];
        out[n] = c >= 0x20 && c < 0x7f ? (char)c : c == '\t' ? ' ' : '?';
    }
    out[n] = '\0';
}

void delivery_finish(struct delivery *delivery, enum verdict verdict, const char *class,
                     const char *error, int status)
{
    char safe[ERROR_BYTES];
    make_safe(error, safe);
    const struct delivery_outcome outcome = {
        .verdict = verdict,
        .class = class,
        .error = safe,
        .status = status,
        .took_ms = clock_mono_ms() - delivery->started_mono_ms,
        .of_destination = verdict == RETRY && delivery->of_destination,
        .is_unasked = delivery->is_unasked,
        .retry_after_s = verdict == RETRY ? delivery->retry_after_s : 0,
    };
    delivery_cb *done = delivery->done;
    void *arg = delivery->arg;
    free(delivery);
    done(arg, &outcome);
}

#include "common/base/breaker.h"

static int64_t later(int64_t a, int64_t b)
{
    return a > b ? a : b;
}

static enum breaker_judgement failed_while_closed(struct breaker *b,
                                                  const struct breaker_failure *f)
{
    if (b->closed_ms > 0 && f->began_ms < b->closed_ms)
        return BREAKER_EXCUSED;
    if (f->wait_ms == 0 && ++b->failures < BREAKER_FAILURES)
        return BREAKER_COUNTS;
    breaker_open(b, f->now_ms + (f->wait_ms > 0 ? f->wait_ms : f->open_ms));
    return BREAKER_OPENS;
}

enum breaker_judgement breaker_failed(struct breaker *b, const struct breaker_failure *f)
{
    if (b->state == BREAKER_CLOSED)
        return failed_while_closed(b, f);
    if (f->wait_ms == 0 || (b->state == BREAKER_OPEN && f->now_ms + f->wait_ms <= b->until_ms))
        return BREAKER_EXCUSED;
    breaker_open(b, f->now_ms + f->wait_ms);
    return BREAKER_OPENS;
}

void breaker_worked(struct breaker *b)
{
    b->failures = 0;
}

void breaker_open(struct breaker *b, int64_t until_ms)
{
    b->until_ms = b->state == BREAKER_OPEN ? later(b->until_ms, until_ms) : until_ms;
    b->state = BREAKER_OPEN;
    b->failures = 0;
}

void breaker_close(struct breaker *b, int64_t now_ms)
{
    if (b->state != BREAKER_CLOSED)
        b->closed_ms = now_ms;
    b->state = BREAKER_CLOSED;
    b->failures = 0;
    b->until_ms = 0;
}

bool breaker_wants_probe(const struct breaker *b, int64_t now_ms)
{
    return b->state != BREAKER_CLOSED && now_ms >= b->until_ms;
}

void breaker_probe(struct breaker *b, int64_t now_ms, int64_t patience_ms)
{
    b->state = BREAKER_HALF_OPEN;
    b->until_ms = now_ms + patience_ms;
}

void breaker_take_probe(struct breaker *b)
{
    if (b->state == BREAKER_HALF_OPEN)
        b->until_ms = 0;
}

int64_t breaker_due_ms(const struct breaker *b)
{
    return b->state == BREAKER_CLOSED ? INT64_MAX : b->until_ms;
}

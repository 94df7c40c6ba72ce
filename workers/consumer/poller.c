#include "workers/consumer/poller.h"

#include <event2/event.h>
#include <event2/util.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/aws/endpoint.h"
#include "common/aws/limiter.h"
#include "common/aws/obstacle.h"
#include "common/base/clock.h"
#include "common/base/fault.h"
#include "common/base/log.h"
#include "common/base/noise.h"
#include "common/base/xalloc.h"

#define POLLS_MAX 4
#define FIRST_PAUSE_MS 100
#define LONGEST_PAUSE_MS 10000
/* Between polls that a server answers empty before their wait is over. */
#define FIRST_GAP_MS 50
#define LONGEST_GAP_MS 1000
#define END_SLACK_MS 1000 /* what an answer may take beyond the wait */
/* How long a slow queue waits for room for a full batch: one long delivery may take hours. */
#define FULL_WAIT_MS 5000

struct poll {
    struct lane *lane; /* borrow */
    uint64_t call;     /* 0: free */
    int asked;         /* messages */
    int visibility_s;
    bool is_sweep;
    bool is_probe;
    bool is_withdrawn; /* it ends soon, with what was on its way or with nothing */
    int64_t began_mono_ms;
    int64_t ends_mono_ms; /* what it is asked to wait, and END_SLACK_MS */
};

/* One queue that is read. */
struct lane {
    struct poller *poller; /* borrow */
    struct queue *queue;   /* borrow */
    int wait_s;
    int visibility_s;
    struct poll polls[POLLS_MAX];
    struct limiter limiter;
    int wanted; /* polls at once, no more than the limiter allows */
    int asked;  /* messages, by all polls under way */
    int pause_ms;
    int gap_ms; /* 0: messages come, or the server waits for them */
    int64_t not_before_mono_ms;
    int64_t good_mono_ms;    /* the last answer without an error */
    bool is_held;            /* POLLER_NOT: no answer is to be expected */
    int64_t full_by_mono_ms; /* a slow lane waits until then for room for a full batch; 0: it does
                                not */
    bool is_refused;         /* the last answer: polling again will not help */
};

struct poller {
    const struct inflight *inflight; /* borrow */
    struct counters *counters;       /* borrow */
    const struct poller_callbacks *callbacks;
    void *arg;
    struct event *timer; /* own: starts what may be started */
    struct lane *lanes;  /* own */
    int *taken;          /* own: scratch for poller_room */
    size_t lane_count;
    size_t first; /* the lane that is served first, going round */
    int slots;
    bool stopped;
};

static int kept_for_each(size_t count, int slots)
{
    int kept = slots / (int)count;
    return kept > SQS_BATCH_MAX ? SQS_BATCH_MAX : kept < 1 ? 1 : kept;
}

int poller_room(const int *taken, size_t count, size_t self, int slots)
{
    int kept = kept_for_each(count, slots);
    int room = slots;
    for (size_t i = 0; i < count; i++)
        room -= i == self || taken[i] > kept ? taken[i] : kept;
    return room < 0 ? 0 : room > SQS_BATCH_MAX ? SQS_BATCH_MAX : room;
}

static void arm(struct poller *p, int64_t wait_ms)
{
    const struct timeval tv = {.tv_sec = wait_ms / 1000, .tv_usec = wait_ms % 1000 * 1000};
    struct timeval due, now;
    if (evtimer_pending(p->timer, &due)) {
        evutil_gettimeofday(&now, NULL);
        evutil_timeradd(&now, &tv, &now);
        if (evutil_timercmp(&due, &now, <=))
            return;
    }
    evtimer_add(p->timer, &tv);
}

static void slow_down(struct lane *lane)
{
    if (lane->wanted > lane->limiter.at_once)
        lane->wanted = lane->limiter.at_once;
    if (lane->not_before_mono_ms < lane->limiter.not_before_ms)
        lane->not_before_mono_ms = lane->limiter.not_before_ms;
}

/* Returns the pause that begins with it, 0 where there is one already. */
static int64_t throttled(struct lane *lane)
{
    int64_t now = clock_mono_ms();
    bool begins = limiter_throttled(&lane->limiter, now, noise_bits());
    slow_down(lane);
    if (!begins)
        return 0;
    lane->poller->counters->throttled++;
    return lane->limiter.not_before_ms - now;
}

static void failed(struct lane *lane, const struct aws_reply *reply, struct poller_result *result)
{
    queues_failed(lane->queue, QUEUE_RECEIVE, "cannot receive", reply);
    lane->is_refused = obstacle_is_definite(reply);
    result->why = lane->queue->troubles[QUEUE_RECEIVE].text;
    result->is_throttled = reply->class == AWS_THROTTLED;
    if (result->is_throttled) {
        result->pause_ms = throttled(lane);
        return;
    }
    if (reply->class == AWS_MISSING)
        queues_lost(lane->queue);
    lane->wanted = 1;
    lane->not_before_mono_ms = clock_mono_ms() + lane->pause_ms;
    lane->pause_ms = lane->pause_ms * 2 < LONGEST_PAUSE_MS ? lane->pause_ms * 2 : LONGEST_PAUSE_MS;
}

/* Not every server waits as it is asked to, and one that does not is never asked at the speed of
 * the network. */
static void keep_gap(const struct poll *poll, size_t count)
{
    struct lane *lane = poll->lane;
    int64_t now = clock_mono_ms();
    int64_t waited_by = poll->ends_mono_ms - END_SLACK_MS;
    int gap_ms = lane->gap_ms ? lane->gap_ms * 2 : FIRST_GAP_MS;
    lane->gap_ms = 0;
    if (count > 0 || now >= waited_by || poll->is_withdrawn)
        return;
    lane->gap_ms = gap_ms < LONGEST_GAP_MS ? gap_ms : LONGEST_GAP_MS;
    int64_t next = now + lane->gap_ms < waited_by ? now + lane->gap_ms : waited_by;
    if (next > lane->not_before_mono_ms)
        lane->not_before_mono_ms = next;
}

static void adapt(struct lane *lane, size_t count)
{
    lane->pause_ms = FIRST_PAUSE_MS;
    lane->good_mono_ms = clock_mono_ms();
    lane->is_refused = false;
    if (*lane->queue->troubles[QUEUE_RECEIVE].text)
        queues_worked(lane->queue, QUEUE_RECEIVE);
    limiter_worked(&lane->limiter, lane->good_mono_ms);
    if (count == SQS_BATCH_MAX && lane->wanted < lane->limiter.at_once)
        lane->wanted++;
    else if (count == 0 && lane->wanted > 1)
        lane->wanted--;
}

static int running(const struct lane *lane)
{
    int n = 0;
    for (int i = 0; i < POLLS_MAX; i++)
        n += lane->polls[i].call ? 1 : 0;
    return n;
}

static void end(struct poller *p)
{
    evtimer_del(p->timer);
    p->callbacks->ended(p->arg);
}

/* What the answer says of its queue; that a withdrawn poll brought none says nothing. */
static void judge(const struct poll *poll, const struct aws_reply *reply, size_t count)
{
    struct lane *lane = poll->lane;
    const struct poller *p = lane->poller;
    struct poller_result result = {.worked = reply->class == AWS_OK,
                                   .is_probe = poll->is_probe,
                                   .began_mono_ms = poll->began_mono_ms,
                                   .why = ""};
    if (poll->is_withdrawn && !result.worked)
        return;
    if (result.worked) {
        adapt(lane, count);
        keep_gap(poll, count);
    } else {
        failed(lane, reply, &result);
    }
    if (p->callbacks->answered)
        p->callbacks->answered(p->arg, lane->queue, &result);
}

static void forget(struct poll *poll)
{
    poll->call = 0;
    poll->lane->asked -= poll->asked;
}

static void on_answer(void *arg, const struct aws_reply *reply, const struct sqs_message *messages,
                      size_t count)
{
    struct poll *poll = arg;
    struct lane *lane = poll->lane;
    struct poller *p = lane->poller;
    forget(poll);
    p->counters->polls++;
    judge(poll, reply, count);
    int64_t first_byte = reply->http && reply->http->first_byte_mono_ms > 0
                             ? reply->http->first_byte_mono_ms
                             : clock_mono_ms();
    if (poll->is_sweep)
        p->callbacks->swept(p->arg, lane->queue, reply->class == AWS_OK ? count : 0);
    for (size_t i = 0; reply->class == AWS_OK && i < count; i++) {
        p->counters->received++;
        fault_point("consumer.received");
    }
    if (reply->class == AWS_OK && count > 0)
        p->callbacks->messages(p->arg, lane->queue, messages, count, poll->visibility_s,
                               first_byte);
    if (p->stopped && running(lane) == 0)
        lane->queue->polled_until_mono_ms = 0;
    if (!p->stopped)
        poller_kick(p);
    else if (poller_active(p) == 0)
        end(p);
}

static void count_taken(struct poller *p)
{
    for (size_t i = 0; i < p->lane_count; i++)
        p->taken[i] = p->lanes[i].asked + (int)inflight_count_of(p->inflight, p->lanes[i].queue);
}

static void start_poll(struct lane *lane, int max, enum poller_mode mode)
{
    for (int i = 0; i < POLLS_MAX; i++) {
        struct poll *poll = &lane->polls[i];
        if (poll->call)
            continue;
        /* After a failure a short poll: its empty answer says soon that all is well again. */
        bool is_short = *lane->queue->troubles[QUEUE_RECEIVE].text || mode == POLLER_PROBE;
        int wait_s = is_short && lane->wait_s > 1 ? 1 : lane->wait_s;
        if (mode == POLLER_SWEEP)
            wait_s = 0;
        poll->asked = max;
        poll->is_sweep = mode == POLLER_SWEEP;
        poll->is_probe = mode == POLLER_PROBE;
        poll->is_withdrawn = false;
        poll->visibility_s = lane->visibility_s;
        poll->began_mono_ms = clock_mono_ms();
        poll->ends_mono_ms = poll->began_mono_ms + wait_s * INT64_C(1000) + END_SLACK_MS;
        lane->asked += max;
        poll->call = sqs_receive(lane->queue->client, lane->queue->endpoint, lane->queue->url, max,
                                 wait_s, lane->visibility_s, on_answer, poll);
        return;
    }
}

static void cancel(struct poll *poll)
{
    if (!poll->call)
        return;
    aws_cancel(poll->lane->queue->client, poll->call);
    forget(poll);
}

/* On the embedded store, which forgets a poll whose client has hung up; what it has answered by
 * then still comes. */
static void withdraw(struct lane *lane)
{
    for (int n = 0; n < POLLS_MAX; n++) {
        struct poll *poll = &lane->polls[n];
        if (!poll->call || poll->is_withdrawn || poll->is_sweep) /* a sweep's ends at once */
            continue;
        poll->is_withdrawn = aws_hang_up(lane->queue->client, poll->call);
        if (!poll->is_withdrawn)
            forget(poll);
    }
}

/* On AWS. */
static void let_end(struct lane *lane)
{
    for (int n = 0; n < POLLS_MAX; n++) {
        const struct poll *poll = &lane->polls[n];
        if (poll->call && poll->ends_mono_ms > lane->queue->polled_until_mono_ms)
            lane->queue->polled_until_mono_ms = poll->ends_mono_ms;
    }
}

/* True where no poll is left. */
static bool wind_down(struct poller *p)
{
    for (size_t i = 0; i < p->lane_count; i++) {
        if (endpoint_is_embedded(p->lanes[i].queue->endpoint))
            withdraw(&p->lanes[i]);
        else
            let_end(&p->lanes[i]);
    }
    return poller_active(p) == 0;
}

static enum poller_mode mode_of(struct lane *lane)
{
    const struct poller_callbacks *callbacks = lane->poller->callbacks;
    enum poller_mode mode =
        callbacks->mode ? callbacks->mode(lane->poller->arg, lane->queue) : POLLER_FREELY;
    lane->is_held = mode == POLLER_NOT;
    return mode;
}

/* Whether a slow lane is to wait for more room than this. */
static bool waits_for_room(struct lane *lane, int room, int64_t now)
{
    const struct poller *p = lane->poller;
    bool is_full = room >= kept_for_each(p->lane_count, p->slots);
    if (is_full || !limiter_is_slow(&lane->limiter, now)) {
        lane->full_by_mono_ms = 0;
        return false;
    }
    if (lane->full_by_mono_ms == 0)
        lane->full_by_mono_ms = now + FULL_WAIT_MS;
    return now < lane->full_by_mono_ms;
}

static int64_t start_polls(struct poller *p, size_t i, enum poller_mode mode, int64_t now)
{
    struct lane *lane = &p->lanes[i];
    bool is_for_one = mode == POLLER_ONE || mode == POLLER_PROBE;
    int wanted = mode == POLLER_FREELY ? lane->wanted : 1;
    while (running(lane) < wanted) {
        count_taken(p);
        int room = poller_room(p->taken, p->lane_count, i, p->slots);
        if (room == 0)
            break;
        if (mode == POLLER_FREELY && waits_for_room(lane, room, now))
            return lane->full_by_mono_ms;
        lane->full_by_mono_ms = 0;
        start_poll(lane, is_for_one ? 1 : room, mode);
    }
    return INT64_MAX;
}

/* Starts what may be started; when to look again, INT64_MAX: when something has changed. */
static int64_t poll_lane(struct poller *p, size_t i, int64_t now)
{
    struct lane *lane = &p->lanes[i];
    if (!lane->queue->url)
        return INT64_MAX;
    enum poller_mode mode = mode_of(lane);
    bool is_in_the_way = mode == POLLER_NOT || mode == POLLER_SWEEP;
    bool can_withdraw = endpoint_is_embedded(lane->queue->endpoint); /* else it ends by itself */
    if (is_in_the_way && can_withdraw)
        withdraw(lane);
    if (mode == POLLER_NOT || (mode != POLLER_FREELY && running(lane) > 0))
        return INT64_MAX;
    if (lane->not_before_mono_ms > now)
        return lane->not_before_mono_ms;
    return start_polls(p, i, mode, now);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct poller *p = arg;
    int64_t now = clock_mono_ms();
    int64_t next = INT64_MAX;
    p->first = p->lane_count ? (p->first + 1) % p->lane_count : 0;
    for (size_t n = 0; n < p->lane_count; n++) {
        int64_t lane_next = poll_lane(p, (p->first + n) % p->lane_count, now);
        next = lane_next < next ? lane_next : next;
    }
    if (next != INT64_MAX)
        arm(p, next - now);
}

struct poller *poller_new(struct event_base *base, struct queues *queues,
                          const struct sources *sources, const struct inflight *inflight, int slots,
                          struct counters *counters, const struct poller_callbacks *callbacks,
                          void *arg)
{
    struct poller *p = xcalloc(1, sizeof(*p));
    p->inflight = inflight;
    p->counters = counters;
    p->callbacks = callbacks;
    p->arg = arg;
    p->timer = evtimer_new(base, on_timer, p);
    p->lanes = xcalloc(queues_count(queues) + 1, sizeof(*p->lanes));
    p->taken = xcalloc(queues_count(queues) + 1, sizeof(*p->taken));
    for (size_t i = 0; i < queues_count(queues); i++) {
        struct queue *q = queues_at(queues, i);
        if (!q->read)
            continue;
        struct lane *lane = &p->lanes[p->lane_count++];
        lane->poller = p;
        lane->queue = q;
        lane->wanted = 1;
        limiter_init(&lane->limiter, POLLS_MAX);
        lane->pause_ms = FIRST_PAUSE_MS;
        lane->good_mono_ms = clock_mono_ms();
        sources_poll_times(sources, q, &lane->wait_s, &lane->visibility_s);
        for (int n = 0; n < POLLS_MAX; n++)
            lane->polls[n].lane = lane;
    }
    p->slots = slots;
    if (p->slots < (int)p->lane_count) {
        p->slots = (int)p->lane_count;
        log_warn("consumer.in_flight is below the number of queues; using %d", p->slots);
    }
    return p;
}

void poller_kick(struct poller *p)
{
    if (!p->stopped)
        arm(p, 0);
}

void poller_slow_down(struct poller *p, const char *queue, int64_t pause_ms)
{
    for (size_t i = 0; i < p->lane_count; i++) {
        struct lane *lane = &p->lanes[i];
        if (strcmp(lane->queue->name, queue) != 0)
            continue;
        limiter_told(&lane->limiter, clock_mono_ms(), pause_ms);
        slow_down(lane);
    }
}

bool poller_stop(struct poller *p)
{
    p->stopped = true;
    evtimer_del(p->timer);
    return wind_down(p);
}

void poller_cancel(struct poller *p)
{
    evtimer_del(p->timer);
    for (size_t i = 0; i < p->lane_count; i++) {
        for (int n = 0; n < POLLS_MAX; n++)
            cancel(&p->lanes[i].polls[n]);
        p->lanes[i].queue->polled_until_mono_ms = 0;
    }
}

void poller_free(struct poller *p)
{
    if (!p)
        return;
    poller_cancel(p);
    event_free(p->timer);
    free(p->lanes);
    free(p->taken);
    free(p);
}

int poller_active(const struct poller *p)
{
    int n = 0;
    for (size_t i = 0; i < p->lane_count; i++)
        n += running(&p->lanes[i]);
    return n;
}

/* A full house polls nothing and is healthy; so is a poll that is still under way. */
bool poller_healthy(const struct poller *p, char *reason, size_t reason_size)
{
    int64_t now = clock_mono_ms();
    for (size_t i = 0; i < p->lane_count; i++) {
        const struct lane *lane = &p->lanes[i];
        int64_t patience_ms = (2 * lane->wait_s + 10) * INT64_C(1000);
        if (lane->queue->url && (!*lane->queue->troubles[QUEUE_RECEIVE].text || lane->is_held))
            continue;
        if (lane->is_refused || now - lane->good_mono_ms > patience_ms || !lane->queue->url) {
            const char *trouble = lane->queue->troubles[QUEUE_RECEIVE].text;
            snprintf(reason, reason_size, "%s", *trouble ? trouble : queues_opening(lane->queue));
            return false;
        }
    }
    return true;
}

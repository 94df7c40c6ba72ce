/* sluice-store: the embedded store. It speaks the protocols of the AWS services that Sluice calls
 * on a Unix socket (and on loopback TCP where configured), keeps everything in one SQLite file and
 * answers nothing before it is durable (turn.h).
 *
 * This file wires: worker skeleton, HTTP, signature check, services, turn, drain. */
#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "common/conf/conf.h"
#include "workers/http_server.h"
#include "workers/store/db.h"
#include "workers/store/dynamodb_service.h"
#include "workers/store/intake.h"
#include "workers/store/kept_time.h"
#include "workers/store/s3_service.h"
#include "workers/store/sqs_service.h"
#include "workers/store/turn.h"
#include "workers/store/verify.h"
#include "workers/worker.h"

#define ANSWER_HEADERS_MAX 80
#define DRAIN_TICK_MS 50
#define LAST_WORDS_MS 100

struct store {
    struct worker *worker; /* borrow: outlives us, like all that the skeleton gives */
    struct db *db;         /* own, as all below */
    struct turn *turn;
    struct sqs_service *sqs;
    struct s3_service *s3;
    struct dynamodb_service *dynamodb;
    const struct service *services[3]; /* borrow: of the above */
    struct http_server *local;         /* Unix sockets: our own workers */
    struct http_server *tcp;           /* loopback, for SDKs */
    struct event *tick;                /* each second */
    struct event *drain_tick;
    int64_t wall_offset_ms; /* wall time at start - monotonic time at start */
    int drain_ticks;
    bool draining;
};

static int64_t now_ms(void *arg)
{
    const struct store *s = arg;
    return clock_mono_ms() + s->wall_offset_ms;
}

/* ---- one request */

static void on_gone_local(void *arg, struct http_ticket ticket)
{
    struct store *s = arg;
    turn_gone(s->turn, (struct turn_asker){s->local, ticket});
}

static void on_gone_tcp(void *arg, struct http_ticket ticket)
{
    struct store *s = arg;
    turn_gone(s->turn, (struct turn_asker){s->tcp, ticket});
}

static void take(struct store *s, struct http_server *server, const struct http_request *request,
                 struct http_ticket ticket)
{
    struct turn_asker asker = {server, ticket};
    struct service_answer answer = {0};
    struct service_call call = {0};
    const struct service *service = NULL;
    if (!intake_take(s->services, sizeof(s->services) / sizeof(s->services[0]),
                     worker_material(s->worker), request, &service, &call, &answer)) {
        turn_add_answer(s->turn, asker, &answer);
        return;
    }
    bool waits = service_waits(service, &call);
    turn_add(s->turn, asker, service, &call);
    if (waits)
        http_server_on_gone(server, ticket, server == s->local ? on_gone_local : on_gone_tcp, s);
}

static void on_local(void *arg, const struct http_request *request, struct http_ticket ticket)
{
    struct store *s = arg;
    take(s, s->local, request, ticket);
}

static void on_tcp(void *arg, const struct http_request *request, struct http_ticket ticket)
{
    struct store *s = arg;
    take(s, s->tcp, request, ticket);
}

/* ---- the turn's other end */

static void new_request_id(char out[37])
{
    unsigned char b[16] = {0};
    if (getrandom(b, sizeof(b), GRND_NONBLOCK) < 0)
        memset(b, 0, sizeof(b));
    snprintf(out, 37, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0],
             b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13],
             b[14], b[15]);
}

static int on_answer(void *arg, struct turn_asker asker, const struct service_answer *answer)
{
    (void)arg;
    char id[37];
    char seconds[12];
    new_request_id(id);
    const char *type = answer->xml ? "application/xml" : "application/x-amz-json-1.0";
    struct http_reply_header headers[ANSWER_HEADERS_MAX] = {
        {answer->xml ? "x-amz-request-id" : "x-amzn-RequestId", id}};
    struct http_reply reply = {.status = answer->status,
                               .headers = headers,
                               .header_count = 1,
                               .body = answer->body ? answer->body : "",
                               .body_len = answer->body_len};
    if (answer->query_error[0])
        headers[reply.header_count++] =
            (struct http_reply_header){"x-amzn-query-error", answer->query_error};
    if (answer->retry_after_s > 0) {
        snprintf(seconds, sizeof(seconds), "%d", answer->retry_after_s);
        headers[reply.header_count++] = (struct http_reply_header){"Retry-After", seconds};
    }
    for (size_t i = 0; i < answer->header_count && reply.header_count < ANSWER_HEADERS_MAX; i++) {
        const struct service_header *h = &answer->headers[i];
        headers[reply.header_count++] = (struct http_reply_header){h->name, h->value};
        if (strcasecmp(h->name, "Content-Type") == 0)
            type = NULL;
    }
    if (answer->body || !answer->xml)
        reply.content_type = type;
    return http_server_reply(asker.server, asker.ticket, &reply);
}

static void on_leave(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    (void)arg;
    _exit(EX_IOERR);
}

/* After an I/O error nobody knows what is on the disk: the 500s go out, then a new process opens
 * the database and looks. */
static void on_broken(void *arg, const char *why)
{
    struct store *s = arg;
    static const struct timeval soon = {0, LAST_WORDS_MS * 1000};
    log_error("store leaves to be started again: %s", why);
    worker_trouble(s->worker, "%s", why);
    db_mark_suspect(s->db);
    if (event_base_once(worker_base(s->worker), -1, EV_TIMEOUT, on_leave, s, &soon) < 0)
        _exit(EX_IOERR);
}

static const struct turn_callbacks callbacks = {
    .answer = on_answer, .broken = on_broken, .now_ms = now_ms};

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct store *s = arg;
    turn_tick(s->turn);
}

/* ---- start */

static struct http_server *new_server(struct store *s, http_handler *handler)
{
    const struct http_server_options options = {
        .max_headers_bytes = 16384,
        .max_body_bytes = 8 * 1024 * 1024, /* a batch of 1 MiB, escaped */
        .max_connections = 4096,
        .max_pending = 4096,
        .max_held_bytes = 256UL * 1024 * 1024,
        .request_deadline_ms = 30000,
        .idle_timeout_s = 300,
        .retry_after_s = 1,
    };
    return http_server_new(worker_base(s->worker), &options, handler, s);
}

static struct db *open_db(struct store *s)
{
    const json_t *conf = worker_conf(s->worker);
    char *dir = xasprintf("%s/store", conf_str(conf, "state_dir"));
    struct db_options options = {
        .dir = dir,
        .lock_fd = (int)conf_int(worker_process(s->worker), "lock_fd"),
        .ballast_mib = (int)conf_int(conf, "store.ballast_mib"),
        .max_mib = (int)conf_int(conf, "store.max_mib"),
    };
    struct db *db = db_open(&options);
    free(dir);
    return db;
}

static int listen_all(struct store *s)
{
    for (size_t i = 0; i < worker_listener_count(s->worker); i++) {
        struct worker_listener l = worker_listener_at(s->worker, i);
        bool local = strncmp(l.address, "unix:", 5) == 0;
        if (http_server_listen(local ? s->local : s->tcp, l.fd, l.address) < 0)
            return -1;
    }
    return 0;
}

static void on_drain_tick(evutil_socket_t fd, short what, void *arg);

static void *store_start(struct worker *w)
{
    static const struct timeval second = {1, 0};
    struct store *s = xcalloc(1, sizeof(*s));
    s->worker = w;
    s->wall_offset_ms = clock_wall_ms() - clock_mono_ms();
    s->db = open_db(s);
    if (s->db && kept_time_recover(s->db, now_ms(s)) < 0)
        log_error("store database: %s", db_error(s->db));
    if (!s->db) {
        free(s);
        return NULL;
    }
    s->sqs = sqs_service_new();
    s->s3 = s3_service_new();
    s->dynamodb = dynamodb_service_new();
    s->services[0] = sqs_service_table(s->sqs);
    s->services[1] = s3_service_table(s->s3);
    s->services[2] = dynamodb_service_table(s->dynamodb);
    s->turn = turn_new(worker_base(w), s->db, &callbacks, s);
    s->local = new_server(s, on_local);
    s->tcp = new_server(s, on_tcp);
    s->tick = event_new(worker_base(w), -1, EV_PERSIST, on_tick, s);
    s->drain_tick = event_new(worker_base(w), -1, EV_PERSIST, on_drain_tick, s);
    if (!s->local || !s->tcp || !s->tick || !s->drain_tick || listen_all(s) < 0)
        return NULL; /* the process ends */
    event_add(s->tick, &second);
    worker_ready(w);
    return s;
}

/* ---- drain */

/* Ordered by the supervisor (which is alive then), all others have left: go when nothing is owed.
 * Without a supervisor the other workers still drain: go with the last connection on our Unix
 * socket. The first ticks wait for the kernel to show that the supervisor is gone. */
static void on_drain_tick(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct store *s = arg;
    bool ordered = getppid() == conf_int(worker_process(s->worker), "supervisor_pid");
    s->drain_ticks++;
    if (turn_pending(s->turn) > 0)
        return;
    if (http_server_connections(s->local) > 0 && (!ordered || s->drain_ticks < 3))
        return;
    event_del(s->drain_tick);
    turn_stop(s->turn);
    db_close(s->db);
    s->db = NULL;
    worker_drained(s->worker);
}

static void store_drain(void *state, int64_t deadline_mono_ms)
{
    (void)deadline_mono_ms; /* the skeleton leaves then */
    static const struct timeval tick = {0, DRAIN_TICK_MS * 1000};
    struct store *s = state;
    s->draining = true;
    http_server_drain(s->tcp, 0);
    turn_drain(s->turn);
    event_add(s->drain_tick, &tick);
}

/* ---- beat and health */

static void store_beat(void *state, json_t *beat)
{
    struct store *s = state;
    struct sqs_counts c = sqs_service_counts(s->sqs);
    struct s3_counts o = s3_service_counts(s->s3);
    struct dynamodb_counts d = dynamodb_service_counts(s->dynamodb);
    struct turn_stats t = turn_stats(s->turn);
    const struct {
        const char *name;
        int64_t value;
    } counters[] = {
        {"sends", c.sends},
        {"messages_sent", c.messages_sent},
        {"receives", c.receives},
        {"messages_received", c.messages_received},
        {"deletes", c.deletes},
        {"visibility_changes", c.visibility_changes},
        {"redriven", c.redriven},
        {"returned", c.returned},
        {"expired", c.expired},
        {"objects_put", o.objects_put},
        {"objects_read", o.objects_read},
        {"objects_deleted", o.objects_deleted},
        {"item_reads", d.item_reads},
        {"item_writes", d.item_writes},
        {"items_expired", d.items_expired},
        {"conditions_failed", d.conditions_failed},
        {"commits", t.commits},
        {"commit_failures", t.commit_failures},
    };
    json_object_set_new(beat, "in_flight", json_integer((json_int_t)turn_pending(s->turn)));
    json_t *all = json_object();
    for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++)
        json_object_set_new(all, counters[i].name, json_integer((json_int_t)counters[i].value));
    json_object_set_new(beat, "counters", all);
    json_object_set_new(
        beat, "gauges",
        json_pack("{s:I, s:I, s:i, s:I}", "waiting_polls", (json_int_t)t.waiting, "connections",
                  (json_int_t)(http_server_connections(s->local) + http_server_connections(s->tcp)),
                  "full", t.full, "database_bytes", (json_int_t)(s->db ? db_bytes(s->db) : 0)));
}

static bool store_healthy(void *state, char *reason, size_t reason_size)
{
    struct store *s = state;
    struct turn_stats t = turn_stats(s->turn);
    if (t.full)
        snprintf(reason, reason_size, "%s", t.full_why);
    return !t.full;
}

static const struct worker_role role = {
    .name = "store",
    .start = store_start,
    .drain = store_drain,
    .beat = store_beat,
    .healthy = store_healthy,
};

int main(int argc, char **argv)
{
    return worker_main(argc, argv, &role);
}

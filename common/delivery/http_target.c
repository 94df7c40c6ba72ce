#include "common/delivery/http_target.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/egress.h"
#include "common/base/log.h"
#include "common/base/xalloc.h"
#include "common/conf/conf.h"
#include "common/delivery/tokens.h"
#include "common/net/retry_after.h"

#define ERRAND_CONNECT_MS 5000
#define ERRAND_RESPONSE_BYTES 65536
#define ERRAND_RUNNING_MAX 16
#define SHORTEST_MS 1000 /* what a request is given although waiting took the time */

TAILQ_HEAD(exchange_list, http_exchange);

struct http_target {
    struct http_target_config config;
    const char *oauth;          /* borrow, of conf; "" for none */
    struct http_client *client; /* own */
    struct ip_range *allowed;   /* own */
    size_t allowed_count;
    int running;
    struct exchange_list waiting; /* those that do not run yet */
};

struct http_exchange {
    TAILQ_ENTRY(http_exchange) link;
    struct http_target *to; /* borrow */
    struct http_request request;
    http_end_cb *done;
    void *arg;
    bool running;
    bool sent; /* at least once */
    int64_t until_mono_ms;
    struct token_wait *wait; /* own, while it waits for a token */
    char *token;             /* own: the one that was sent last; NULL: none yet */
    int64_t token_version;   /* of it; 0: none yet */
    bool renewed;            /* it is sent again, with a newer token */
    uint64_t call;           /* while it is sent */
};

/* ---- the target ---- */

/* libcurl reads the files when it connects; that they are missing is said now. */
static int check_files(const struct http_target_config *config)
{
    static const char *const keys[] = {"ca_file", "cert_file", "key_file"};
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        const char *file = json_string_value(json_object_get(config->conf, keys[i]));
        if (file && *file && access(file, R_OK)) {
            log_error("%s: cannot read its %s \"%s\": %s", config->at, keys[i], file,
                      strerror(errno));
            return -1;
        }
    }
    return 0;
}

struct http_target *http_target_new(struct event_base *base,
                                    const struct http_target_config *config)
{
    struct http_target *t = xcalloc(1, sizeof(*t));
    t->config = *config;
    t->oauth = conf_str(config->conf, "oauth");
    assert(!*t->oauth || config->tokens);
    t->client = http_client_new(base, 0);
    TAILQ_INIT(&t->waiting);
    t->allowed = conf_networks(config->conf, &t->allowed_count);
    if (check_files(config)) {
        http_target_free(t);
        return NULL;
    }
    return t;
}

struct http_target *http_target_new_errand(struct event_base *base, const char *at,
                                           const json_t *conf, struct tokens *tokens)
{
    const struct http_target_config config = {
        .at = at,
        .conf = conf,
        .timeout_ms = conf_int(conf, "timeout_s") * 1000,
        .connect_timeout_ms = ERRAND_CONNECT_MS,
        .response_cap_bytes = ERRAND_RESPONSE_BYTES,
        .max_running = ERRAND_RUNNING_MAX,
        .tokens = tokens,
    };
    return http_target_new(base, &config);
}

void http_target_free(struct http_target *t)
{
    if (!t)
        return;
    http_client_free(t->client);
    free(t->allowed);
    free(t);
}

/* ---- an exchange ---- */

static void run_waiting(struct http_target *t);

static void forget_token(struct http_exchange *x)
{
    if (x->token)
        explicit_bzero(x->token, strlen(x->token));
    free(x->token);
    x->token = NULL;
}

static void leave(struct http_exchange *x)
{
    struct http_target *to = x->to;
    if (x->running)
        to->running--;
    else
        TAILQ_REMOVE(&to->waiting, x, link);
    forget_token(x);
    free(x);
}

static void finish(struct http_exchange *x, const struct http_answer *answer, const char *trouble)
{
    char *token = x->token ? x->token : xstrdup("");
    const struct http_end end = {answer, trouble, token};
    struct http_target *to = x->to;
    http_end_cb *done = x->done;
    void *arg = x->arg;
    x->token = NULL;
    leave(x);
    run_waiting(to);
    done(arg, &end);
    explicit_bzero(token, strlen(token));
    free(token);
}

static char *refuse_address(void *arg, const struct sockaddr *from)
{
    const struct http_target *t = arg;
    return egress_refuse_dial(from, t->allowed, t->allowed_count, t->config.at);
}

static int64_t left_ms(const struct http_exchange *x)
{
    int64_t left = x->until_mono_ms - clock_mono_ms();
    return left > SHORTEST_MS ? left : SHORTEST_MS;
}

static void want_token(struct http_exchange *x);

static void refused_again(struct http_exchange *x, const struct http_answer *answer)
{
    char *words = http_verdict_words(answer, x->token);
    char *trouble = xasprintf("the token of oauth \"%s\" is refused, a new one too: correct its "
                              "client or scopes (%s)",
                              x->to->oauth, words);
    free(words);
    finish(x, answer, trouble);
    free(trouble);
}

static void on_answer(void *arg, const struct http_answer *answer)
{
    struct http_exchange *x = arg;
    bool refused = x->token_version && answer->outcome == HTTP_ANSWERED && answer->status == 401;
    x->call = 0;
    if (refused && x->renewed) {
        refused_again(x, answer);
    } else if (refused) {
        x->renewed = true;
        want_token(x);
    } else {
        finish(x, answer, NULL);
    }
}

static const char *file_of(const struct http_target *t, const char *key)
{
    return json_string_value(json_object_get(t->config.conf, key));
}

static void send_now(struct http_exchange *x)
{
    struct http_target *to = x->to;
    struct http_headers headers = {0};
    x->request.headers(x->arg, &headers);
    if (x->token) {
        char *bearer = xasprintf("Bearer %s", x->token);
        http_headers_add_plain(&headers, "Authorization", bearer);
        explicit_bzero(bearer, strlen(bearer));
        free(bearer);
    }
    const struct http_call call = {
        .method = x->request.method,
        .url = x->request.url,
        .headers = headers.list,
        .header_count = headers.count,
        .body = x->request.body,
        .body_len = x->request.body_len,
        .timeout_ms = left_ms(x),
        .connect_timeout_ms = to->config.connect_timeout_ms,
        .response_cap_bytes = to->config.response_cap_bytes,
        .tls = {.ca_file = file_of(to, "ca_file"),
                .cert_file = file_of(to, "cert_file"),
                .key_file = file_of(to, "key_file")},
        .secret = true,
        .refuse = refuse_address,
        .refuse_arg = to,
    };
    x->sent = true;
    x->call = http_client_send(to->client, &call, on_answer, x);
    http_headers_free(&headers);
}

static void on_token(void *arg, const char *token, int64_t version, const char *why)
{
    struct http_exchange *x = arg;
    x->wait = NULL;
    x->token_version = version;
    forget_token(x);
    if (!token) {
        finish(x, NULL, why);
        return;
    }
    x->token = xstrdup(token);
    send_now(x);
}

static void want_token(struct http_exchange *x)
{
    struct http_target *to = x->to;
    x->wait = tokens_wait(to->config.tokens, to->oauth, x->renewed ? x->token_version : 0,
                          left_ms(x), on_token, x);
}

static void run_waiting(struct http_target *t)
{
    struct http_exchange *x;
    while (t->running < t->config.max_running && (x = TAILQ_FIRST(&t->waiting))) {
        TAILQ_REMOVE(&t->waiting, x, link);
        t->running++;
        x->running = true;
        x->until_mono_ms = clock_mono_ms() + t->config.timeout_ms;
        if (*t->oauth)
            want_token(x);
        else
            send_now(x);
    }
}

struct http_exchange *http_target_send(struct http_target *t, const struct http_request *request,
                                       http_end_cb *done, void *arg)
{
    struct http_exchange *x = xcalloc(1, sizeof(*x));
    x->to = t;
    x->request = *request;
    x->done = done;
    x->arg = arg;
    TAILQ_INSERT_TAIL(&t->waiting, x, link);
    run_waiting(t);
    return x;
}

bool http_exchange_begun(const struct http_exchange *x)
{
    return x->sent;
}

void http_exchange_cancel(struct http_exchange *x)
{
    struct http_target *to = x->to;
    if (x->call)
        http_client_cancel(to->client, x->call);
    token_wait_cancel(x->wait);
    leave(x);
    run_waiting(to);
}

/* ---- what it means ---- */

struct http_verdict http_end_verdict(const struct http_end *end)
{
    if (end->token_trouble)
        return (struct http_verdict){RETRY, "token", true};
    return http_verdict_of(end->answer->outcome, end->answer->status);
}

char *http_end_words(const struct http_end *end)
{
    if (end->token_trouble)
        return xstrdup(end->token_trouble);
    if (http_end_verdict(end).verdict == DELIVERED)
        return xstrdup("");
    return http_verdict_words(end->answer, end->token);
}

int http_end_retry_after_s(const struct http_end *end, int cap_s)
{
    if (!end->answer)
        return 0;
    return retry_after_s(http_answer_header(end->answer, "retry-after"),
                         http_answer_header(end->answer, "date"), clock_wall_ms(), cap_s);
}

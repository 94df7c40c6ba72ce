#include "tests/interop/peer/peer.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/clock.h"
#include "common/base/xalloc.h"

static void die(const char *what, const char *which)
{
    fprintf(stderr, "peer: %s: %s\n", what, which);
    exit(64);
}

const char *peer_text(const json_t *in, const char *name)
{
    const char *text = json_string_value(json_object_get(in, name));
    if (!text)
        die("the command lacks a text", name);
    return text;
}

int64_t peer_number(const json_t *in, const char *name)
{
    const json_t *number = json_object_get(in, name);
    if (!json_is_integer(number))
        die("the command lacks a number", name);
    return json_integer_value(number);
}

int64_t peer_number_or(const json_t *in, const char *name, int64_t fallback)
{
    return json_object_get(in, name) ? peer_number(in, name) : fallback;
}

json_t *peer_reply(const struct aws_reply *reply)
{
    return json_pack("{s:s, s:s, s:s, s:i, s:i}", "class",
                     reply->class == AWS_OK ? "ok" : aws_class_word(reply->class), "code",
                     reply->code, "message", reply->message, "status", reply->status, "attempts",
                     reply->attempts);
}

/* What the keyring would publish: today's key and tomorrow's. */
static void put_keys(struct peer *p, const json_t *conf)
{
    const char *token = json_string_value(json_object_get(conf, "token"));
    for (int day = 0; day < 2; day++) {
        char date[CLOCK_TEXT_BYTES], hex[2 * SIGV4_KEY_BYTES + 1];
        unsigned char key[SIGV4_KEY_BYTES];
        clock_amz_date(clock_wall_ms() + day * 86400000LL, date);
        date[8] = '\0';
        sigv4_derive_key(peer_text(conf, "secret"), date, p->endpoint.region, p->endpoint.service,
                         key);
        for (size_t i = 0; i < SIGV4_KEY_BYTES; i++)
            snprintf(hex + 2 * i, 3, "%02x", key[i]);
        json_t *msg = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:i}", "kind", "sigv4",
                                "identity", p->endpoint.identity, "region", p->endpoint.region,
                                "service", p->endpoint.service, "date", date, "access_key_id",
                                peer_text(conf, "access_key_id"), "key", hex, "token",
                                token ? token : "", "version", 1);
        if (material_put(p->material, msg))
            die("the key was not taken", date);
        json_decref(msg);
    }
}

static void run(struct peer *p, const json_t *in)
{
    const char *op = peer_text(in, "op");
    if (!peer_sqs_run(p, op, in) && !peer_s3_run(p, op, in) && !peer_ledger_run(p, op, in) &&
        !peer_dynamodb_run(p, op, in) && !peer_sign_run(p, op, in))
        die("no such operation", op);
    while (!p->answer)
        if (event_base_loop(p->base, EVLOOP_ONCE))
            die("nothing is under way any more", op);
    json_dumpf(p->answer, stdout, JSON_COMPACT);
    putchar('\n');
    fflush(stdout);
    json_decref(p->answer);
    p->answer = NULL;
}

int main(int argc, char **argv)
{
    json_t *conf = argc == 2 ? json_loads(argv[1], 0, NULL) : NULL;
    if (!conf)
        die("usage", "peer '{\"url\",\"service\",\"region\",\"access_key_id\",\"secret\"}'");
    signal(SIGPIPE, SIG_IGN);
    struct peer p = {.base = event_base_new(), .material = material_new()};
    p.endpoint = (struct aws_endpoint){.identity = "embedded",
                                       .region = peer_text(conf, "region"),
                                       .service = peer_text(conf, "service"),
                                       .url = peer_text(conf, "url")};
    p.client = aws_client_new(p.base, p.material);
    put_keys(&p, conf);
    char *line = NULL;
    size_t size = 0;
    while (getline(&line, &size, stdin) > 0) {
        json_t *in = json_loads(line, JSON_ALLOW_NUL, NULL);
        if (!in)
            die("not JSON", line);
        run(&p, in);
        json_decref(in);
    }
    free(line);
    for (size_t i = 0; i < PEER_CLAIMS_MAX; i++)
        ledger_claim_free(p.claims[i]);
    ledger_free(p.ledger);
    ledger_kills_free(p.kills);
    free(p.table);
    aws_client_free(p.client);
    material_free(p.material);
    event_base_free(p.base);
    json_decref(conf);
    return 0;
}

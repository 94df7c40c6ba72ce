#include <assert.h>
#include <openssl/evp.h>
#include <string.h>
#include <sys/random.h>

#include "workers/store/sqs_op.h"

/* A receipt handle is the base64 of: version, queue, seq, the token of this
 * receive, and a check sum that tells a mangled handle from one of ours. */
#define RAW_BYTES 37
#define VERSION 1

static uint32_t check_sum(const unsigned char *data, size_t len)
{
    uint32_t h = 2166136261u; /* FNV-1a */
    for (size_t i = 0; i < len; i++)
        h = (h ^ data[i]) * 16777619u;
    return h;
}

static void put(unsigned char *out, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++)
        out[i] = (unsigned char)(value >> (8 * (bytes - 1 - i)));
}

static uint64_t get(const unsigned char *in, int bytes)
{
    uint64_t value = 0;
    for (int i = 0; i < bytes; i++)
        value = value << 8 | in[i];
    return value;
}

void sqs_receipt_new_token(unsigned char token_out[16])
{
    ssize_t n = getrandom(token_out, 16, 0);
    assert(n == 16);
}

void sqs_receipt_text(const struct sqs_receipt *receipt, char out[SQS_RECEIPT_TEXT_BYTES])
{
    unsigned char raw[RAW_BYTES];
    raw[0] = VERSION;
    put(raw + 1, (uint64_t)receipt->queue, 8);
    put(raw + 9, (uint64_t)receipt->seq, 8);
    memcpy(raw + 17, receipt->token, 16);
    put(raw + 33, check_sum(raw, 33), 4);
    EVP_EncodeBlock((unsigned char *)out, raw, RAW_BYTES);
}

int sqs_receipt_parse(const char *text, struct sqs_receipt *receipt_out)
{
    unsigned char raw[RAW_BYTES + 3];
    char again[SQS_RECEIPT_TEXT_BYTES];
    size_t len = (RAW_BYTES + 2) / 3 * 4;
    if (strlen(text) != len ||
        EVP_DecodeBlock(raw, (const unsigned char *)text, (int)len) < RAW_BYTES)
        return -1;
    if (raw[0] != VERSION || get(raw + 33, 4) != check_sum(raw, 33))
        return -1;
    receipt_out->queue = (int64_t)get(raw + 1, 8);
    receipt_out->seq = (int64_t)get(raw + 9, 8);
    memcpy(receipt_out->token, raw + 17, 16);
    /* One text for one handle: the decoder is lenient, we are not. */
    sqs_receipt_text(receipt_out, again);
    return strcmp(again, text) == 0 ? 0 : -1;
}

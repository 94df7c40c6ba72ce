#ifndef COMMON_DELIVERY_LEDGER_KILLS_H
#define COMMON_DELIVERY_LEDGER_KILLS_H

#include "common/delivery/ledger.h"

/* What the ledger's table is told about workers that died: that their claims are over, and which
 * message they were handling. The deaths of a message are an item of their own,
 *
 *   id       "kill#queue URL#MessageId"
 *   kills    how many
 *   table    token of the in-flight table that was counted last, so that a repeat counts once
 *   expires  epoch seconds, as for the records
 *
 * One UpdateItem for each claim and each death, one GetItem for each question. */
struct ledger_kills;

/* client, endpoint and config->table are borrowed and outlive it. */
struct ledger_kills *ledger_kills_new(struct aws_client *client,
                                      const struct aws_endpoint *endpoint,
                                      const struct ledger_config *config);
void ledger_kills_free(struct ledger_kills *k); /* calls under way end without callbacks */

/* Ends the claim of a dead worker on the record with this id. LEDGER_LOST: it is no longer its
 * claim. */
void ledger_kills_release(struct ledger_kills *k, const char *id, const char *owner,
                          ledger_written_cb *done, void *arg);

/* Counts a death. LEDGER_LOST: that one was counted already. */
void ledger_kills_add(struct ledger_kills *k, const char *queue_url, const char *message_id,
                      const char *table_token, ledger_written_cb *done, void *arg);

/* How many there were; 0 where the ledger gives no answer. */
typedef void ledger_kills_cb(void *arg, int kills);
void ledger_kills_get(struct ledger_kills *k, const char *queue_url, const char *message_id,
                      ledger_kills_cb *done, void *arg);

#endif

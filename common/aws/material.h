#ifndef COMMON_AWS_MATERIAL_H
#define COMMON_AWS_MATERIAL_H

#include <jansson.h>
#include <stdint.h>

#include "common/aws/sigv4.h"

/* The short-lived keys that the keyring publishes, as a worker holds them. A message of kind
 * "material" carries one item:
 *
 *   {"t":"material","kind":"sigv4","identity":"embedded","region":"local","service":"sqs",
 *    "date":"20261121","access_key_id":"…","key":"<64 hex digits>","token":"" ,"version":1}
 *
 * `key` is a SigV4 *signing key*, good for that date, region and service only; the secret it comes
 * from never leaves the keyring. Yesterday's, today's and tomorrow's are published.
 * `version` names the credentials behind it: max(the last one + 1, wall clock in ms), so that those
 * of a keyring that was started again differ from the ones before.
 *
 * Where there are no credentials, an item says why:
 *
 *   {"t":"material","kind":"trouble","identity":"aws","error":"no AWS credentials: …","version":2}
 */
#define MATERIAL_TROUBLE_BYTES 512 /* of its error; a longer one is cut */
struct material;

struct material *material_new(void);
void material_free(struct material *m); /* wipes */

/* Takes in a message; it replaces an earlier one of the same identity, region, service and date
 * (the last to arrive wins, whatever its version: channels are ordered, and the clock of a keyring
 * that starts again may have been set back). The three dates of a scope that came last are kept:
 * those of a clock that was ahead for a while must not stay for ever. A key ends the trouble of its
 * identity. 0, or -1 where the message is not well formed. */
int material_put(struct material *m, const json_t *msg) __attribute__((warn_unused_result));

/* The key for signing at this time, or NULL where none was published yet. Borrowed until the next
 * material_put. */
const struct sigv4_key *material_signing_key(const struct material *m, const char *identity,
                                             const char *region, const char *service,
                                             const char *date);

/* Why the identity has no keys, "" where nothing is known against it. Borrowed until the next
 * material_put. */
const char *material_trouble(const struct material *m, const char *identity);

/* For the verifying side (the store): the identity's key with this access key id and scope, or
 * NULL.
 */
const struct sigv4_key *material_key_by_id(const struct material *m, const char *identity,
                                           const char *access_key_id, const char *region,
                                           const char *service, const char *date);

#endif

#ifndef SUPERVISOR_CHANGES_H
#define SUPERVISOR_CHANGES_H

#include <jansson.h>

/* Which objects at AWS or at the embedded store a reload adds or changes for a role: the places in
 * the configuration ("queues.orders", "dead_letters", "ledger") that its new workers check before
 * they are ready. Pure. current and next are slices of the role (conf_slice). A queue that no
 * source used before counts as added, and where the section `aws` differs everything has changed.
 */
json_t *changes_objects(const json_t *current, const json_t *next); /* new reference */

#endif

#ifndef SUPERVISOR_MATERIALS_H
#define SUPERVISOR_MATERIALS_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

/* The keyring's `material` messages, kept for workers that start later. They are opaque here but
 * for the five members that name an item (kind, identity, region, service, date); the newest
 * message of an item replaces the one before. */
struct materials;

/* Bounds on what a keyring that lost its mind can make us keep. */
#define MATERIALS_MAX_ITEMS 512
#define MATERIALS_DATES 3 /* the dates that came last are kept for each of the other four */

struct materials *materials_new(void);
void materials_free(struct materials *m); /* wipes */

/* Keeps the message (a reference to it). 0; -1 with a reason where it is not well formed or there
 * is no room. */
int materials_put(struct materials *m, json_t *msg, const char **why_out)
    __attribute__((warn_unused_result));

/* Every item once, the oldest first. */
void materials_each(const struct materials *m, void (*each)(void *arg, json_t *msg), void *arg);

/* Those that answer a `need` now: of its kind, identity, region and service, neither of another day
 * than wall_ms nor expired (expires_at_ms). How many. */
size_t materials_answer(const struct materials *m, const json_t *need, int64_t wall_ms,
                        void (*each)(void *arg, json_t *msg), void *arg);

size_t materials_count(const struct materials *m);

#endif

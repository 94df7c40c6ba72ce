#ifndef WORKERS_RETRY_PAGES_H
#define WORKERS_RETRY_PAGES_H

#include "workers/retry/dead_letters.h"
#include "workers/retry/walk.h"

/* Where a walk gets its keys: ListObjectsV2 by start-after, so that a page is the same whatever was
 * deleted before it. */
struct pages;

struct pages *pages_new(const struct dead_letters *d, int page_size);
/* A call under way ends without a page. */
void pages_free(struct pages *p);
/* Calls walk_page later; after is borrowed until then. One call at a time. */
void pages_list(struct pages *p, struct walk *walk, const char *after);
/* Ends a call that is under way: the walk gets an error in place of its page, from inside. */
void pages_give_up(struct pages *p);

#endif

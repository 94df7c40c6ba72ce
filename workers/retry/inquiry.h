#ifndef WORKERS_RETRY_SCRAPE_H
#define WORKERS_RETRY_SCRAPE_H

/* All workers' metrics at once. The supervisor is asked, over its control socket, since it knows of
 * those too that are dead, hang or wait to be started again; its numbers are those of the workers'
 * newest beats, so a second old at most. */
struct event_base;
struct scrape;

/* text: the metrics, borrowed for the call; NULL where the supervisor did not answer within
 * SCRAPE_MS, and why says so. Runs once, never from inside scrape_start; the scrape is then gone.
 */
typedef void scrape_cb(void *arg, const char *text, const char *why);

#define SCRAPE_MS 3000

/* control_path: borrowed for the call. */
struct scrape *scrape_start(struct event_base *base, const char *control_path, scrape_cb *done,
                            void *arg);

/* Ends it without a call. */
void scrape_cancel(struct scrape *s);

#endif

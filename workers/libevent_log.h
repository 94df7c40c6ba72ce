#ifndef WORKERS_LIBEVENT_LOG_H
#define WORKERS_LIBEVENT_LOG_H

/* Brings what libevent has to say into our log, at most a few lines in ten seconds, and its last
 * words before it ends the process on an error of its own. Once, before the first event base. */
void libevent_log_install(void);

#endif

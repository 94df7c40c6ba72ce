#ifndef SUPERVISOR_ENVIRONMENT_H
#define SUPERVISOR_ENVIRONMENT_H

#include "supervisor/role.h"

/* The environment that a worker is started with: of ours, what the libraries and the tests of all
 * workers read, and for the keyring AWS's variables too. Whatever else is there (secrets that the
 * configuration takes by ${NAME}, the service manager's sockets) stays with the supervisor. A
 * NULL-terminated list (free()) of strings borrowed from ours. */
char **environment_for(enum role role, char *const ours[]);

#endif

#include "common/delivery/ledger_failure.h"

#include <stdlib.h>

#include "common/aws/obstacle.h"
#include "common/base/xalloc.h"
#include "common/delivery/ledger.h"

char *ledger_failure(const struct aws_endpoint *endpoint, const struct ledger_config *config,
                     const char *operation, const struct aws_reply *reply)
{
    char *what = xasprintf("table \"%s\"", config->table);
    char *action = xasprintf("dynamodb:%s", operation);
    const struct obstacle_object object = {what, "ledger.table", config->role, endpoint->region};
    char *text = obstacle_failure(&object, action, "the ledger does not answer", reply);
    free(action);
    free(what);
    return text;
}

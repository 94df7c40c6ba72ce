#include "common/aws/clock_skew.h"

#include <stdlib.h>

#include "common/base/clock.h"

#define BLAMED_MS 60000 /* less is never why a date was refused */

bool clock_skew_learn(struct clock_skew *skew, int64_t wall_ms, const char *date, bool blamed)
{
    int64_t theirs_ms;
    if (!date || clock_parse_http_date(date, &theirs_ms))
        return false;
    int64_t offset_ms = theirs_ms - wall_ms;
    int64_t change_ms = llabs(offset_ms - skew->offset_ms);
    if (llabs(offset_ms) > CLOCK_SKEW_BOUND_MS ||
        change_ms < (blamed ? BLAMED_MS : CLOCK_SKEW_TOLERANCE_MS))
        return false;
    skew->offset_ms = offset_ms;
    return true;
}

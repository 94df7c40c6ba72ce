/* One attempt's delivery and the claim under it, with both and the clock under the test's control.
 */
#include "common/base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "common/delivery/delivery.h"
#include "common/delivery/ledger.h"

/* The others of the folder are linked with the real ones. */
#define attempt_start tested_start
#define attempt_drain tested_drain
#define attempt_give_up tested_give_up
#define attempt_cancel tested_cancel

#define UNTIL_MS 28000

static struct {
    int64_t now_ms;
    int begun, cancelled, extensions;
    ledger_written_cb *extended;
    void *extended_arg;
    int ends;
    int end;
} t;

static struct delivery *fake_start(struct destination *d, const struct webhook *hook, int attempt,
                                   const struct delivery_record *record, delivery_cb *done,
                                   void *arg)
{
    (void)d, (void)hook, (void)attempt, (void)record, (void)done, (void)arg;
    t.begun++;
    return (struct delivery *)(uintptr_t)&t;
}

static void fake_cancel(struct delivery *delivery)
{
    t.cancelled += delivery != NULL;
}

static void fake_extend(struct ledger_claim *c, ledger_written_cb *done, void *arg)
{
    (void)c;
    t.extensions++;
    t.extended = done;
    t.extended_arg = arg;
}

#define clock_mono_ms() t.now_ms
#define delivery_start fake_start
#define delivery_cancel fake_cancel
#define delivery_waiting(delivery) ((void)(delivery), false)
#define ledger_extend fake_extend
#define ledger_claim_until_mono_ms(claim) ((void)(claim), (int64_t)UNTIL_MS)
#define ledger_claim_id(claim) ((void)(claim), "id")
#include "workers/retry/attempt.c"

static void see(void *arg, enum attempt_end end, const struct delivery_outcome *outcome)
{
    (void)arg, (void)outcome;
    t.ends++;
    t.end = (int)end;
}

/* An attempt whose extension is under way, at half of its claim. */
static struct attempt *extending(struct event_base *base, int64_t limit_ms)
{
    memset(&t, 0, sizeof(t));
    const struct attempt_options options = {.base = base,
                                            .claim = (struct ledger_claim *)(uintptr_t)&t,
                                            .trace_id = "t",
                                            .limit_ms = limit_ms};
    struct attempt *a = tested_start(&options, see, NULL);
    t.now_ms = UNTIL_MS / 2;
    on_beat(-1, 0, a);
    assert_int_equal(t.extensions, 1);
    return a;
}

/* A table that hangs must not let the delivery go on for longer than the claim is certain. */
static void the_claims_end_cuts_off_although_an_extension_hangs(void **state)
{
    (void)state;
    struct event_base *base = event_base_new();
    struct attempt *a = extending(base, 60000);
    t.now_ms = UNTIL_MS - 1;
    on_beat(-1, 0, a);
    assert_int_equal(t.cancelled, 0);
    assert_int_equal(t.extensions, 1);
    t.now_ms = UNTIL_MS;
    on_beat(-1, 0, a);
    assert_int_equal(t.cancelled, 1);
    assert_int_equal(t.ends, 0); /* the write is still under way */
    t.extended(t.extended_arg, LEDGER_FAILED, "no answer");
    assert_int_equal(t.ends, 1);
    assert_int_equal(t.end, ATTEMPT_CLAIM_LOST);
    event_base_free(base);
}

static void its_limit_cuts_off_although_an_extension_hangs(void **state)
{
    (void)state;
    struct event_base *base = event_base_new();
    struct attempt *a = extending(base, 20000);
    t.now_ms = 20000;
    on_beat(-1, 0, a);
    assert_int_equal(t.cancelled, 1);
    t.extended(t.extended_arg, LEDGER_WRITTEN, "");
    assert_int_equal(t.end, ATTEMPT_TOO_LONG);
    event_base_free(base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_claims_end_cuts_off_although_an_extension_hangs),
        cmocka_unit_test(its_limit_cuts_off_although_an_extension_hangs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

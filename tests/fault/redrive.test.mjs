// A retry worker that dies at a step of a redrive, TRIALS times at each: the dead letter stays until the
// outcome is known, and only a death between the destination's effect and our record repeats a delivery.
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { Letters } from '../tools/letters.mjs';
import { cxone } from '../tools/events.mjs';
import { Service } from '../tools/service.mjs';
import { until } from '../tools/wait.mjs';

// Step, and how often the event is delivered in all.
const steps = [['claimed', 1], ['before_deliver', 1], ['delivered', 2], ['after_outcome', 1], ['before_update', 2]];

const trials = Number(process.env.TRIALS ?? 1);

async function once(t, step, deliveries) {
    const env = { SLUICE_FAULT: `retry.${step}:1`, SLUICE_FAULT_ROLE: 'retry' };
    const s = await Service.start(t, { env });
    const d = new Letters(s);
    const one = await d.add({ body: cxone({ what: step === 'before_update' ? 'fail 7' : undefined }) });
    await assert.rejects(d.retry(), 'no answer from a dead process');
    assert.deepEqual(await d.keys(), [one.key]);
    assert.equal((await d.get(one.key)).retry_count, 5);
    await s.stop();
    await s.launch({ env: {} });
    if (step === 'claimed' || step === 'after_outcome') { // no claim in the ledger is in the way
        assert.equal((await d.retry()).failed.length, 0, 'the claim of a dead process does not count');
    } else {
        assert.equal((await d.retry()).failed[0].class, 'in_progress');
        await d.expireClaims(one);
        await d.retry();
    }
    if (step === 'before_update') { // told to fail at attempt 7, which was not recorded
        assert.equal((await d.get(one.key)).retry_count, 6);
        assert.equal(s.ledger().length, deliveries);
        await d.retry();
    }
    await until('the end', async () => (await d.keys()).length === 0);
    assert.equal(s.ledger().filter((l) => l.status === 0).length, step === 'before_update' ? 1 : deliveries);
    assert.equal((await d.record(one.object.ledger_key.id)).state.S, 'delivered');
    await s.stop();
}

describe('a retry worker that dies at a step', { concurrency: 3 }, () => {
    for (const [step, deliveries] of steps) {
        test(`retry.${step}, ${trials} times`, async (t) => {
            for (let i = 0; i < trials; i++) {
                await once(t, step, deliveries);
            }
        });
    }
});

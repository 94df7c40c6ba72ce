// Over midnight UTC, when signing keys of another date are needed at once: no request fails. All
// processes run under libfaketime with one offset, so that they sign and check with one clock.
import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { test } from 'node:test';
import { cxone, genesys } from '../tools/events.mjs';
import { pair, startOnOwnAws } from '../tools/own-aws.mjs';
import { until } from '../tools/wait.mjs';

const dayMs = 86_400_000;
const beforeMs = 15_000; // how long before midnight the service starts

test('a run over midnight UTC fails no request', async (t) => {
    const midnightMs = (Math.floor(Date.now() / dayMs) + 1) * dayMs;
    const aheadMs = midnightMs - beforeMs - Date.now();
    const s = await startOnOwnAws(t, {
        aheadMs, env: { AWS_ACCESS_KEY_ID: pair.access_key_id, AWS_SECRET_ACCESS_KEY: pair.secret_access_key },
    });
    await s.waitUp();
    const answers = [];
    // On a machine that stands still too: some before, some after.
    const sent = { before: 0, after: 0 };
    while (Date.now() + aheadMs < midnightMs + 3000 || sent.after < 10) {
        sent[Date.now() + aheadMs < midnightMs ? 'before' : 'after']++;
        answers.push(await s.post('genesys', genesys()), await s.post('cxone', cxone()));
        await pause(100);
    }
    assert.ok(sent.before > 2, `${sent.before} rounds before midnight`);
    assert.deepEqual([...new Set(answers.map(({ status }) => status))], [200]);
    const traces = answers.map(({ headers }) => headers['sluice-trace']).sort();
    await until('every event', () => s.ledger().length >= traces.length, { seconds: 20 });
    const deliveries = s.ledger();
    assert.deepEqual(deliveries.map(({ trace }) => trace).sort(), traces, 'each once');

    // Midnight was in the middle of it, for the service too.
    const days = (text) => new Set(text.match(/^\d{4}-\d\d-\d\d(?=T)/gm));
    assert.equal(days(s.log()).size, 2, [...days(s.log())].join());
    assert.ok(deliveries.some(({ startMs }) => startMs + aheadMs < midnightMs) &&
        deliveries.some(({ startMs }) => startMs + aheadMs > midnightMs));
    assert.doesNotMatch(s.log(), /signature|denied|NoSigningKey|no key/i);
    assert.doesNotMatch(s.log(), / error /);
});

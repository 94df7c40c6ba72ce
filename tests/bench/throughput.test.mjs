// How fast, and with how much memory: numbers to look at, with bounds that only a broken build misses.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { cxone, spread } from '../tools/events.mjs';
import { Service } from '../tools/service.mjs';
import { until } from '../tools/wait.mjs';

function memoryKib(pid) {
    const status = fs.readFileSync(`/proc/${pid}/status`, 'utf8');
    return { rss: Number(status.match(/VmRSS:\s+(\d+)/)[1]), peak: Number(status.match(/VmHWM:\s+(\d+)/)[1]) };
}

test('webhooks a second, delivered to a file', async (t) => {
    const s = await Service.create(t);
    const file = path.join(s.dir, '{source}.jsonl');
    s.writeConf({
        ...s.conf,
        log: { level: 'info' },
        destinations: { ledger: { type: 'file', path: file } },
    });
    await s.launch();
    const count = 5000 * Math.min(4, Number(process.env.TRIALS ?? 1));
    const times = [];
    const started = performance.now();
    await spread(count, 64, async () => {
        const from = performance.now();
        const answer = await s.post('cxone', cxone());
        assert.equal(answer.status, 200);
        times.push(performance.now() - from);
    });
    const accepted = (performance.now() - started) / 1000;
    await until('the queue to run empty', async () => (await s.sqs.depth('cxone')) === 0, { seconds: 60, every: 100 });
    const delivered = (performance.now() - started) / 1000;
    times.sort((a, b) => a - b);
    const at = (share) => times[Math.floor(times.length * share)].toFixed(1);
    t.diagnostic(`${count} webhooks: ${Math.round(count / accepted)}/s accepted (64 connections), all delivered after ` +
        `${delivered.toFixed(1)} s; answers p50 ${at(0.5)} ms, p99 ${at(0.99)} ms`);
    for (const { name, pid } of [{ name: 'sluiced', pid: s.pid }, ...(await s.status()).workers]) {
        const { rss, peak } = memoryKib(pid);
        t.diagnostic(`memory of ${name}: ${(rss / 1024).toFixed(1)} MiB, peak ${(peak / 1024).toFixed(1)} MiB`);
        assert.ok(peak < 200 * 1024, `${name} needs ${peak} KiB`);
    }
    assert.equal(fs.readFileSync(path.join(s.dir, 'cxone.jsonl'), 'utf8').split('\n').length - 1, count);
});

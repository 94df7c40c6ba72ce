// The store's promise: one fdatasync for many, and no answer before COMMIT.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { cxone, spread } from '../tools/events.mjs';
import { Service } from '../tools/service.mjs';
import { until } from '../tools/wait.mjs';

test('64 clients share their fdatasync calls', async (t) => {
    const s = await Service.start(t);
    const [store] = await s.workers('store');
    const QueueUrl = s.sqs.url('direct');
    await s.sqs.call('CreateQueue', { QueueName: 'direct' });

    const report = path.join(s.dir, 'strace');
    const trace = spawn('strace', ['-f', '-c', '-e', 'trace=fdatasync,fsync', '-o', report, '-p', String(store.pid)],
        { stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    trace.stderr.on('data', (data) => (said += data));
    const ended = new Promise((resolve) => trace.once('exit', resolve));
    await until('strace to attach', () => /attached/.test(said));
    const sends = 64 * 20;
    await spread(sends, 64, (i) => s.sqs.call('SendMessage', { QueueUrl, MessageBody: `message ${i}` }));
    trace.kill('SIGINT');
    await ended;
    const calls = fs.readFileSync(report, 'utf8').split('\n')
        .filter((line) => /\b(fdatasync|fsync)$/.test(line)).reduce((sum, line) => sum + Number(line.trim().split(/\s+/)[3]), 0);
    t.diagnostic(`${sends} sends, ${calls} fdatasync and fsync calls`);
    assert.ok(calls > 0 && calls < sends / 5, `${calls} calls for ${sends} sends`);
    assert.equal(await s.sqs.depth('direct'), sends);
});

// A service whose store fails one COMMIT from the moment in which there is a ticket for it.
async function startFailing(t) {
    const s = await Service.create(t);
    s.tickets = path.join(s.dir, 'tickets');
    fs.mkdirSync(s.tickets);
    return s.launch({ env: { SLUICE_FAULT: 'store.commit:1:ticket', SLUICE_FAULT_ROLE: 'store', SLUICE_FAULT_TICKETS: s.tickets } });
}

function failCommitAt(s, i, which) {
    if (i === which) {
        fs.writeFileSync(path.join(s.tickets, 'store.commit'), '');
    }
}

test('a COMMIT that fails gives no 200 in that turn', async (t) => {
    const s = await startFailing(t);
    await s.sqs.call('CreateQueue', { QueueName: 'direct' });
    const QueueUrl = s.sqs.url('direct');
    const sent = await spread(600, 12, async (i) => {
        try {
            failCommitAt(s, i, 100);
            const { MessageId: id } = await s.sqs.call('SendMessage', { QueueUrl, MessageBody: `message ${i}` });
            return { id };
        } catch (error) {
            assert.equal(error.status, 500, error.message);
            return {};
        }
    });
    const confirmed = new Set(sent.filter((m) => m.id).map((m) => m.id));
    const { counters } = await s.health('store');
    assert.equal(counters.commit_failures, 1);
    assert.ok(confirmed.size < sent.length, 'the turn that failed held sends');
    const there = new Set((await s.sqs.peek('direct')).map((m) => m.MessageId));
    assert.deepEqual([...there].sort(), [...confirmed].sort(), 'what was confirmed is there, and nothing else');
});

test('senders see no failed COMMIT: ingest tries again', async (t) => {
    const s = await startFailing(t);
    const answers = await spread(200, 20, (i) => {
        failCommitAt(s, i, 50);
        return s.post('cxone', cxone());
    });
    assert.deepEqual([...new Set(answers.map((a) => a.status))], [200]);
    await until('every delivery', () => new Set(s.ledger().map((l) => l.trace)).size === 200, { seconds: 20 });
    assert.equal((await s.health('store')).counters.commit_failures, 1);
});

test('a store that dies before its answers loses nothing it confirmed', async (t) => {
    const env = { SLUICE_FAULT: 'store.before_answer:45', SLUICE_FAULT_ROLE: 'store' };
    const s = await Service.start(t, { env });
    await s.sqs.call('CreateQueue', { QueueName: 'direct' });
    const QueueUrl = s.sqs.url('direct');
    const sent = await spread(600, 8, async (i) => s.sqs.call('SendMessage', { QueueUrl, MessageBody: `message ${i}` })
        .then((m) => m.MessageId, () => undefined));
    const confirmed = sent.filter(Boolean).length;
    // Each new store dies at its 45th turn too, so it is asked once and not emptied.
    const kept = await until('the store to be back', () => s.sqs.depth('direct'));
    assert.ok(kept >= confirmed, `${kept} kept of ${confirmed} confirmed`);
    assert.ok((await s.workers('store'))[0].restarts > 0, 'the point was reached');
});

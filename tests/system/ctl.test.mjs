// sluicectl against a running service.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { cxone } from '../tools/events.mjs';
import { merge, runProgram, Service } from '../tools/service.mjs';
import { until } from '../tools/wait.mjs';

test('status, health, send, reload and stop', async (t) => {
    const s = await Service.start(t, { conf: { sources: { cxone: { verify: { type: 'bearer', secrets: ['secret-12'] } } } } });
    const ctl = (...args) => runProgram('sluicectl', ['-c', s.confFile, ...args]);
    const json = async (...args) => {
        const { status, stdout, stderr } = await ctl('--json', ...args);
        return { exit: status, ...JSON.parse(stdout || '{}'), stderr };
    };

    const status = await ctl('status');
    assert.equal(status.status, 0);
    for (const name of ['ingest', 'consumer-0', 'consumer-1', 'retry', 'keyring', 'store']) {
        assert.match(status.stdout, new RegExp(`^\\s*${name}\\b.*UP`, 'm'), status.stdout);
    }
    const parsed = await json('status');
    assert.equal(parsed.pid, s.pid);
    assert.equal(parsed.workers.length, 6);

    const health = await ctl('health');
    assert.equal(health.status, 0, health.stdout + health.stderr);
    assert.equal((await ctl('health', 'consumer-1')).status, 0);
    assert.notEqual((await ctl('health', 'consumer-9')).status, 0);
    assert.equal((await json('health')).exit, 0);

    const file = path.join(s.dir, 'event.json');
    fs.writeFileSync(file, cxone());
    const sent = await ctl('send', 'cxone', file);
    assert.equal(sent.status, 0, sent.stdout + sent.stderr);
    await until('its delivery', () => s.ledger().length === 1);
    fs.writeFileSync(file, 'not json');
    const refused = await ctl('send', 'cxone', file);
    assert.notEqual(refused.status, 0);
    assert.match(refused.stdout + refused.stderr, /400/);

    s.writeConf(merge(s.conf, { ingest: { retry_after_s: 9 } }));
    assert.equal((await ctl('reload')).status, 0);
    fs.writeFileSync(s.confFile, JSON.stringify({ ...s.conf, ingst: 1 }));
    const bad = await ctl('--run-dir', path.join(s.state, 'run'), 'reload');
    assert.equal(bad.status, 78);
    assert.match(bad.stdout + bad.stderr, /ingst/);
    s.writeConf(s.conf);

    const stop = await ctl('stop');
    assert.equal(stop.status, 0, stop.stderr);
    assert.deepEqual(await s.waitExit(5), { status: 0, signal: null });
    const after = await ctl('status');
    assert.notEqual(after.status, 0);
    assert.match(after.stderr, /not running|sluiced/);
});

test('health shows a worker that is not well', async (t) => {
    const s = await Service.start(t);
    const [store] = await s.workers('store');
    s.signal('SIGSTOP', store.pid);
    try {
        await until('health to say so', async () => (await runProgram('sluicectl', ['-c', s.confFile, 'health'])).status === 1,
            { seconds: 15, every: 200 });
    } finally {
        s.signal('SIGCONT', store.pid);
    }
    await s.waitUp();
});

test('clients that say nothing keep nobody out', async (t) => {
    const s = await Service.start(t);
    const path = `${s.state}/run/control.sock`;
    const idle = await Promise.all(Array.from({ length: 100 }, () => new Promise((resolve, reject) => {
        const socket = net.connect(path, () => resolve(socket));
        socket.on('error', reject);
    })));
    t.after(() => idle.forEach((socket) => socket.destroy()));
    const started = performance.now();
    assert.equal((await runProgram('sluicectl', ['-c', s.confFile, 'status'])).status, 0);
    assert.ok(performance.now() - started < 10_000, 'at once');
    await until('the oldest to have made room', () => idle.filter((socket) => socket.resume().closed).length >= 69);
});

test('--help tells of everything, or of one command', async () => {
    const all = await runProgram('sluicectl', ['--help']);
    assert.equal(all.status, 0);
    assert.match(all.stdout, /^ {2}status\n[^]*^ {2}trace /m);
    const { status, stdout } = await runProgram('sluicectl', ['dlq', 'list', '--help']);
    assert.equal(status, 0);
    assert.deepEqual(stdout.match(/^ {2}[a-z]+( [a-z]+)?/gm), ['  dlq list']);
    assert.deepEqual((await runProgram('sluicectl', ['-h', 'dlq'])).stdout.match(/^ {2}[a-z]+ [a-z]+/gm),
        ['  dlq list', '  dlq show', '  dlq retry', '  dlq drop']);
    const half = await runProgram('sluicectl', ['dlq']);
    assert.deepEqual([half.status, half.stdout], [64, '']);
    assert.match(half.stderr, /^usage: [^]*dlq list/);
    const wrong = await runProgram('sluicectl', ['dlq', 'lost', '--help']);
    assert.deepEqual([wrong.status, wrong.stdout], [64, '']);
    assert.match(wrong.stderr, /there is no command "dlq lost"/);
    for (const [option, start] of [['--help', /^usage: sluiced /], ['--version', /^sluiced \d/]]) {
        const daemon = await runProgram('sluiced', [option]);
        assert.deepEqual([daemon.status, daemon.stderr], [0, '']);
        assert.match(daemon.stdout, start);
    }
});

test('status cuts neither paths nor reasons', async (t) => {
    const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-t-'));
    t.after(() => fs.rmSync(dir, { recursive: true }));
    const long = (name) => `${name} ${'and so on '.repeat(60)}to the end`;
    const answer = {
        ok: true, version: '0.1.0', config: long('config'), state_dir: long('state'), workers: [{
            name: 'consumer-0', state: 'UP', beat: { waiting: [long('waiting')], notes: [long('note')], last_error: long('error') },
        }],
        listeners: [{ role: 'retry', address: long('unix:') }], notes: [long('notes')],
        gates: [{ key: 'destination:crm', left_ms: 1000, held_s: 1, why: long('why') }],
    };
    const server = net.createServer((socket) => socket.once('data', () => socket.end(`${JSON.stringify(answer)}\n`)));
    await new Promise((resolve) => server.listen(path.join(dir, 'control.sock'), resolve));
    t.after(() => server.close());
    const { status, stdout } = await runProgram('sluicectl', ['--run-dir', dir, 'status']);
    assert.equal(status, 0);
    for (const name of ['config', 'state', 'unix:', 'notes', 'waiting', 'note', 'error', 'why']) {
        assert.ok(stdout.includes(long(name)), `${name}\n${stdout}`);
    }
});

// Starting where it is not plain: twice, on busy ports, in odd places.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { test } from 'node:test';
import { cxone } from '../tools/events.mjs';
import { alive, merge, runProgram, Service } from '../tools/service.mjs';
import { until } from '../tools/wait.mjs';

test('a second instance says who holds the state, at once', async (t) => {
    const s = await Service.start(t, { conf: { drain_s: 60 } }); // as long as one would wait for its end
    const started = performance.now();
    const { status, stderr } = await runProgram('sluiced', ['-c', s.confFile]);
    assert.notEqual(status, 0);
    assert.match(stderr, new RegExp(`\\b${s.pid}\\b`));
    assert.ok(performance.now() - started < 20_000);
    assert.equal((await s.post('cxone', cxone())).status, 200, 'the first is untouched');
});

test('a busy port says who holds it', async (t) => {
    const s = await Service.create(t);
    const server = net.createServer();
    await new Promise((resolve) => server.listen(s.ports.ingest, '127.0.0.1', resolve));
    t.after(() => server.close());
    const { status, stderr } = await runProgram('sluiced', ['-c', s.confFile]);
    assert.notEqual(status, 0);
    assert.match(stderr, new RegExp(`127\\.0\\.0\\.1:${s.ports.ingest}`));
    assert.match(stderr, new RegExp(`\\b${process.pid}\\b`));
});

test('a state directory that cannot be made is named, with what to do', async (t) => {
    const s = await Service.create(t);
    s.writeConf({ ...s.conf, state_dir: `${s.confFile}/state` });
    const { status, stderr } = await runProgram('sluiced', ['-c', s.confFile]);
    assert.equal(status, 71);
    assert.match(stderr, /state_dir \S+\/state cannot be made: Not a directory; make it for the account that sluiced runs as, or name another/);
});

test('root without "user" stays root and says so once', { skip: process.getuid() !== 0 && 'not root' }, async (t) => {
    const s = await Service.start(t);
    assert.equal([...s.log().matchAll(/staying root/g)].length, 1, s.log());
});

test('root with a "user" does not start as root', { skip: process.getuid() !== 0 && 'not root' }, async (t) => {
    const s = await Service.create(t, { conf: { user: 'nobody' } });
    const { status, stderr } = await runProgram('sluiced', ['-c', s.confFile]);
    assert.equal(status, 78);
    assert.match(stderr, /user: .*"nobody"/);
});

for (const [name, folder] of [
    ['200 characters', `${'long-'.repeat(39)}path`],
    ['a blank and a quote', 'with a blank and a \'quote"'],
]) {
    test(`a state directory with ${name}`, async (t) => {
        const s = await Service.create(t);
        s.state = path.join(s.dir, folder);
        s.writeConf(merge(s.conf, { state_dir: s.state }));
        const store = { port: s.ports.store };
        s.sqs.target = store;
        // The health sockets are reached from inside their directory.
        await s.launch({ wait: false });
        await until('a 200', async () => (await s.post('cxone', cxone())).status === 200, { seconds: 15 });
        await until('the delivery', () => s.ledger().length >= 1);
        const { status, stdout } = await runProgram('sluicectl', ['-c', s.confFile, '--json', 'status']);
        assert.equal(status, 0);
        assert.ok(JSON.parse(stdout).workers.length >= 5);
        await until('every worker to be healthy', async () =>
            (await runProgram('sluicectl', ['-c', s.confFile, 'health'])).status === 0, { seconds: 15 });
    });
}

test('a supervisor that is killed leaves no orphan behind', async (t) => {
    const s = await Service.start(t);
    const workers = s.children();
    assert.ok(workers.length >= 6);
    s.signal('SIGKILL');
    await until('the workers to end', () => workers.every(({ pid }) => !alive(pid)), { seconds: 15 });
});

test('a second SIGTERM stops now', async (t) => {
    const s = await Service.start(t, { conf: { drain_s: 600 } });
    await s.post('cxone', cxone({ what: 'sleep 6000' }));
    await until('the delivery to begin', () => s.started().length === 1);
    const workers = s.children();
    s.signal('SIGTERM');
    await until('the drain to begin', () => /drain/.test(s.log()));
    s.signal('SIGTERM');
    await s.waitExit(5);
    await until('no worker left', () => workers.every(({ pid }) => !alive(pid)), { seconds: 5 });
});

test('workers that are stuck do not hold up a stop beyond drain_s', async (t) => {
    const s = await Service.start(t, { conf: { drain_s: 1 } });
    const workers = s.children();
    workers.forEach(({ pid }) => s.signal('SIGSTOP', pid));
    assert.deepEqual(await s.stop(), { status: 0, signal: null });
    assert.match(s.log(), /the stop is past its time: killing what is left/);
    assert.doesNotMatch(s.log(), /started again/);
    assert.ok(workers.every(({ pid }) => !alive(pid)));
});

test('signals that come while the last generation drains are kept', async (t) => {
    const s = await Service.create(t);
    const lock = path.join(s.state, 'store/lock');
    fs.mkdirSync(path.dirname(lock), { recursive: true });
    const holder = spawn('flock', [lock, 'sh', '-c', 'echo held; exec sleep 60'], { detached: true });
    t.after(() => holder.kill('SIGKILL'));
    await once(holder.stdout, 'data');
    await s.launch({ wait: false });
    await until('sluiced to wait for the lock', () => /waiting up to/.test(s.log()));
    s.signal('SIGUSR1');
    s.signal('SIGHUP');
    process.kill(-holder.pid, 'SIGTERM');
    await s.waitUp();
    await until('the reload', async () => (await s.status()).generation === 2);
});

test('modes: the key pair and the state are private', async (t) => {
    const s = await Service.start(t);
    const mode = (name) => (fs.statSync(path.join(s.state, name)).mode & 0o777).toString(8);
    assert.equal(mode('embedded-key.json'), '600');
    assert.match(mode('store/sluice.db'), /^6[04]0$/);
    assert.match(mode('.'), /^7[05]0$/);
});

test('no secret and no body in the log', async (t) => {
    const secret = 'canary-7f3a-secret';
    const s = await Service.start(t, {
        conf: { sources: { cxone: { verify: { type: 'bearer', secrets: [secret] } } } },
    });
    await s.post('cxone', cxone({ note: 'canary-9b2c-body' }), { headers: { authorization: `Bearer ${secret}` } });
    await s.post('cxone', '{ canary-9b2c-body', { headers: { authorization: `Bearer ${secret}` } });
    await s.post('cxone', '{}', { headers: { authorization: 'Bearer canary-7f3a-wrong' } });
    await until('the delivery', () => s.ledger().length === 1);
    const { secret_access_key: key } = s.keyPair();
    const places = [s.log(), JSON.stringify(await s.status())];
    for (const { pid } of [{ pid: s.pid }, ...s.children()]) {
        places.push(fs.readFileSync(`/proc/${pid}/cmdline`, 'utf8'), fs.readFileSync(`/proc/${pid}/environ`, 'utf8'));
    }
    for (const text of places) {
        assert.doesNotMatch(text, /canary-/);
        assert.ok(!text.includes(key));
    }
});

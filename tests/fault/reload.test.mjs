// A reload that fails at each of its steps: the old workers serve every request, nothing is left
// behind, the refusal names the cause, and the next reload works.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { test } from 'node:test';
import { cxone } from '../tools/events.mjs';
import { check, steadyLoad } from '../tools/load.mjs';
import { freePort, merge, Service } from '../tools/service.mjs';
import { until } from '../tools/wait.mjs';

const points = ['plan.snapshot', 'spawn.fork', 'ingest.start', 'ingest.ready', 'consumer-0.ready', 'consumer-1.start'];

async function start(t) {
    const s = await Service.create(t, { conf: { consumer: { workers: 2 }, ready_s: 10 } });
    s.tickets = path.join(s.dir, 'tickets');
    fs.mkdirSync(s.tickets);
    s.env = {
        SLUICE_FAULT: points.map((p) => `${p}:1:ticket`).join(','),
        SLUICE_FAULT_TICKETS: s.tickets,
    };
    await s.launch();
    return s;
}

const arm = (s, point) => fs.writeFileSync(path.join(s.tickets, point), '');
const armed = (s) => fs.readdirSync(s.tickets);
const descriptors = (s) => fs.readdirSync(`/proc/${s.pid}/fd`).length;
const change = (s, n) => merge(s.conf, { ingest: { retry_after_s: n }, consumer: { in_flight: n } });
const tried = async (s, role) => (await s.workers(role)).find((w) => w.generation === 2);

// Each step: how it is made to fail, what the refusal says, and whether an ingest is killed that takes requests
// (what it has in hand then is lost).
const steps = [
    ['load', async (s) => fs.writeFileSync(s.confFile, '{ "ingest": '), /line 1/],
    ['validate', async (s) => s.writeConf(merge(s.conf, { sources: { cxone: { destination: 'nowhere' } } })), /nowhere/],
    ['acquire a listener', async (s, t) => {
        const port = await freePort();
        const stranger = net.createServer().listen(port, '127.0.0.1');
        t.after(() => stranger.close());
        s.writeConf(merge(change(s, 11), { ingest: { listen: [`127.0.0.1:${s.ports.ingest}`, `127.0.0.1:${port}`] } }));
    }, /ingest\.listen\[1\].*is in use by/],
    ['write the snapshot', async (s) => { s.writeConf(change(s, 12)); arm(s, 'plan.snapshot'); },
        /the new ingest failed: it cannot be started: .*files/],
    ['fork', async (s) => { s.writeConf(change(s, 13)); arm(s, 'spawn.fork'); },
        /the new ingest failed: it cannot be started: Resource temporarily unavailable/],
    ['fork, of one with an in-flight table', async (s) => { s.writeConf(merge(s.conf, { consumer: { in_flight: 18 } })); arm(s, 'spawn.fork'); },
        /the new consumer-0 failed: it cannot be started: Resource temporarily unavailable/],
    ['the worker does not start', async (s) => { s.writeConf(change(s, 14)); arm(s, 'ingest.start'); },
        /the new ingest failed: it ended with exit status 78/],
    ['the worker is never ready', async (s) => { s.writeConf(change(s, 15)); arm(s, 'ingest.ready'); },
        /the new ingest failed: it was not ready within 10 s/, 'kills'],
    // The commit waits for a consumer.
    ['the worker dies between ready and the commit', async (s) => {
        s.writeConf(change(s, 17));
        arm(s, 'consumer-0.ready');
        until('the new ingest to be up', async () =>
            armed(s).length === 0 && (await tried(s, 'ingest'))?.state === 'UP', { every: 5 })
            .then(async () => s.signal('SIGKILL', (await tried(s, 'ingest')).pid));
    }, /the new ingest failed: it ended with signal 9/, 'kills'],
];

test('a failure at each step changes nothing, and leaves nothing behind', async (t) => {
    const s = await start(t);
    const good = s.conf;
    const before = await s.status();
    const held = descriptors(s);
    const accepted = [];
    const underLoad = async (work) => {
        const load = steadyLoad(t, s, () => cxone(), { perSecond: 20 });
        await work();
        const { traces, wrong } = await load.stop();
        assert.deepEqual(wrong, []);
        accepted.push(...traces);
    };
    for (const [name, prepare, says, kills] of steps) {
        await t.test(name, (t) => (kills ? (work) => work() : underLoad)(async () => {
            await prepare(s, t);
            const said = await s.control({ cmd: 'reload' }, { seconds: 30 });
            assert.equal(said.ok, false, JSON.stringify(said));
            assert.match(said.errors.map((e) => `${e.path}: ${e.message}`).join('\n'), says);
            assert.match(s.log(), says);
            await until('the new workers to be gone', async () =>
                (await s.status()).workers.every((w) => w.generation === 1 && w.state === 'UP'), { seconds: 30 });
            const after = await s.status();
            assert.deepEqual(after.workers.map((w) => [w.name, w.pid]), before.workers.map((w) => [w.name, w.pid]));
            assert.equal(after.generation, 1);
            assert.deepEqual(armed(s), []);
            await until('its descriptors to be closed', () => descriptors(s) <= held);
            assert.deepEqual(fs.readdirSync(path.join(s.state, 'run/health')).filter((f) => f.endsWith('.new')), []);
            s.conf = good;
        }));
    }
    await underLoad(async () => {
        s.writeConf(change(s, 30));
        const said = await s.control({ cmd: 'reload' }, { seconds: 30 });
        assert.equal(said.ok, true, JSON.stringify(said));
        assert.equal((await s.status()).generation, 2);
        await until('the descriptors of the old workers to be closed', () => descriptors(s) <= held, { seconds: 30 });
    });
    assert.equal(await check(s, accepted), 0);
});

test('after the commit a failure is an ordinary crash', async (t) => {
    const s = await start(t);
    const load = steadyLoad(t, s, () => cxone(), { perSecond: 20 });
    s.writeConf(change(s, 20));
    arm(s, 'consumer-1.start');
    const said = await s.control({ cmd: 'reload' }, { seconds: 30 });
    assert.equal(said.ok, true, JSON.stringify(said));
    await until('the crashed worker to be back', async () => {
        const now = (await s.status()).workers;
        return now.every((w) => w.state === 'UP') && now.some((w) => w.name === 'consumer-1' && w.generation === 2 && w.restarts === 1);
    }, { seconds: 30 });
    assert.deepEqual(armed(s), []);
    const { traces, wrong } = await load.stop();
    assert.deepEqual(wrong, []);
    assert.equal(await check(s, traces), 0);
});

test('signals that come during a reload become one, and no third generation lives', async (t) => {
    const s = await start(t);
    s.writeConf(change(s, 21));
    arm(s, 'consumer-0.ready'); // it takes until ready_s
    const first = s.control({ cmd: 'reload' }, { seconds: 30 });
    await until('it to be under way', async () => (await tried(s, 'consumer')) !== undefined);
    for (let i = 0; i < 20; i++) {
        s.signal('SIGHUP');
    }
    const others = await Promise.all([1, 2, 3].map(() => s.control({ cmd: 'reload' }, { seconds: 60 })));
    assert.equal((await first).ok, false);
    assert.deepEqual(others.map((o) => o.generation), [2, 2, 2]);
    let generations = 0;
    await until('one generation', async () => {
        const now = new Set((await s.workers('ingest')).map((w) => w.generation));
        generations = Math.max(generations, now.size);
        return now.size === 1;
    }, { seconds: 30 });
    assert.ok(generations <= 2);
    assert.equal(s.log().match(/reload: reading/g).length, 2);
});

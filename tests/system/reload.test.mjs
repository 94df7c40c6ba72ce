// SIGHUP: a good file rolls the workers without a lost request, a bad one changes nothing.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { test } from 'node:test';
import { cxone, genesys } from '../tools/events.mjs';
import { request } from '../tools/http.mjs';
import { alive, freePort, merge, program, Service } from '../tools/service.mjs';
import { until } from '../tools/wait.mjs';

const generation = async (s) => (await s.status()).generation;

test('a request held open across SIGHUP is answered', async (t) => {
    const s = await Service.start(t);
    const before = (await s.workers('ingest'))[0];
    const [store] = await s.workers('store');

    // One whose body is still on its way, ...
    const body = cxone();
    const slowAnswer = new Promise((resolve, reject) => {
        const socket = net.connect(s.ports.ingest, '127.0.0.1');
        let text = '';
        socket.on('data', (data) => (text += data));
        socket.on('error', reject);
        socket.on('close', () => resolve(text));
        socket.on('connect', () => socket.write('POST /webhook/cxone-data-actions HTTP/1.1\r\nHost: x\r\n' +
            `Connection: close\r\nContent-Length: ${body.length}\r\n\r\n${body.slice(0, 10)}`));
        s.finishSlow = () => socket.write(body.slice(10));
    });
    // ... and ones whose event is on its way to a store that does not answer just now.
    s.signal('SIGSTOP', store.pid);
    const held = Array.from({ length: 20 }, () => s.post('cxone', cxone()));
    await until('the requests to be held', async () => (await s.health('ingest')).in_flight >= 20);

    s.writeConf(merge(s.conf, { ingest: { retry_after_s: 7 } }));
    s.signal('SIGHUP');
    await until('the new generation to start', async () => (await s.status()).workers
        .some((w) => w.role === 'ingest' && w.pid !== before.pid));
    s.finishSlow();
    s.signal('SIGCONT', store.pid);

    for (const answer of await Promise.all(held)) {
        assert.equal(answer.status, 200);
    }
    assert.match(await slowAnswer, /^HTTP\/1\.1 200 /);
    await until('one ingest worker again', async () => {
        const now = await s.workers('ingest');
        return now.length === 1 && now[0].pid !== before.pid && now[0].state === 'UP';
    }, { seconds: 20 });
    await until('all deliveries', () => s.ledger().length === 21);
    assert.equal((await s.workers('store'))[0].pid, store.pid, 'the store was not rolled');
});

test('an address that a reload gives up is refused while the old worker still drains', async (t) => {
    const s = await Service.start(t, { conf: { drain_s: 300, ingest: { request_deadline_ms: 300_000 } } });
    const [old] = await s.workers('ingest');
    const slow = net.connect(s.ports.ingest, '127.0.0.1');
    slow.on('error', () => {});
    slow.write('POST /webhook/cxone-data-actions HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{');
    await until('the slow request to be taken', async () => (await s.health('ingest')).gauges.connections >= 1);
    s.writeConf(merge(s.conf, { ingest: { listen: [`127.0.0.1:${await freePort()}`] } }));
    assert.equal((await s.control({ cmd: 'reload' })).ok, true);

    const isRefused = () => new Promise((resolve) => {
        const socket = net.connect(s.ports.ingest, '127.0.0.1');
        socket.on('connect', () => (socket.destroy(), resolve(false)));
        socket.on('error', (error) => resolve(error.code === 'ECONNREFUSED'));
    });
    await until('the old address to be refused', isRefused);
    assert.ok(alive(old.pid), 'the old worker still has the slow request');
    slow.destroy();
});

test('under load no request fails through ten reloads', async (t) => {
    const s = await Service.start(t);
    let stop = false;
    let ok = 0;
    const wrong = [];
    const senders = Array.from({ length: 8 }, async () => {
        while (!stop) {
            try {
                const { status, text } = await s.post('cxone', cxone());
                status === 200 ? ok++ : wrong.push(`${status} ${text}`);
            } catch (error) {
                // A keep-alive connection that the server closed just then; a sender connects anew.
                if (error.code !== 'ECONNRESET') {
                    wrong.push(error.message);
                }
            }
        }
    });
    for (let i = 1; i <= 10; i++) {
        const was = await generation(s);
        s.writeConf(merge(s.conf, { ingest: { retry_after_s: 5 + i } }));
        s.signal('SIGHUP');
        await until('the next generation', async () => (await generation(s)) > was, { seconds: 20 });
    }
    stop = true;
    await Promise.all(senders);
    assert.deepEqual(wrong, []);
    assert.ok(ok > 50, `${ok} requests`);
    await until('all deliveries', () => s.ledger().length >= ok, { seconds: 30 });
});

test('a bad file changes nothing and says why', async (t) => {
    const s = await Service.start(t);
    const before = await s.status();
    const good = s.conf;
    for (const [text, says] of [
        ['{ "ingest": ', /line 1/],
        [JSON.stringify({ ...good, ingst: {} }), /ingst.*ingest/s],
        [JSON.stringify(merge(good, { sources: { cxone: { destination: 'nowhere' } } })), /nowhere/],
        [JSON.stringify(merge(good, { ingest: { listen: ['127.0.0.1:1000000'] } })), /listen/],
    ]) {
        fs.writeFileSync(s.confFile, text);
        const from = s.log().length;
        s.signal('SIGHUP');
        await until(`the log to say ${says}`, () => says.test(s.log().slice(from)));
        const said = await s.control({ cmd: 'reload' });
        assert.equal(said.ok, false);
        assert.ok(says.test(JSON.stringify(said)), JSON.stringify(said));
    }
    const after = await s.status();
    assert.equal(after.generation, before.generation);
    assert.deepEqual(after.workers.map((w) => w.pid), before.workers.map((w) => w.pid));
    assert.equal((await s.post('cxone', cxone())).status, 200);
});

test('reload adds a source, moves a listener, and refuses what needs a restart', async (t) => {
    const s = await Service.start(t);
    const port = await freePort();
    const old = s.ports.ingest;
    s.writeConf(merge(s.conf, {
        ingest: { listen: [`127.0.0.1:${port}`] },
        sources: { extra: { preset: 'generic', path: '/extra', verify: { type: 'none' }, destination: 'ledger', ack_deadline_ms: 10_000 } },
    }));
    const said = await s.control({ cmd: 'reload' });
    assert.equal(said.ok, true, JSON.stringify(said));
    s.ports.ingest = port;
    await until('the new source', async () => (await s.post('extra', 'hello')).status === 200);
    await until('its delivery', () => s.ledger().length === 1);
    await until('the old port to close', () => request({ port: old }, '/').then(() => false, () => true));
    await until('the genesys source still there', async () => (await s.post('genesys', genesys())).status === 200);

    s.writeConf(merge(s.conf, { store: { max_mib: 100 } }));
    const refused = await s.control({ cmd: 'reload' });
    assert.equal(refused.ok, false);
    assert.match(JSON.stringify(refused), /restart/);
});

test('more and fewer consumers', async (t) => {
    const s = await Service.start(t, { conf: { consumer: { workers: 1 } } });
    for (const workers of [3, 2]) {
        s.writeConf(merge(s.conf, { consumer: { workers } }));
        const said = await s.control({ cmd: 'reload' });
        assert.equal(said.ok, true, JSON.stringify(said));
        await until(`${workers} consumers`, async () => {
            const now = await s.workers('consumer');
            return now.length === workers && now.every((w) => w.state === 'UP');
        }, { seconds: 15 });
    }
    await s.post('cxone', cxone());
    await until('a delivery', () => s.ledger().length === 1);
});

test('a reload says why a new worker that lost its channel was killed', async (t) => {
    const s = await Service.create(t, { conf: { drain_s: 3 } });
    const bin = path.join(s.dir, 'bin');
    fs.mkdirSync(bin);
    fs.copyFileSync(program('sluiced'), path.join(bin, 'sluiced')); // its workers are beside it
    for (const role of ['keyring', 'store', 'ingest', 'consumer', 'retry']) {
        fs.symlinkSync(program(`sluice-${role}`), path.join(bin, `sluice-${role}`));
    }
    await s.launch({ sluiced: path.join(bin, 'sluiced') });
    const [old] = await s.workers('ingest');
    const tries = [
        ['exec 3>&-; exec sleep 60', /went on running without its channel \(the other end closed it\)/],
        ['echo garbage >&3; exec sleep 60', /without its channel \(protocol error: a packet is not JSON/],
    ];
    for (const [script, why] of tries) {
        fs.rmSync(path.join(bin, 'sluice-ingest'));
        fs.writeFileSync(path.join(bin, 'sluice-ingest'), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
        s.writeConf(merge(s.conf, { ingest: { retry_after_s: (s.conf.ingest.retry_after_s ?? 5) + 1 } }));
        const { ok, errors } = await s.control({ cmd: 'reload' });
        assert.equal(ok, false);
        assert.match(errors[0].message, why);
    }
    assert.equal((await s.workers('ingest')).find((w) => w.state === 'UP').pid, old.pid);
});

// Prometheus metrics: of each worker on its health socket, of all on the retry listener.
import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { cxone } from '../tools/events.mjs';
import { request } from '../tools/http.mjs';
import { parse, valueOf } from '../tools/prometheus.mjs';
import { Service } from '../tools/service.mjs';
import { until } from '../tools/wait.mjs';

const type = 'text/plain; version=0.0.4; charset=utf-8';

async function scrape(s, options = {}) {
    const answer = await request({ port: s.ports.api }, '/metrics', { timeoutMs: 60_000, ...options });
    return { ...answer, text: answer.body.toString() };
}

async function metrics(s) {
    const answer = await scrape(s);
    assert.equal(answer.status, 200, answer.text);
    return parse(answer.text);
}

test('each worker answers with its own numbers', async (t) => {
    const s = await Service.start(t);
    await s.post('cxone', cxone());
    await s.post('cxone', '{ no JSON');
    await until('the delivery', () => s.ledger().length === 1);
    for (const { name, role } of (await s.status()).workers) {
        const target = { socketPath: path.join(s.state, `run/health/${name}.sock`) };
        const answer = await request(target, '/metrics');
        assert.equal(answer.status, 200);
        assert.equal(answer.headers['content-type'], type);
        const families = parse(answer.body.toString());
        assert.equal(valueOf(families, 'sluice_build_info'), 1);
        assert.equal(valueOf(families, 'sluice_worker_up', { worker: name, role }), 1);
        for (const [family, { help }] of Object.entries(families)) {
            assert.match(family, new RegExp(`^sluice_(build_info|worker_|${role}_)`));
            assert.doesNotMatch(help, /^What the worker/, `${family} is explained in workers/metrics.c`);
        }
        const { counters } = await s.health(name);
        for (const key of Object.keys(counters).filter((one) => !one.startsWith('status_'))) {
            assert.ok(`sluice_${role}_${key}_total` in families, `${role} ${key}`);
        }
    }
    const ingest = parse((await request({ socketPath: path.join(s.state, 'run/health/ingest.sock') }, '/metrics')).body.toString());
    assert.equal(valueOf(ingest, 'sluice_ingest_accepted_total'), 1);
    assert.equal(valueOf(ingest, 'sluice_ingest_refused_by_status_total', { status: '400' }), 1);
    assert.equal(valueOf(ingest, 'sluice_ingest_refused_by_status_total', { status: '413' }), 0);
});

test('the retry listener answers for all, and for dead and silent ones', async (t) => {
    const s = await Service.start(t);
    await s.post('cxone', cxone());
    const sum = (families, name) => families[name].samples.reduce((all, { value }) => all + value, 0);
    const first = await until('the delivery to be counted', async () => { // each worker beats in its own time
        const families = await metrics(s);
        return sum(families, 'sluice_consumer_delivered_total') === 1 &&
            valueOf(families, 'sluice_ingest_accepted_total', { worker: 'ingest' }) === 1 && families;
    });
    const { workers } = await s.status();
    assert.equal(first.sluice_worker_up.samples.length, workers.length);
    for (const { name, role } of workers) {
        assert.equal(valueOf(first, 'sluice_worker_up', { worker: name, role }), 1);
        assert.equal(valueOf(first, 'sluice_worker_restarts_total', { worker: name }), 0);
    }

    const [dying, silent] = await s.workers('consumer');
    s.signal('SIGSTOP', silent.pid);
    t.after(() => s.signal('SIGCONT', silent.pid));
    s.signal('SIGKILL', dying.pid);
    await until('the restart', async () => {
        const families = await metrics(s);
        return valueOf(families, 'sluice_worker_restarts_total', { worker: dying.name }) === 1 &&
            valueOf(families, 'sluice_worker_up', { worker: dying.name }) === 1;
    });
    const after = await metrics(s);
    assert.equal(after.sluice_worker_up.samples.length, workers.length);
    s.signal('SIGCONT', silent.pid);
});

test('a reload shows each worker once', async (t) => {
    const s = await Service.start(t);
    s.writeConf({ ...s.conf, consumer: { in_flight: 8 } });
    const reload = s.control({ cmd: 'reload' });
    let over = false;
    reload.finally(() => (over = true));
    while (!over) {
        await metrics(s); // parse() refuses a series that comes twice
    }
    assert.equal((await reload).ok, true);
});

test('who may read the metrics', async (t) => {
    const secret = 'a-secret-of-sixteen-characters';
    const s = await Service.start(t, { conf: { retry: {
        open_on_loopback: false, tokens: [{ name: 'prometheus', secret, role: 'read' }],
    } } });
    assert.equal((await scrape(s)).status, 401);
    const headers = { authorization: `Bearer ${secret}` };
    const good = await scrape(s, { headers });
    assert.equal(good.status, 200);
    assert.equal(good.headers['content-type'], type);
    parse(good.text);
    assert.equal((await scrape(s, { headers: { authorization: 'Bearer wrong-wrong-wrong-wrong' } })).status, 401);
    assert.equal((await scrape(s, { headers, method: 'POST', body: '' })).status, 405);
});

test('a supervisor that hangs gives 503, and then numbers again', async (t) => {
    const s = await Service.start(t);
    s.signal('SIGSTOP');
    t.after(() => s.signal('SIGCONT'));
    const answer = await scrape(s);
    s.signal('SIGCONT');
    assert.equal(answer.status, 503);
    assert.match(answer.text, /the supervisor did not answer in time/);
    await until('numbers again', () => metrics(s));
});

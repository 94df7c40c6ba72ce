// What a sender gets to see: status and body of each kind of answer.
import assert from 'node:assert/strict';
import { before, after, describe, test } from 'node:test';
import { cxone, genesys } from '../tools/events.mjs';
import { raw, request } from '../tools/http.mjs';
import { Service } from '../tools/service.mjs';
import { attribute } from '../tools/sqs.mjs';
import { until } from '../tools/wait.mjs';

describe('answers', { concurrency: false }, () => {
    let s;
    before(async () => {
        s = await Service.start(undefined, {
            conf: {
                sources: {
                    genesys: { verify: { type: 'shared-header', header: 'X-Secret', secrets: ['old-secret-1', 'new-secret-2'] } },
                    token: { preset: 'generic', path: '/token', destination: 'ledger', verify: { type: 'bearer', secrets: ['tok-3'] }, reply: { status: 202, content_type: 'text/plain', body: 'thanks' } },
                },
            },
        });
    });
    after(() => s?.dispose());
    const ask = (path, options) => request({ port: s.ports.ingest }, path, options);

    test('200 with the trace', async () => {
        const answer = await s.post('cxone', cxone());
        assert.equal(answer.status, 200);
        assert.equal(answer.text, '{"status":"accepted"}');
        assert.match(answer.headers['sluice-trace'], /^[0-9A-HJKMNP-TV-Z]{26}$/);
        assert.equal(answer.headers['content-type'], 'application/json');
    });
    test('JSON labelled as a form is taken', async () => {
        const answer = await s.post('cxone', cxone(), { headers: { 'content-type': 'application/x-www-form-urlencoded' } });
        assert.equal(answer.status, 200);
    });
    test('a query changes nothing', async () => {
        const answer = await ask('/webhook/cxone-data-actions?a=b', { method: 'POST', body: cxone() });
        assert.equal(answer.status, 200);
    });
    test('405 with Allow', async () => {
        for (const method of ['GET', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
            const answer = await ask('/webhook/cxone-data-actions', { method });
            assert.equal(answer.status, 405, method);
            assert.equal(answer.headers.allow, 'POST', method);
            assert.deepEqual(answer.json(), { error: 'webhooks are sent with POST' });
        }
        assert.equal((await ask('/webhook/cxone-data-actions', { method: 'HEAD' })).status, 405);
    });
    test('404', async () => {
        for (const path of ['/', '/webhook', '/webhook/cxone-data-actions/', '/webhook/cxone-data-actionsX', '/%77ebhook/cxone-data-actions']) {
            const answer = await ask(path, { method: 'POST', body: '{}' });
            assert.equal(answer.status, 404, path);
            assert.deepEqual(answer.json(), { error: 'no source has this path' });
        }
    });
    test('404 tells where the retry API is', async () => {
        const answer = await ask('/api/v1/dlq/retry', { method: 'POST', body: '{}' });
        assert.equal(answer.status, 404);
        assert.match(answer.text, new RegExp(`http://127\\.0\\.0\\.1:${s.ports.api}/api/v1/dlq/retry`));
    });
    test('401 tells nothing', async () => {
        for (const secret of [undefined, '', 'old-secret-', 'old-secret-12']) {
            const answer = await s.post('genesys', genesys(), { headers: secret === undefined ? {} : { 'x-secret': secret } });
            assert.equal(answer.status, 401);
            assert.deepEqual(answer.json(), { error: 'unauthorized' });
        }
        for (const secret of ['old-secret-1', 'new-secret-2']) {
            assert.equal((await s.post('genesys', genesys(), { headers: { 'x-secret': secret } })).status, 200);
        }
    });
    test('bearer, and a reply as configured', async () => {
        assert.equal((await s.post('token', 'x')).status, 401);
        assert.equal((await s.post('token', 'x', { headers: { authorization: 'Basic tok-3' } })).status, 401);
        const answer = await s.post('token', 'x', { headers: { authorization: 'Bearer tok-3' } });
        assert.equal(answer.status, 202);
        assert.equal(answer.text, 'thanks');
        assert.equal(answer.headers['content-type'], 'text/plain');
    });
    test('400 for what is not JSON, and a copy for inspection', async () => {
        for (const body of ['', '{', '{"a":1,}', 'event_id=1', '{"a":\u00001}', '\ufeff{}', '[1] 2', '{"a":01}', "{'a':1}"]) {
            const answer = await s.post('cxone', body);
            assert.equal(answer.status, 400, JSON.stringify(body));
            assert.match(answer.json().error, /^the body is not JSON: /);
        }
        const kept = await s.sqs.peek('cxone-inspection');
        assert.equal(kept.length, 9);
        const form = kept.find((m) => m.Body === 'event_id=1');
        const why = attribute(form, 'SluiceInspection');
        assert.equal(why.source, 'cxone');
        assert.match(why.reason, /not JSON/);
    });
    test('413 before the body is read, and after', async () => {
        const told = await raw(s.ports.ingest, 'POST /webhook/cxone-data-actions HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n{');
        assert.match(told.text, /^HTTP\/1\.1 413 /);
        assert.ok(told.closed);
        const answer = await s.post('cxone', 'x'.repeat(1024 * 1024 - 16 * 1024 + 1)).catch((error) => error);
        assert.ok(answer.status === 413 || ['ECONNRESET', 'EPIPE'].includes(answer.code), String(answer.status ?? answer));
    });

    const line = 'POST /webhook/cxone-data-actions HTTP/1.1\r\n';
    const garbage = {
        'no HTTP': '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello\r\n\r\n',
        'no host': `${line}Content-Length: 2\r\n\r\n{}`,
        'two hosts': `${line}Host: a\r\nHost: b\r\nContent-Length: 2\r\n\r\n{}`,
        'two lengths': `${line}Host: x\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n{}`,
        'length and chunked': `${line}Host: x\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
        'a signed length': `${line}Host: x\r\nContent-Length: +2\r\n\r\n{}`,
        'a blank before the colon': `${line}Host: x\r\nContent-Length : 2\r\n\r\n{}`,
        'a control byte': `${line}Host: x\r\nX-A: a\x01b\r\nContent-Length: 2\r\n\r\n{}`,
        'an odd coding': `${line}Host: x\r\nTransfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n`,
    };
    for (const [name, bytes] of Object.entries(garbage)) {
        test(`garbage: ${name}`, async () => {
            const smuggled = `${line}Host: x\r\nContent-Length: 2\r\n\r\n{}`;
            const answer = await raw(s.ports.ingest, Buffer.from(bytes + smuggled, 'latin1'), { timeoutMs: 30_000 });
            assert.ok(answer.closed, 'the connection is closed');
            assert.match(answer.text, /^(HTTP\/1\.[01] (400|411|501) |$)/);
            assert.equal([...answer.text.matchAll(/HTTP\/1\.[01] \d/g)].length <= 1, true, 'nothing behind it is served');
        });
    }
    test('chunked bodies are refused with 411', async () => {
        const answer = await raw(s.ports.ingest, `${line}Host: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n`);
        assert.match(answer.text, /^HTTP\/1\.1 411 /);
        assert.ok(answer.closed);
    });
    const statusesIn = (text) => [...text.matchAll(/HTTP\/1\.1 (\d+)/g)].map((m) => m[1]);
    test('pipelined requests are answered in order', async () => {
        const one = (body) => `${line}Host: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
        const answer = await raw(s.ports.ingest, one(cxone()) + one('{') + one(cxone()), { enough: (text) => statusesIn(text).length === 3 });
        const statuses = statusesIn(answer.text);
        assert.deepEqual(statuses, ['200', '400', '200']);
    });
    test('the refusals were counted', async () => {
        const { counters } = await s.health('ingest');
        for (const status of [400, 401, 404, 405, 411, 413]) {
            assert.ok(counters[`status_${status}`] > 0, `status_${status}: ${JSON.stringify(counters)}`);
        }
    });
});

test('what drips in is cut at the deadline', async (t) => {
    const s = await Service.start(t, { conf: { ingest: { request_deadline_ms: 1500 } } });
    const line = 'POST /webhook/cxone-data-actions HTTP/1.1\r\n';
    const ways = {
        'a body': [`${line}Host: x\r\nContent-Length: 500\r\n\r\n`, () => 'x'],
        'a header': [line, (i) => `X-${i}: y\r\n`],
    };
    for (const [what, [head, drop]] of Object.entries(ways)) {
        const drip = Array.from({ length: 150 }, (_, i) => [300, drop(i)]); // for 45 s
        const answer = await raw(s.ports.ingest, [[0, head], ...drip], { timeoutMs: 40_000 });
        assert.ok(answer.closed, `${what}: the connection was closed`);
        assert.ok(answer.ms > 1000 && answer.ms < 12_000, `${what}: after ${answer.ms} ms`);
        assert.match(answer.text, /^HTTP\/1\.1 408 [^]*"the request did not arrive in time/);
    }
});

test('503 with Retry-After where the store does not answer', async (t) => {
    const s = await Service.start(t, { conf: { sources: { cxone: { ack_deadline_ms: 800 } } } });
    const [store] = await s.workers('store');
    s.signal('SIGSTOP', store.pid);
    const took = [];
    try { // a machine that stands still once does not do so three times in a row
        while (took.length < 3 && !(took.at(-1) < 2500)) {
            const started = performance.now();
            const answer = await s.post('cxone', cxone());
            took.push(performance.now() - started);
            assert.equal(answer.status, 503);
            assert.equal(answer.headers['retry-after'], '5');
            assert.match(answer.json().error, /send it again/);
        }
        assert.ok(took.at(-1) < 2500, `after ${took} ms`);
    } finally {
        s.signal('SIGCONT', store.pid);
    }
    await until('a 200 again', async () => (await s.post('cxone', cxone())).status === 200);
});

test('ingest is not well while no send is confirmed, and well again with the first', async (t) => {
    const s = await Service.start(t, { conf: { sources: { cxone: { ack_deadline_ms: 300 } } } });
    const started = performance.now();
    let sick, store;
    try {
        sick = await until('ingest to say so', async () => {
            [store] = await s.workers('store'); // one that stands still too long is replaced
            s.signal('SIGSTOP', store.pid);
            await s.post('cxone', cxone());
            const health = await s.health('ingest');
            return health.status === 503 && health;
        }, { seconds: 15 });
    } finally {
        s.signal('SIGCONT', store.pid);
    }
    assert.ok(performance.now() - started > 4500, 'not at the first failure');
    assert.equal(sick.healthy, false);
    assert.match(sick.reason, /^queue "cxone" has confirmed no event for \d+ s: /);
    await until('it to be well', async () => {
        await s.post('cxone', cxone());
        return (await s.health('ingest')).status === 200;
    });
});

test('above max_pending comes 503, and the others are answered', async (t) => {
    const s = await Service.start(t, { conf: { ingest: { max_pending: 8 } } });
    const [store] = await s.workers('store');
    s.signal('SIGSTOP', store.pid);
    let answers;
    try {
        const posts = Array.from({ length: 30 }, () => s.post('cxone', cxone()));
        await until('the refusals', async () => await s.counter('ingest', 'overloaded') === 22);
        answers = posts;
    } finally {
        s.signal('SIGCONT', store.pid);
    }
    const statuses = (await Promise.all(answers)).map((a) => a.status);
    assert.equal(statuses.filter((status) => status === 200).length, 8, statuses.join());
    assert.equal(statuses.filter((status) => status === 503).length, 22);
});

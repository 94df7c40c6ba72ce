// Dead letters in S3 and on the DLQ: their shape, their places, and the way back through sluicectl.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import * as sdk from '@aws-sdk/client-s3';
import { DeadLetters, drained, eventIdOf } from '../tools/dead-letters.mjs';
import { cxone, genesys, newId } from '../tools/events.mjs';
import { runProgram, Service } from '../tools/service.mjs';
import { attribute } from '../tools/sqs.mjs';
import { until } from '../tools/wait.mjs';

const Bucket = 'sluice-dead-letters';
const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/;

describe('a dead letter', { concurrency: false }, () => {
    let s;
    let dlq;
    let s3;
    const retry = { wait_s: 1, visibility_s: 11, max_retries: 1 };
    const generic = { preset: 'generic', verify: { type: 'none' }, destination: 'ledger', retry };

    before(async () => {
        s = await Service.start(undefined, {
            conf: {
                sources: {
                    cxone: { retry }, genesys: { retry },
                    object: { ...generic, path: '/object', dead_letter: { queue: '' } },
                    queue: { ...generic, path: '/queue', dead_letter: { s3: false } },
                    none: { ...generic, path: '/none', dead_letter: { s3: true }, ledger: false },
                },
            },
        });
        dlq = new DeadLetters(s);
        const pair = s.keyPair();
        s3 = new sdk.S3Client({
            region: 'local', endpoint: `http://127.0.0.1:${s.ports.store}`, forcePathStyle: true, maxAttempts: 1,
            credentials: { accessKeyId: pair.access_key_id, secretAccessKey: pair.secret_access_key },
        });
    });
    after(() => {
        s3?.destroy();
        return s?.dispose();
    });

    // Posts it and waits until it is a dead letter: {trace, key}.
    async function kill(source, body, options) {
        const answer = await s.post(source, body, options);
        assert.equal(answer.status, 200, answer.text);
        const trace = answer.headers['sluice-trace'];
        const letter = await until('its dead letter', async () => (await dlq.list()).find((l) => l.trace_id === trace), { seconds: 20 });
        await drained(s, source);
        return { trace, key: letter.key };
    }

    test('has the shape of the documentation, with metadata and a checksum', async () => {
        const id = newId();
        const body = cxone({ id, what: 'fail always' });
        const { trace, key } = await kill('cxone', body);
        const got = await s3.send(new sdk.GetObjectCommand({ Bucket, Key: key, ChecksumMode: 'ENABLED' }));
        const bytes = Buffer.from(await got.Body.transformToByteArray());
        assert.equal(got.ContentType, 'application/json');
        assert.equal(got.ChecksumSHA256, crypto.createHash('sha256').update(bytes).digest('base64'));
        assert.deepEqual(got.Metadata, { event_id: eventIdOf.cxone(id), schema_ver: 'v2.1', retry_count: '1' });
        const letter = JSON.parse(bytes);
        const day = letter.first_failed_at.match(/^(\d+)-(\d+)-(\d+)T(\d+)/);
        assert.equal(key, `dlq/year=${day[1]}/month=${day[2]}/day=${day[3]}/hour=${day[4]}/${trace}.json`);
        for (const name of ['failed_at', 'first_failed_at', 'received_at']) {
            assert.match(letter[name], time, name);
        }
        assert.ok(letter.received_at <= letter.first_failed_at && letter.first_failed_at < letter.failed_at);
        const { attempts } = letter;
        assert.deepEqual(attempts.map((a) => [a.attempt, a.status, Object.keys(a).sort().join()]),
            [[1, 75, 'at,attempt,error,ms,status'], [2, 75, 'at,attempt,error,ms,status']]);
        assert.ok(attempts.every((a) => time.test(a.at) && a.error.includes('told to fail') && a.ms >= 0));
        const expected = {
            trace_id: trace, source: 'cxone', event_id: eventIdOf.cxone(id), schema_version: 'v2.1',
            original_event: JSON.parse(body), original_body: body, original_encoding: 'raw', content_type: 'application/json',
            error_class: 'exhausted', retry_count: 1, sha256: crypto.createHash('sha256').update(body).digest('hex'),
            redrives: 0, parked: false, dlq: true,
        };
        for (const [name, value] of Object.entries(expected)) {
            assert.deepEqual(letter[name], value, name);
        }
        assert.match(letter.error, /told to fail at attempt 2/);

        const copies = (await s.sqs.peek('cxone-dlq')).filter((m) => attribute(m, 'SluiceDeadLetter').trace_id === trace);
        assert.equal(copies.length, 1);
        assert.equal(copies[0].Body, body);
        const said = attribute(copies[0], 'SluiceDeadLetter');
        for (const name of ['trace_id', 'source', 'event_id', 'error', 'error_class', 'failed_at', 'first_failed_at', 'received_at', 'retry_count']) {
            assert.deepEqual(said[name], letter[name], name);
        }
        assert.equal(said.attempts.length, 2);
        assert.ok(attribute(copies[0], 'Sluice'), 'every attribute travels along');
    });

    test('says which rule an event broke, and was tried never', async () => {
        const tries = s.ledger().length;
        const cases = [
            ['cxone', cxone({ payload: { other: 1 } }), 'validation', /\/payload\/interaction_id/],
            ['genesys', genesys({ status: 'NO_ANSWER' }), 'unsupported_status', /\/status/],
        ];
        for (const [source, body, error_class, error] of cases) {
            const { key } = await kill(source, body);
            const letter = await dlq.get(key);
            assert.equal(letter.error_class, error_class);
            assert.match(letter.error, error);
            assert.equal(letter.retry_count, 0);
            assert.deepEqual(letter.attempts, []);
            const again = await dlq.retry({ keys: [key] });
            assert.equal(again.failed[0].class, error_class, 'a redrive looks at the rules too');
        }
        assert.equal(s.ledger().length, tries);
    });

    test('an event id from a header is made safe for the metadata, and kept whole inside', async () => {
        const id = `ü€ "${'x'.repeat(100)}" \\`;
        const { key } = await kill('genesys', Buffer.from(genesys({ what: 'refuse' })), { headers: { 'x-genesys-webhook-id': Buffer.from(id).toString('latin1') } });
        const got = await s3.send(new sdk.HeadObjectCommand({ Bucket, Key: key }));
        assert.match(got.Metadata.event_id, /^[\x20-\x7e]+$/);
        assert.equal((await dlq.get(key)).event_id, id);
    });

    test('is in one of the places, or in both, as the source says', async () => {
        const body = '{"do":"refuse"}';
        const one = await kill('object', body);
        assert.ok((await s3.send(new sdk.HeadObjectCommand({ Bucket, Key: one.key }))).ContentLength > 0);
        await assert.rejects(s.sqs.depth('object-dlq'), /NonExistentQueue|QueueDoesNotExist/);
        const answer = await s.post('queue', body);
        const [copy] = await until('its copy', async () => {
            const all = await s.sqs.peek('queue-dlq');
            return all.length > 0 && all;
        });
        assert.equal(attribute(copy, 'SluiceDeadLetter').trace_id, answer.headers['sluice-trace']);
        await drained(s, 'queue');
        assert.equal((await dlq.list({ source: 'queue' })).length, 0);
        // Without a ledger attempts are what the queue counts.
        const both = await kill('none', '{"do":"fail always"}');
        const letter = await dlq.get(both.key);
        assert.equal(letter.error_class, 'exhausted');
        assert.equal(letter.retry_count, 1);
        assert.equal(letter.ledger_key.id, '');
        assert.equal((await s.sqs.peek('none-dlq')).length, 1);
        const redriven = await dlq.retry({ keys: [both.key] });
        assert.equal(redriven.failed[0].retry_count, 2);
    });

    test('sluicectl lists, shows, redrives and drops it, and traces its event', async () => {
        const ctl = (...args) => runProgram('sluicectl', ['-c', s.confFile, ...args]);
        const id = newId();
        const { trace, key } = await kill('cxone', cxone({ id, what: 'fail 2' }));
        const list = await ctl('dlq', 'list', '--all', '--json');
        assert.equal(list.status, 0, list.stderr);
        assert.ok(JSON.parse(list.stdout).events.some((e) => e.key === key));
        assert.match((await ctl('dlq', 'list', '--source', 'cxone', '--all')).stdout, new RegExp(key));
        const shown = await ctl('dlq', 'show', key);
        assert.match(shown.stdout, new RegExp(`trace_id +${trace}`));
        assert.match(shown.stdout, /told to fail at attempt 1/);
        assert.equal(JSON.parse((await ctl('dlq', 'show', key, '--json')).stdout).trace_id, trace);
        const traced = await ctl('trace', trace);
        assert.equal(traced.status, 0, traced.stderr);
        assert.match(traced.stdout, /dead/);
        const byId = await ctl('trace', '--source', 'cxone', '--event-id', eventIdOf.cxone(id), '--json');
        assert.equal(JSON.parse(byId.stdout).ledger.state, 'dead');

        // The third attempt succeeds.
        const retried = await ctl('dlq', 'retry', key);
        assert.equal(retried.status, 0, retried.stdout + retried.stderr);
        assert.equal(s.ledger().filter((l) => l.trace === trace && l.status === 0).length, 1);
        assert.notEqual((await ctl('dlq', 'show', key)).status, 0);

        const other = await kill('cxone', cxone({ what: 'refuse' }));
        const failed = await ctl('dlq', 'retry', other.key);
        assert.equal(failed.status, 1, failed.stdout + failed.stderr);
        const dropped = await ctl('dlq', 'drop', other.key);
        assert.equal(dropped.status, 0, dropped.stderr);
        assert.equal((await dlq.list()).some((l) => l.key === other.key), false);
    });
});

test('odd bodies arrive byte for byte, through a dead letter and its redrive too', async (t) => {
    const s = await Service.create(t);
    const gate = path.join(s.dir, 'open');
    const script = path.join(s.dir, 'gate.sh');
    fs.writeFileSync(script, `#!/usr/bin/env bash
[ -e ${gate} ] || { cat >/dev/null; exit 65; }
exec ${s.conf.destinations.ledger.argv[0]} ${s.ledgerDir}
`, { mode: 0o755 });
    const odd = { preset: 'generic', path: '/odd', verify: { type: 'none' }, destination: 'ledger' };
    s.writeConf({
        ...s.conf, destinations: { ledger: { type: 'exec', argv: [script], max_running: 32, timeout_s: 60 } },
        sources: { ...s.conf.sources, odd },
    });
    await s.launch();
    const dlq = new DeadLetters(s);
    const json = (rest) => `{"event_id":"${newId()}","tenant_id":"t","payload":{"interaction_id":1},${rest}}`;
    const bodies = [
        ['cxone', json('"n":12345678901234567890123456789012345678901234567890')],
        ['cxone', json('"n":100.10,"m":1E400,"z":-0.0,"e":1e-999')],
        ['cxone', json('"a":1,"a":2,"a":{"a":[],"a":null}')],
        ['cxone', json('"s":"\\u0000\\ud83d\\ude00\\u00e9\\/\\b","k\\u0041":"\\u003c"')],
        ['cxone', ` \r\n\t${json('"pad" :  [ 1 ,2 ]')}\n\n`],
        ['cxone', json(`"long":"${'é€𐍈'.repeat(2000)}"`)],
        ['cxone', json('"lone":"\\ud800"')],
        ['odd', Buffer.from([0xff, 0xfe, 0x00, 0x80, 0xc3, 0x28, 0x0a])],
        ['odd', Buffer.from('{"broken":"\xff"', 'latin1')],
        ['odd', Buffer.alloc(0)],
        ['odd', Buffer.from(' ')],
        ['odd', Buffer.from('\0')],
        ['odd', Buffer.from('plain \r\n text \u007f\u0085\ufffe')],
        ['odd', Buffer.from('\ufeff{"bom":true}')],
        ['odd', Buffer.from(Array.from({ length: 1024 }, (_, i) => i % 256))],
    ].map(([source, body]) => ({ source, body: Buffer.from(body) }));
    for (const event of bodies) {
        const answer = await s.post(event.source, event.body);
        assert.equal(answer.status, 200, `${event.body.subarray(0, 60)}: ${answer.text}`);
        event.trace = answer.headers['sluice-trace'];
    }
    const letters = new Map((await dlq.some(bodies.length, { seconds: 40 })).map((l) => [l.trace_id, l]));
    await drained(s, 'cxone', 'odd');
    for (const { body, trace } of bodies) {
        const letter = await dlq.get(letters.get(trace).key);
        const kept = letter.original_encoding === 'base64' ? Buffer.from(letter.original_body, 'base64')
            : letter.original_encoding === 'empty' ? Buffer.alloc(0) : Buffer.from(letter.original_body);
        assert.ok(kept.equals(body), `${letter.original_encoding}: ${letter.original_body}`);
        assert.equal(letter.sha256, crypto.createHash('sha256').update(body).digest('hex'));
    }
    fs.writeFileSync(gate, '');
    const { processed, failed } = await dlq.retry({ limit: 100 });
    assert.deepEqual(failed, []);
    assert.equal(processed.length, bodies.length);
    const lines = new Map(s.ledger().map((l) => [l.trace, l]));
    for (const { body, trace } of bodies) {
        assert.ok(s.deliveredBody(lines.get(trace)).equals(body), body.toString('latin1').slice(0, 80));
    }
});

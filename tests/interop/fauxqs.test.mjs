// Our own client against fauxqs: SQS, and S3 without conditions.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import { startFauxqs } from 'fauxqs';
import { Peer } from '../tools/peer.mjs';

const sha256 = (text) => crypto.createHash('sha256').update(text).digest('base64');

describe('our SQS client with fauxqs', { concurrency: false }, () => {
    let server;
    let peer;
    let queue;
    before(async () => {
        server = await startFauxqs({ port: 0, host: '127.0.0.1', logger: false });
        peer = new Peer({ url: `http://127.0.0.1:${server.port}`, service: 'sqs' });
        queue = (await peer.run('sqs.create', { queue: 'q' })).url;
    });
    after(async () => {
        await peer?.close().finally(() => server?.stop());
    });

    test('CreateQueue twice, GetQueueUrl, GetQueueAttributes', async () => {
        assert.match(queue, /\/000000000000\/q$/);
        assert.equal((await peer.run('sqs.create', { queue: 'q' })).url, queue);
        assert.equal((await peer.run('sqs.url', { queue: 'q' })).url, queue);
        const { class: how, json } = await peer.run('sqs.attributes', { queue });
        assert.equal(how, 'ok');
        assert.equal(json.Attributes.VisibilityTimeout, '30');
    });
    test('a queue that is not there is "missing"', async () => {
        const answer = await peer.run('sqs.url', { queue: 'nowhere' });
        assert.equal(answer.class, 'missing');
        assert.match(answer.code, /QueueDoesNotExist|NonExistentQueue/);
        const url = queue.replace(/q$/, 'nowhere');
        assert.equal((await peer.run('sqs.send', { queue: url, messages: [{ body: 'x' }] })).class, 'missing');
        assert.equal((await peer.run('sqs.receive', { queue: url, max: 1, wait_s: 0, visibility_s: 5 })).class, 'missing');
    });
    test('send, receive and delete: bodies, attributes, MD5s', async () => {
        const messages = [
            { body: 'Grüße "q" <x> 漢\n\ttab', attributes: [
                { name: 'Sluice', type: 'String', value: '{"v":1,"ä":"ö"}' }, { name: 'n', type: 'Number', value: '12.5' },
                { name: 'Bytes', type: 'Binary', value: 'AAH+/w==' }, { name: 'k', type: 'String.custom', value: 'x' }] },
            ...Array.from({ length: 9 }, (_, i) => ({ body: `m${i}` })),
        ];
        const sent = await peer.run('sqs.send', { queue, messages });
        assert.equal(sent.class, 'ok', `${sent.code} ${sent.message}`);
        assert.deepEqual(sent.entries.map((e) => e.ok), messages.map(() => true), JSON.stringify(sent.entries[0]));
        const got = [];
        while (got.length < 10) {
            const { class: how, messages: some } = await peer.run('sqs.receive', { queue, max: 10, wait_s: 1, visibility_s: 30 });
            assert.equal(how, 'ok');
            assert.ok(some.length > 0);
            got.push(...some);
        }
        assert.deepEqual(got.map((m) => m.damaged), got.map(() => false));
        assert.deepEqual(got.map((m) => m.body).sort(), messages.map((m) => m.body).sort());
        assert.deepEqual(new Set(got.map((m) => m.id)), new Set(sent.entries.map((e) => e.message_id)));
        const first = got.find((m) => m.body === messages[0].body);
        const byName = (a, b) => (a.name < b.name ? -1 : 1);
        assert.deepEqual(first.attributes.sort(byName), messages[0].attributes.sort(byName));
        assert.equal(first.receive_count, 1);
        assert.ok(Math.abs(first.sent_at_ms - Date.now()) < 60_000);
        const deleted = await peer.run('sqs.delete', { queue, handles: got.map((m) => m.handle) });
        assert.deepEqual(deleted.entries.map((e) => e.ok), got.map(() => true));
        const { messages: left } = await peer.run('sqs.receive', { queue, max: 10, wait_s: 0, visibility_s: 30 });
        assert.deepEqual(left, []);
    });
    test('changed visibility: hidden, then back at once with its count', async () => {
        await peer.run('sqs.send', { queue, messages: [{ body: 'again' }] });
        const receive = (wait_s) => peer.run('sqs.receive', { queue, max: 1, wait_s, visibility_s: 30 });
        const { messages: [m] } = await receive(1);
        const change = (visibility_s) => peer.run('sqs.visibility', { queue, handles: [m.handle], visibility_s });
        assert.equal((await change(600)).entries[0].ok, true);
        assert.deepEqual((await receive(0)).messages, []);
        assert.equal((await change(0)).entries[0].ok, true);
        const { messages: [again] } = await receive(1);
        assert.deepEqual([again.id, again.receive_count], [m.id, 2]);
        assert.equal((await peer.run('sqs.delete', { queue, handles: [again.handle] })).entries[0].ok, true);
    });
    // Excused, "fauxqs takes no character beyond U+FFFF": AWS takes up to U+10FFFF.
    test('what fauxqs wrongly refuses is invalid to us', async () => {
        const { entries } = await peer.run('sqs.send', { queue, messages: [{ body: '\u{1f600}' }] });
        assert.deepEqual([entries[0].ok, entries[0].code], [false, 'InvalidMessageContents']);
    });
    test('a bad entry fails alone', async () => {
        const { class: how, entries } = await peer.run('sqs.send', { queue, messages: [{ body: 'fine' }, { body: 'bell \u0007' }] });
        assert.equal(how, 'ok');
        assert.deepEqual(entries.map((e) => e.ok), [true, false]);
        assert.equal(entries[1].class, 'invalid');
        const { messages: [m] } = await peer.run('sqs.receive', { queue, max: 10, wait_s: 1, visibility_s: 30 });
        await peer.run('sqs.delete', { queue, handles: [m.handle] });
    });
    test('a long poll waits, and wakes for a message', async () => {
        const started = performance.now();
        assert.deepEqual((await peer.run('sqs.receive', { queue, max: 1, wait_s: 1, visibility_s: 5 })).messages, []);
        assert.ok(performance.now() - started > 950);
        const waiting = peer.run('sqs.receive', { queue, max: 1, wait_s: 20, visibility_s: 5 });
        setTimeout(() => server.sendMessage('q', 'wake'), 100);
        const { messages: [m] } = await waiting;
        assert.equal(m.body, 'wake');
        assert.ok(performance.now() - started < 18_000, 'before the poll would have ended');
    });
});

describe('our S3 client with fauxqs', { concurrency: false }, () => {
    let server;
    let peer;
    const bucket = 'dead-letters';
    const put = (key, body, more) => peer.run('s3.put', { bucket, key, body, content_type: 'application/json', ...more });
    before(async () => {
        server = await startFauxqs({ port: 0, host: '127.0.0.1', logger: false });
        peer = new Peer({ url: `http://127.0.0.1:${server.port}`, service: 's3' });
    });
    after(async () => {
        await peer?.close().finally(() => server?.stop());
    });

    test('a bucket: missing, created, opened as the workers do', async () => {
        assert.equal((await peer.run('s3.head', { bucket })).class, 'missing');
        assert.equal((await put('k', 'x')).class, 'missing');
        assert.equal((await peer.run('s3.open', { bucket, prefix: 'dlq/' })).class, 'ok');
        assert.equal((await peer.run('s3.head', { bucket })).class, 'ok');
        assert.equal((await peer.run('s3.create', { bucket })).class, 'ok', 'ours already');
    });
    test('PUT and GET: bytes, ETag, type, metadata, checksum; keys of every kind', async () => {
        const body = JSON.stringify({ text: 'Grüße \u{1f600}', list: [1, 2] });
        const keys = ['plain.json', 'a/b/c.json', 'with space', 'plus+and%percent', 'ä/漢/\u{1f600}', "q?u=e&r#y;'()*!@$", 'dots/./../here', 'a//b', '~_-.='];
        for (const key of keys) {
            const sent = await put(key, body, { metadata: { 'trace-id': 't-1' } });
            assert.equal(sent.class, 'ok', `${key}: ${sent.code} ${sent.message}`);
            const got = await peer.run('s3.get', { bucket, key });
            assert.equal(got.class, 'ok', `${key}: ${got.code} ${got.message}`);
            assert.equal(got.body, body);
            assert.equal(got.etag, sent.etag);
            assert.equal(got.etag, `"${crypto.createHash('md5').update(body).digest('hex')}"`);
            assert.equal(got['content-type'], 'application/json');
            assert.equal(got['x-amz-meta-trace-id'], 't-1');
            assert.equal(got.checksum, sha256(body), 'the checksum that we sent came back, and was verified');
        }
        const { objects } = await peer.run('s3.list', { bucket, prefix: '', start_after: '', max: 1000 });
        // Excused, "fauxqs lists by locale": AWS lists in the order of the UTF-8 bytes.
        assert.deepEqual(objects.map((o) => o.key), [...keys].sort((a, b) => a.localeCompare(b)));
        for (const key of keys) {
            assert.equal((await peer.run('s3.delete', { bucket, key })).class, 'ok');
        }
    });
    test('a key that is not there: GET says so, DELETE does not mind', async () => {
        const got = await peer.run('s3.get', { bucket, key: 'nothing' });
        assert.deepEqual([got.class, got.code, got.status], ['missing', 'NoSuchKey', 404]);
        assert.equal((await peer.run('s3.delete', { bucket, key: 'nothing' })).class, 'ok');
    });
    test('ListObjectsV2: prefix, pages by start-after, sizes', async () => {
        for (let i = 0; i < 7; i++) {
            await put(`list/${i}`, 'x'.repeat(i));
        }
        await put('other', 'x');
        const keys = [];
        for (let after = '', more = true; more;) {
            const page = await peer.run('s3.list', { bucket, prefix: 'list/', start_after: after, max: 3 });
            assert.equal(page.class, 'ok');
            assert.ok(page.objects.length <= 3);
            keys.push(...page.objects.map((o) => [o.key, o.size]));
            page.objects.forEach((o) => assert.ok(Math.abs(o.modified_ms - Date.now()) < 60_000));
            after = page.objects.at(-1).key;
            more = page.truncated;
        }
        assert.deepEqual(keys, Array.from({ length: 7 }, (_, i) => [`list/${i}`, i]));
    });
    test('PUT replaces, DELETE removes', async () => {
        const one = await put('k', 'one');
        const two = await put('k', 'two');
        assert.notEqual(one.etag, two.etag);
        assert.equal((await peer.run('s3.get', { bucket, key: 'k' })).body, 'two');
        assert.equal((await peer.run('s3.delete', { bucket, key: 'k' })).class, 'ok');
        assert.equal((await peer.run('s3.get', { bucket, key: 'k' })).class, 'missing');
    });
});

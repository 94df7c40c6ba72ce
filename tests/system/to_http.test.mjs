// The http destination, from a webhook to what a receiver gets and to what becomes of its answer.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { request } from '../tools/http.mjs';
import { Receiver } from '../tools/receiver.mjs';
import { program, Service } from '../tools/service.mjs';
import { attribute } from '../tools/sqs.mjs';
import { until } from '../tools/wait.mjs';

const key = crypto.randomBytes(24);
const secret = `whsec_${key.toString('base64')}`;
const open = { allow_networks: ['127.0.0.0/8'] };
const once = { retry: { base_s: 1, cap_s: 2, max_retries: 0 } };

// A source called name at /name that delivers to a destination of the same name.
function pair(name, destination, source = {}) {
    return {
        destinations: { [name]: { type: 'http', ...destination } },
        sources: { [name]: {
            path: `/${name}`, verify: { type: 'none' }, destination: name, ack_deadline_ms: 10_000,
            retry: { base_s: 1, cap_s: 2, max_retries: 3 }, ...source,
        } },
    };
}

function together(pairs) {
    return {
        destinations: Object.assign({}, ...pairs.map((p) => p.destinations)),
        sources: Object.assign({}, ...pairs.map((p) => p.sources)),
    };
}

// Posts to a source; the trace.
async function send(s, name, body, headers = {}) {
    const answer = await request({ port: s.ports.ingest }, `/${name}`, {
        method: 'POST', body, headers: { 'content-type': 'application/json', ...headers },
    });
    assert.equal(answer.status, 200, answer.text);
    return answer.headers['sluice-trace'];
}

async function deadLetter(s, name, trace) {
    return until('the dead letter', async () => (await s.sqs.peek(`${name}-dlq`))
        .map((m) => attribute(m, 'SluiceDeadLetter')).find((letter) => letter.trace_id === trace), { seconds: 20 });
}

const gone = (s, name) => until('the queue to be empty', async () => (await s.sqs.depth(name)) === 0, { seconds: 15 });

describe('a receiver', { concurrency: false }, () => {
    let s, receiver, elsewhere;
    let answer = () => ({ status: 200 });
    before(async () => {
        receiver = await Receiver.start(undefined, (...seen) => answer(...seen));
        elsewhere = await Receiver.start(undefined, () => ({ status: 200 }));
        s = await Service.create();
        const url = `${receiver.url}/events?from=sluice`;
        fs.writeFileSync(path.join(s.dir, 'token'), 'Bearer abc\n');
        s.writeConf({ ...s.conf, ...together([
            pair('crm', { url, ...open, secrets: [secret], headers: { authorization: { file: 'token' } } }),
            pair('slow', { url, ...open, timeout_s: 1 }),
            pair('closed', { url: `http://x.localhost:${receiver.port}/` }, once),
        ]) });
        await s.launch();
    });
    after(async () => {
        await s?.dispose();
        await receiver?.stop();
        await elsewhere?.stop();
    });

    test('gets the exact bytes, what they are, and a signature', async () => {
        answer = () => ({ status: 202, body: 'thanks' });
        const body = Buffer.from('{"n": 1.10, "text":"\u00fc\\u0000"} \n');
        const trace = await send(s, 'crm', body, { 'content-type': 'application/vnd.x+json; v=1' });
        await until('the delivery', () => receiver.of(trace).length === 1);
        const [{ method, url, headers, body: got }] = receiver.of(trace);
        assert.deepEqual([method, url], ['POST', '/events?from=sluice']);
        assert.ok(got.equals(body));
        assert.equal(headers['content-type'], 'application/vnd.x+json; v=1');
        assert.equal(headers['sluice-attempt'], '1');
        assert.equal(headers['sluice-source'], 'crm');
        assert.equal(headers['sluice-event-id'], trace);
        assert.equal(headers.authorization, 'Bearer abc');
        assert.match(headers.traceparent, /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
        const id = crypto.createHash('sha256').update(`crm|crm|${trace}|0`).digest('hex');
        assert.equal(headers['idempotency-key'], id);
        assert.equal(headers['webhook-id'], id);
        const signed = Buffer.concat([Buffer.from(`${id}.${headers['webhook-timestamp']}.`), body]);
        const mac = crypto.createHmac('sha256', key).update(signed).digest('base64');
        assert.equal(headers['webhook-signature'], `v1,${mac}`);
        assert.ok(Math.abs(headers['webhook-timestamp'] - Date.now() / 1000) < 60);
        await gone(s, 'crm');
        assert.equal(receiver.of(trace).length, 1);
    });

    test('gets it again after a 500, under the same key', async () => {
        answer = (seen, nth) => ({ status: nth === 1 ? 500 : 200 });
        const trace = await send(s, 'crm', '{}');
        await until('both attempts', () => receiver.of(trace).length === 2);
        const [first, second] = receiver.of(trace).map((r) => r.headers);
        assert.equal(first['idempotency-key'], second['idempotency-key']);
        assert.deepEqual([first['sluice-attempt'], second['sluice-attempt']], ['1', '2']);
        assert.equal(first.traceparent.slice(0, 35), second.traceparent.slice(0, 35));
        assert.notEqual(first.traceparent, second.traceparent);
        await gone(s, 'crm');
        assert.equal(receiver.of(trace).length, 2);
    });

    for (const [form, value] of [['seconds', () => '5'],
        ['a date', () => new Date(Date.now() + 6000).toUTCString()]]) {
        test(`is left alone for as long as it asks by 429 and Retry-After in ${form}`, async () => {
            answer = (seen, nth) => (nth === 1 ? { status: 429, headers: { 'retry-after': value() } } : { status: 200 });
            const trace = await send(s, 'crm', '{}');
            await until('both attempts', () => receiver.of(trace).length === 2, { seconds: 20 });
            const [first, second] = receiver.of(trace);
            const ms = second.atMs - first.atMs;
            assert.ok(ms >= 4900, `the second attempt came after ${ms} ms; the backoff alone is 1 to 2 s`);
            await gone(s, 'crm');
        });
    }

    test('that hangs is timed out and tried again', async () => {
        answer = (seen, nth) => (nth === 1 ? undefined : { status: 200 });
        const trace = await send(s, 'slow', '{}');
        await until('both attempts', () => receiver.of(trace).length >= 2, { seconds: 20 });
        await gone(s, 'slow');
        assert.match(s.log(), new RegExp(`event retried trace=${trace} .*attempt=1 .*status=0: `));
    });

    test('that redirects is not followed', async () => {
        answer = () => ({ status: 307, headers: { location: `${elsewhere.url}/there?token=1` } });
        const trace = await send(s, 'crm', '{}');
        const letter = await deadLetter(s, 'crm', trace);
        assert.equal(letter.error_class, 'rejected');
        assert.equal(letter.error, `HTTP status 307: redirects are not followed; it points to ${elsewhere.url}/there`);
        assert.equal(receiver.of(trace).length, 1);
        assert.equal(elsewhere.requests.length, 0);
    });

    test('that refuses by 400 gets it no more', async () => {
        answer = () => ({ status: 400, headers: { 'content-type': 'text/plain' }, body: 'no such call\n' });
        const trace = await send(s, 'crm', '{}');
        const letter = await deadLetter(s, 'crm', trace);
        assert.equal(letter.error_class, 'rejected');
        assert.equal(letter.error, 'HTTP status 400: no such call');
        await gone(s, 'crm');
        assert.equal(receiver.of(trace).length, 1);
    });

    test('whose name leads to a closed network is not connected to', async () => {
        const before = receiver.requests.length;
        const trace = await send(s, 'closed', '{}');
        const letter = await deadLetter(s, 'closed', trace);
        assert.equal(letter.error_class, 'exhausted');
        assert.match(letter.error, /^(127\.0\.0\.1|::1) is a loopback address: add its network to destinations\.closed\.allow_networks$/);
        assert.equal(receiver.requests.length, before);
    });

    test('no secret is in the log', () => {
        assert.ok(!s.log().includes(secret.slice(6)));
        assert.ok(!s.log().includes('Bearer abc'));
    });
});

// An authority with a server's and a client's certificate, made by openssl.
function makeCertificates(dir) {
    const file = (name) => path.join(dir, name);
    const openssl = (...argv) => execFileSync('openssl', argv, { cwd: dir, stdio: ['ignore', 'ignore', 'pipe'] });
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
    fs.writeFileSync(file('san'), 'subjectAltName=IP:127.0.0.1\n');
    openssl('req', '-x509', ...curve, '-keyout', 'ca.key', '-out', 'ca.pem', '-subj', '/CN=test authority', '-days', '2');
    for (const name of ['server', 'client']) {
        openssl('req', ...curve, '-keyout', `${name}.key`, '-out', `${name}.csr`, '-subj', `/CN=${name}`);
        openssl('x509', '-req', '-in', `${name}.csr`, '-CA', 'ca.pem', '-CAkey', 'ca.key', '-CAcreateserial',
            '-out', `${name}.pem`, '-days', '2', '-extfile', 'san');
    }
    openssl('ec', '-in', 'client.key', '-aes256', '-passout', 'pass:phrase', '-out', 'locked.key');
    return file;
}

test('TLS: a private authority is trusted where it is named, and the client shows its certificate', async (t) => {
    const s = await Service.create(t);
    const file = makeCertificates(s.dir);
    const read = (name) => fs.readFileSync(file(name));
    const tls = { key: read('server.key'), cert: read('server.pem') };
    const plain = await Receiver.start(t, () => ({ status: 200 }), { tls });
    const strict = await Receiver.start(t, () => ({ status: 200 }),
        { tls: { ...tls, ca: read('ca.pem'), requestCert: true, rejectUnauthorized: true } });
    const client = { cert_file: 'client.pem', key_file: 'client.key' };
    s.writeConf({ ...s.conf, ...together([
        pair('trusted', { url: plain.url, ...open, ca_file: 'ca.pem' }, once),
        pair('unknown', { url: plain.url, ...open }, once),
        pair('shown', { url: strict.url, ...open, ca_file: 'ca.pem', ...client }, once),
        pair('hidden', { url: strict.url, ...open, ca_file: 'ca.pem' }, once),
        pair('locked', { url: strict.url, ...open, ca_file: 'ca.pem', ...client, key_file: 'locked.key' }, once),
    ]) });
    await s.launch();

    const trusted = await send(s, 'trusted', '{}');
    const shown = await send(s, 'shown', '{}');
    await until('both deliveries', () => plain.of(trusted).length === 1 && strict.of(shown).length === 1);
    assert.equal(strict.of(shown)[0].client, 'client');

    const unknown = await deadLetter(s, 'unknown', await send(s, 'unknown', '{}'));
    assert.match(unknown.error, /^SSL certificate problem: .*: name the authority that signed it in ca_file$/);
    const locked = await deadLetter(s, 'locked', await send(s, 'locked', '{}'));
    assert.match(locked.error, /locked\.key.*: cert_file and key_file must be a pair in PEM form, the key without a pass phrase$/);
    const hidden = await deadLetter(s, 'hidden', await send(s, 'hidden', '{}'));
    assert.equal(hidden.error_class, 'exhausted');
    assert.equal(plain.requests.length, 1);
    assert.equal(strict.requests.length, 1);
});

test('TLS: files that are replaced are used at the next connection', async (t) => {
    const s = await Service.create(t, { conf: { consumer: { workers: 1 } } });
    const file = makeCertificates(s.dir);
    const next = path.join(s.dir, 'next');
    fs.mkdirSync(next);
    const newFile = makeCertificates(next);
    const tls = { key: fs.readFileSync(file('server.key')), cert: fs.readFileSync(file('server.pem')) };
    const receiver = await Receiver.start(t, () => ({ status: 200, headers: { connection: 'close' } }), { tls });
    s.writeConf({ ...s.conf, ...pair('crm', { url: receiver.url, ...open, ca_file: 'ca.pem' }, once) });
    await s.launch();
    const trace = await send(s, 'crm', '{}');
    await until('the delivery', () => receiver.of(trace).length === 1);

    fs.renameSync(newFile('ca.pem'), file('ca.pem'));
    const letter = await deadLetter(s, 'crm', await send(s, 'crm', '{}'));
    assert.match(letter.error, /certificate/);
    receiver.server.setSecureContext({
        key: fs.readFileSync(newFile('server.key')), cert: fs.readFileSync(newFile('server.pem')) });
    const last = await send(s, 'crm', '{}');
    await until('the delivery', () => receiver.of(last).length === 1, { seconds: 20 });
});

test('a receiver on this host needs its network listed', async (t) => {
    const s = await Service.create(t);
    const check = () => {
        try {
            return { status: 0, text: execFileSync(program('sluiced'), ['-t', '-c', s.confFile], { encoding: 'utf8', stdio: 'pipe' }) };
        } catch (error) {
            return { status: error.status, text: `${error.stdout}${error.stderr}` };
        }
    };
    s.writeConf({ ...s.conf, ...pair('crm', { url: 'http://127.0.0.1:9/' }) });
    const refused = check();
    assert.equal(refused.status, 78);
    assert.match(refused.text, /destinations\.crm\.url.*127\.0\.0\.1 is a loopback address.*allow_networks/);
    s.writeConf({ ...s.conf, ...pair('crm', { url: 'http://127.0.0.1:9/', ...open }) });
    assert.equal(check().status, 0);
});

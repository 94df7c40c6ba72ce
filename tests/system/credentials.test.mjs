// AWS credentials as an operator meets them: none, wrong ones, right ones, without a restart. The queue
// is "on AWS", which is the service's own store here.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { readRequest } from '../tools/aws-request.mjs';
import { checkSignature } from '../tools/aws-signature.mjs';
import { genesys } from '../tools/events.mjs';
import { Service, build, runProgram } from '../tools/service.mjs';
import { until } from '../tools/wait.mjs';

const pair = { access_key_id: 'SLUICEABCDEFGHIJKLMN', secret_access_key: '0123456789abcdefghijABCDEFGHIJ0123456789' };

async function start(t, { ackMs = 2000, aws = {}, env = {}, aheadMs = 0 } = {}) {
    const s = await Service.create(t);
    const endpoint = `http://127.0.0.1:${s.ports.store}`;
    fs.mkdirSync(s.state, { recursive: true });
    fs.mkdirSync(path.join(s.dir, '.aws'));
    fs.writeFileSync(path.join(s.state, 'embedded-key.json'), JSON.stringify(pair), { mode: 0o600 });
    s.conf.aws = { region: 'local', sqs_endpoint_url: endpoint, ...aws };
    s.conf.sources.genesys.ack_deadline_ms = ackMs;
    s.conf.queues = { genesys: { service: 'aws', url: `${endpoint}/000000000000/genesys` } };
    s.writeConf();
    s.sqs.aheadMs = aheadMs;
    await s.launch({ wait: false, env: { HOME: s.dir, AWS_EC2_METADATA_DISABLED: 'true', ...env } });
    await until('the store', () => s.sqs.call('CreateQueue', { QueueName: 'genesys' }), { seconds: 20 });
    return s;
}

function writeKeys(s, id, secret) {
    fs.writeFileSync(path.join(s.dir, '.aws/credentials'),
        `[default]\naws_access_key_id = ${id}\naws_secret_access_key = ${secret}\n`);
}

test('without credentials the service is up, says what is missing, and takes them when they are there', async (t) => {
    const s = await start(t);
    const missing = /no AWS credentials: set AWS_ACCESS_KEY_ID and .*, write the profile "default", .*; tried: environment, /;
    const keyring = await until('the keyring to say so', async () => {
        const health = await s.health('keyring');
        return health.status === 503 && health;
    }, { seconds: 20 });
    assert.match(keyring.reason, missing);
    await until('the workers to say so', async () => {
        const { workers } = await s.status();
        return workers.filter(({ role }) => role === 'consumer').every(({ beat }) => missing.test(beat.waiting.join()));
    }, { seconds: 20 });
    const { stdout } = await runProgram('sluicectl', ['-c', s.confFile, 'status']);
    assert.match(stdout, /no AWS credentials/);

    writeKeys(s, pair.access_key_id, pair.secret_access_key);
    await s.waitUp(90); // the keyring looks again after a minute at most
    const answer = await until('an event to be taken', async () => {
        const posted = await s.post('genesys', genesys());
        return posted.status === 200 && posted;
    }, { seconds: 20, every: 200 });
    await until('its delivery', () => s.ledger().some(({ trace }) => trace === answer.headers['sluice-trace']), { seconds: 20 });
});

test('keys that were rotated are read again when the old ones are refused', async (t) => {
    const s = await start(t);
    writeKeys(s, 'AKIAOLDOLDOLDOLDOLD', 'x');
    await until('a refusal', () => /AWS credentials from profile "default": access key AKIAOLD/.test(s.log()), { seconds: 30 });
    assert.notEqual((await s.post('genesys', genesys())).status, 200);
    writeKeys(s, pair.access_key_id, pair.secret_access_key);
    const answer = await until('an event to be taken', async () => {
        const posted = await s.post('genesys', genesys());
        return posted.status === 200 && posted;
    }, { seconds: 60, every: 500 });
    await until('its delivery', () => s.ledger().some(({ trace }) => trace === answer.headers['sluice-trace']), { seconds: 20 });
    assert.doesNotMatch(s.log(), /0123456789abcdefghij/);
});

test('a reload is tried with its own keys, which the running workers do not get', async (t) => {
    const s = await start(t, { ackMs: 25_000 });
    fs.writeFileSync(path.join(s.dir, '.aws/credentials'), [
        '[default]', `aws_access_key_id = ${pair.access_key_id}`, `aws_secret_access_key = ${pair.secret_access_key}`,
        '[other]', 'aws_access_key_id = AKIAOTHEROTHEROTHER', 'aws_secret_access_key = x', ''].join('\n'));
    await s.waitUp(90);
    s.conf.aws.profile = 'other';
    s.conf.queues.extra = { service: 'aws', url: `http://127.0.0.1:${s.ports.store}/000000000000/missing` };
    s.conf.sources.extra = { ...s.conf.sources.genesys, path: '/extra' };
    s.conf.ready_s = 30;
    s.writeConf();
    const refused = await s.control({ cmd: 'reload' });
    assert.equal(refused.ok, false);
    assert.match(JSON.stringify(refused.errors), /the credentials are refused/, 'it was tried with the new keys');
    for (let i = 0; i < 3; i++) {
        assert.equal((await s.post('genesys', genesys())).status, 200, 'with the keys of before');
    }
});

test('a secret that was mistyped is read again when it was corrected', async (t) => {
    const s = await start(t);
    writeKeys(s, pair.access_key_id, pair.secret_access_key.replace('jABC', 'kABC'));
    await until('a refusal', async () => {
        const { workers } = await s.status();
        return workers.some(({ beat }) => /the credentials are refused; correct the access key, its secret/.test(beat.waiting.join()));
    }, { seconds: 30 });
    writeKeys(s, pair.access_key_id, pair.secret_access_key);
    await s.waitUp(90); // the keyring looks again after a minute at most
    await until('an event to be taken', async () => (await s.post('genesys', genesys())).status === 200, { seconds: 20, every: 200 });
});

// Gives credentials for half an hour, by a right clock: to a role by a signed POST as STS does, to a GET
// as a container's agent does.
async function startGiver(t, base) {
    const giver = { asked: 0, refused: [] };
    const server = http.createServer(async (request, response) => {
        giver.asked++;
        const body = Buffer.concat(await Array.fromAsync(request));
        const until = new Date(Date.now() + 1_800_000).toISOString().replace(/\.\d+/, '');
        const given = { AccessKeyId: pair.access_key_id, SecretAccessKey: pair.secret_access_key, Expiration: until };
        const refusal = request.method === 'POST' &&
            await checkSignature(readRequest({ method: request.method, url: request.url, headers: request.headers, body }),
                { keys: [base], region: 'local', now: Date.now() });
        if (refusal) {
            giver.refused.push(refusal.why);
            response.writeHead(refusal.answer.status, refusal.answer.headers).end(refusal.answer.body);
        } else if (request.method === 'POST') {
            const members = Object.entries({ ...given, SessionToken: 'T' }).map(([name, value]) => `<${name}>${value}</${name}>`);
            response.end(`<R><Credentials>${members.join('')}</Credentials></R>`);
        } else {
            response.end(JSON.stringify({ ...given, Token: 'T' }));
        }
    });
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.after(() => server.close());
    giver.url = `http://127.0.0.1:${server.address().port}`;
    return giver;
}

for (const [source, hours] of [['role', 1], ['role', -1], ['container', 1], ['container', -1]]) {
    test(`a host whose clock is ${hours} h off gets the credentials of its ${source}, for as long as they last`, async (t) => {
        const preload = execFileSync('faketime', ['-f', '+1h', 'printenv', 'LD_PRELOAD']).toString().trim();
        const base = { id: 'AKIABASEBASEBASEBASE', secret: 'base' };
        const giver = await startGiver(t, base);
        const s = await start(t, {
            ackMs: 25_000, aws: { sts_endpoint_url: giver.url }, aheadMs: hours * 3_600_000,
            env: {
                LD_PRELOAD: preload, FAKETIME: `${hours > 0 ? '+' : ''}${hours}h`, DONT_FAKE_MONOTONIC: '1',
                ...(source === 'container' && { AWS_CONTAINER_CREDENTIALS_FULL_URI: giver.url }),
            },
        });
        if (source === 'role') {
            fs.writeFileSync(path.join(s.dir, '.aws/config'), '[default]\nrole_arn = arn:aws:iam::1:role/r\nsource_profile = base\n');
            fs.writeFileSync(path.join(s.dir, '.aws/credentials'),
                `[base]\naws_access_key_id = ${base.id}\naws_secret_access_key = ${base.secret}\n`);
        }
        await s.waitUp(90);
        assert.equal((await s.post('genesys', genesys())).status, 200);
        const { gauges } = await s.health('keyring');
        assert.ok(gauges.aws_expires_in_seconds > 900 && gauges.aws_expires_in_seconds <= 1801, `${gauges.aws_expires_in_seconds} s are left`);
        assert.match(s.log(), new RegExp(`keyring.* the clock of this host is \\d{4} s ${hours > 0 ? 'ahead of' : 'behind'} that of ${giver.url}`));
        assert.deepEqual(giver.refused, source === 'role' ? ['skewed'] : []);
    });
}

test('credentials are renewed when the clock of the host was set, or it has slept', async (t) => {
    const preload = execFileSync('faketime', ['-f', '+1h', 'printenv', 'LD_PRELOAD']).toString().trim();
    const dir = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-clock-'));
    t.after(() => fs.rmSync(dir, { recursive: true }));
    const clock = path.join(dir, 'clock');
    const setClock = (offset) => {
        fs.writeFileSync(`${clock}.new`, `${offset}\n`);
        fs.renameSync(`${clock}.new`, clock);
    };
    setClock('+0s');
    const giver = await startGiver(t);
    const s = await start(t, {
        ackMs: 25_000,
        env: {
            LD_PRELOAD: preload, FAKETIME_TIMESTAMP_FILE: clock, FAKETIME_CACHE_DURATION: '1', DONT_FAKE_MONOTONIC: '1',
            AWS_CONTAINER_CREDENTIALS_FULL_URI: giver.url,
        },
    });
    await s.waitUp(90);
    for (const offset of ['+3h', '+0s']) {
        const before = giver.asked;
        setClock(offset);
        await until(`a renewal at ${offset}`, () => giver.asked > before, { seconds: 40 });
    }
});

// As an exec destination would that somebody has taken over.
test('no other process of the account reads the environment with the keys', { skip: process.getuid() !== 0 && 'not root' }, async (t) => {
    const nobody = ['--reuid=65534', '--regid=65534', '--clear-groups'];
    const s = await Service.create(t);
    fs.cpSync(path.join(build, 'bin'), path.join(s.dir, 'bin'), { recursive: true }); // where it may be read
    s.conf = { state_dir: s.conf.state_dir, ingest: s.conf.ingest, retry: s.conf.retry };
    s.writeConf();
    execFileSync('chown', ['-R', '65534:65534', s.dir]);
    const daemon = spawn('setpriv', [...nobody, path.join(s.dir, 'bin/sluiced'), '-c', s.confFile],
        { env: { ...process.env, HOME: s.dir, AWS_SECRET_ACCESS_KEY: 'planted' }, stdio: 'ignore' });
    t.after(() => daemon.kill('SIGTERM'));
    const { workers } = await until('all workers', async () => {
        const status = await s.status();
        return status.workers.length > 0 && status.workers.every(({ state }) => state === 'UP') && status;
    }, { seconds: 30 });
    const readable = [daemon.pid, ...workers.map(({ pid }) => pid)].filter((pid) => {
        try {
            return execFileSync('setpriv', [...nobody, 'cat', `/proc/${pid}/environ`], { stdio: ['ignore', 'pipe', 'ignore'] })
                .includes('planted');
        } catch {
            return false;
        }
    });
    assert.deepEqual(readable, []);
});

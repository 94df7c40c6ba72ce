// AWS credentials as an operator meets them: none, wrong ones, right ones, without a restart. The queue
// is "on AWS", which is the service's own store here.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { genesys } from '../tools/events.mjs';
import { pair, startOnOwnAws } from '../tools/own-aws.mjs';
import { Service, build, runProgram } from '../tools/service.mjs';
import { until } from '../tools/wait.mjs';

function writeKeys(s, id, secret) {
    fs.writeFileSync(path.join(s.dir, '.aws/credentials'),
        `[default]\naws_access_key_id = ${id}\naws_secret_access_key = ${secret}\n`);
}

test('without credentials the service is up, says what is missing, and takes them when they are there', async (t) => {
    const s = await startOnOwnAws(t);
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
    const s = await startOnOwnAws(t);
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
    const s = await startOnOwnAws(t);
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
    const s = await startOnOwnAws(t);
    writeKeys(s, pair.access_key_id, pair.secret_access_key.replace('jABC', 'kABC'));
    await until('a refusal', async () => {
        const { workers } = await s.status();
        return workers.some(({ beat }) => /the credentials are refused; correct the access key, its secret/.test(beat.waiting.join()));
    }, { seconds: 30 });
    writeKeys(s, pair.access_key_id, pair.secret_access_key);
    await s.waitUp(90); // the keyring looks again after a minute at most
    await until('an event to be taken', async () => (await s.post('genesys', genesys())).status === 200, { seconds: 20, every: 200 });
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

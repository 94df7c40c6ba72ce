// Secrets stay where they belong: the memory of the workers is searched for them, after the start,
// after credentials were renewed, and after a reload. The service's queue is "on AWS", which is its own
// store here, and its credentials are those of a container.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { test } from 'node:test';
import { Cxone } from '../tools/cxone.mjs';
import { genesys } from '../tools/events.mjs';
import { findInMemory } from '../tools/memory.mjs';
import { Service } from '../tools/service.mjs';
import { until } from '../tools/wait.mjs';

const letters = (count) => crypto.randomBytes(count).toString('hex').slice(0, count);

// A container's credentials: always the same key pair, each time with another token, for a few seconds.
async function startTask(t, pair) {
    const task = { tokens: [] };
    const server = http.createServer((request, response) => {
        const token = `TOKEN-${letters(40)}`;
        task.tokens.push(token);
        response.end(JSON.stringify({
            AccessKeyId: pair.access_key_id, SecretAccessKey: pair.secret_access_key, Token: token,
            Expiration: new Date(Date.now() + 8000).toISOString().replace(/\.\d+Z/, 'Z'),
        }));
    });
    await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.after(() => server.close());
    task.url = `http://127.0.0.1:${server.address().port}/task`;
    return task;
}

async function start(t) {
    const cxone = await Cxone.start(t, { client: { id: 'client', secret: `OAUTH-${letters(32)}` } });
    const s = await Service.create(t);
    const pair = { access_key_id: 'SLUICEABCDEFGHIJKLMN', secret_access_key: `TASK${letters(36)}` };
    const task = await startTask(t, pair);
    const secrets = {
        task: pair.secret_access_key, oauth: cxone.client.secret,
        environment: `ENV${letters(37)}`, file: `FILE${letters(36)}`,
    };
    fs.mkdirSync(s.state, { recursive: true });
    fs.writeFileSync(path.join(s.state, 'embedded-key.json'), JSON.stringify(pair), { mode: 0o600 });
    fs.mkdirSync(path.join(s.dir, '.aws'));
    fs.writeFileSync(path.join(s.dir, '.aws/credentials'),
        `[other]\naws_access_key_id = OTHER\naws_secret_access_key = ${secrets.file}\n`);
    const endpoint = `http://127.0.0.1:${s.ports.store}`;
    s.conf.aws = { region: 'local', sqs_endpoint_url: endpoint };
    s.conf.queues = { genesys: { service: 'aws', url: `${endpoint}/000000000000/genesys` } };
    s.conf.oauth = { cxone: { ...cxone.conf(), client_secret: '${THE_CLIENT_SECRET}' } };
    s.conf.destinations.cxone = {
        type: 'http', url: `${cxone.url}/api/events`, oauth: 'cxone', allow_networks: ['127.0.0.0/8'],
    };
    s.conf.sources.genesys.destination = 'cxone';
    s.writeConf();
    await s.launch({
        wait: false,
        env: {
            HOME: s.dir, THE_CLIENT_SECRET: secrets.oauth, AWS_SECRET_ACCESS_KEY: secrets.environment,
            AWS_CONTAINER_CREDENTIALS_FULL_URI: task.url,
        },
    });
    await until('the store', () => s.sqs.call('CreateQueue', { QueueName: 'genesys' }), { seconds: 20 });
    await s.waitUp();
    return { s, cxone, task, secrets };
}

// Posts until an event is through: what every worker needs has been fetched and used.
async function deliver({ s, cxone }) {
    const before = cxone.requests.length;
    await until('an event to be delivered', async () => {
        const answer = await s.post('genesys', genesys());
        return answer.status === 200 && await until('its delivery', () => cxone.requests.length > before, { seconds: 5 });
    }, { seconds: 30, every: 500 });
}

async function inspect({ s, task, secrets }, when) {
    const { workers, pid } = await s.status();
    for (const worker of workers.filter(({ role }) => role !== 'keyring')) {
        assert.deepEqual(findInMemory(worker.pid, secrets), [], `${worker.name} ${when}`);
    }
    // The search finds what is there: the token is given to all workers, the secrets to the keyring.
    const tokens = Object.fromEntries(task.tokens.map((token, i) => [i, token]));
    const consumer = workers.find(({ role }) => role === 'consumer');
    assert.notDeepEqual(findInMemory(consumer.pid, tokens), [], `the token in ${consumer.name} ${when}`);
    const keyring = workers.find(({ role }) => role === 'keyring');
    // A fetch under way, which nobody answers while we search, has the file in hand.
    await until(`the keyring to hold what it uses ${when}`, () => {
        assert.deepEqual(findInMemory(keyring.pid, secrets), ['environment', 'oauth', 'task']);
        return true;
    }, { every: 300 });
    assert.deepEqual(findInMemory(pid, { task: secrets.task, file: secrets.file }), [], `sluiced ${when}`);
}

test('no secret is in the memory of ingest, consumer, retry or store', async (t) => {
    const all = await start(t);
    const { s, task } = all;
    await deliver(all);
    await inspect(all, 'after the start');

    const fetched = task.tokens.length;
    await until('renewed credentials', () => task.tokens.length > fetched + 1, { seconds: 30 });
    await deliver(all);
    await inspect(all, 'after a renewal');

    const old = new Set((await s.status()).workers.map(({ pid }) => pid));
    s.writeConf({ ...s.conf, drain_s: 9 });
    s.signal('SIGHUP');
    await until('new workers', async () => {
        const { workers } = await s.status();
        return workers.every(({ pid, role, state }) => state === 'UP' && (role === 'store' || !old.has(pid)));
    }, { seconds: 40 });
    await deliver(all);
    await inspect(all, 'after a reload');
});

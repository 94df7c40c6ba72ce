// Sluice beside what teams write with the libraries of AWS and Node, in one run, round by round in
// turn, on the same store. Only ratios mean anything; nothing is asserted on speed.
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { cxone, spread } from '../tools/events.mjs';
import { request } from '../tools/http.mjs';
import { Receiver } from '../tools/receiver.mjs';
import { Service, top } from '../tools/service.mjs';
import { until } from '../tools/wait.mjs';

const rounds = 5 * Math.min(4, Number(process.env.TRIALS ?? 1));
const connections = 64;
const webhooks = 1500; // a round
const slots = 10; // requests at once at the destination; what one receive brings at most
const events = 500; // a round
const delayMs = 20;

const version = (name) => `${name} ${JSON.parse(fs.readFileSync(path.join(top, 'tests/node_modules', name, 'package.json'))).version}`;
const sorted = (numbers) => [...numbers].sort((a, b) => a - b);
const median = (numbers) => sorted(numbers)[Math.floor(numbers.length / 2)];
const span = (numbers, digits) => `${median(numbers).toFixed(digits)} (${sorted(numbers)[0].toFixed(digits)} to ` +
    `${sorted(numbers).at(-1).toFixed(digits)})`;

async function start(t, { conf = {}, source }) {
    const s = await Service.create(t, { conf });
    s.writeConf({ ...s.conf, log: { level: 'warn' }, sources: { hook: { path: '/hook', verify: { type: 'none' }, ack_deadline_ms: 10_000, ...source } } });
    await s.launch();
    await s.sqs.call('CreateQueue', { QueueName: 'peer' });
    return s;
}

// The peer, ready: what it says first.
async function startPeer(t, s, options) {
    const child = fork(path.join(import.meta.dirname, 'peer.mjs'));
    t?.after(() => child.kill());
    child.send({ endpoint: `http://127.0.0.1:${s.ports.store}`, pair: s.keyPair(), queueUrl: s.sqs.url('peer'), ...options });
    const [said] = await once(child, 'message');
    return { ...said, stop: () => Promise.all([once(child, 'exit'), child.send('stop')]) };
}

// Ours and the peer's in turn, each first as often; events a second of each round.
async function inTurn(ours, peers) {
    const rates = { ours: [], peers: [] };
    const one = async (name, round) => rates[name].push(await round());
    for (let i = 0; i < rounds; i++) {
        const order = [['ours', ours], ['peers', peers]];
        for (const [name, round] of i % 2 === 0 ? order : order.reverse()) {
            await one(name, round);
        }
    }
    return rates;
}

function show(t, what, { ours, peers }, peer) {
    const ratios = ours.map((rate, i) => rate / peers[i]);
    t.diagnostic(`${what}: ${span(ratios, 2)} times as many a second as ${peer}; median (lowest to highest) of ` +
        `${ours.length} rounds in turn, ${os.cpus().length} cores`);
    t.diagnostic(`Sluice ${span(ours, 0)}/s, peer ${span(peers, 0)}/s`);
}

test('webhooks taken in, beside a Node server with the AWS SDK', async (t) => {
    const s = await start(t, { source: { destination: 'ledger' } });
    await s.control({ cmd: 'pause' }); // nobody works events off meanwhile
    const peer = await startPeer(t, s, { role: 'ingest' });
    const agent = new http.Agent({ keepAlive: true, maxSockets: connections });
    t.after(() => agent.destroy());
    const round = (port) => async () => {
        const began = performance.now();
        await spread(webhooks, connections, async () => {
            const answer = await request({ port }, '/hook', { method: 'POST', body: cxone(), agent });
            assert.equal(answer.status, 200);
        });
        return (webhooks * 1000) / (performance.now() - began);
    };
    const [ours, peers] = [round(s.ports.ingest), round(peer.port)];
    await ours();
    await peers(); // warm
    show(t, `webhooks stored before the answer, ${connections} connections`, await inTurn(ours, peers),
        `node:http on Node ${process.versions.node} with ${version('@aws-sdk/client-sqs')}, SendMessage for each, on the same store`);
    for (const queue of ['hook', 'peer']) {
        assert.equal(await s.sqs.depth(queue), webhooks * (rounds + 1), `all of ${queue} are stored`);
    }
});

test('events worked off, beside sqs-consumer', async (t) => {
    const receiver = await Receiver.start(t, () => undefined);
    let times = [];
    receiver.server.removeAllListeners('request');
    receiver.server.on('request', (incoming, response) => {
        incoming.resume();
        setTimeout(() => {
            response.end('ok');
            times.push(performance.now());
        }, delayMs);
    });
    const s = await start(t, {
        conf: { consumer: { workers: 1 }, destinations: { to: {
            type: 'http', url: receiver.url, allow_networks: ['127.0.0.0/8'], max_running: slots } } },
        source: { destination: 'to' },
    });
    const fill = async (queue) => {
        times = [];
        await spread(events / 10, 4, () => s.sqs.call('SendMessageBatch', {
            QueueUrl: s.sqs.url(queue),
            Entries: Array.from({ length: 10 }, (_, i) => ({ Id: String(i), MessageBody: cxone() })),
        }));
    };
    // From the first answer of the receiver to the last, and until the queue knows it.
    const rate = async (queue) => {
        await until('all deliveries', () => times.length >= events, { seconds: 60, every: 20 });
        await until('the queue to be empty', async () => (await s.sqs.depth(queue)) === 0, { seconds: 30, every: 50 });
        assert.equal(times.length, events);
        return ((events - 1) * 1000) / (times.at(-1) - times[0]);
    };
    const ours = async () => {
        assert.equal((await s.control({ cmd: 'pause' })).ok, true);
        await fill('hook');
        await s.control({ cmd: 'resume' });
        return rate('hook');
    };
    const peers = async () => {
        await fill('peer');
        const peer = await startPeer(null, s, { role: 'consume', slots, url: receiver.url });
        return rate('peer').finally(() => peer.stop());
    };
    show(t, `events delivered by one process, ${slots} at once, to a receiver that takes ${delayMs} ms ` +
        `(so ${slots * 1000 / delayMs}/s at best)`,
        await inTurn(ours, peers),
        `${version('sqs-consumer')} on Node ${process.versions.node}, batches of ${slots}, which keeps no record of what was delivered`);
});

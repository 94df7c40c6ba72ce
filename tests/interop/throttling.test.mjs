// SQS throttles every call for a while (TRIALS=20: a minute), with webhooks coming in all the time: few
// calls are made, fewer as it goes on, and soon after its end all is as before, with nothing lost. What
// one consumer meets, all do.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { startFauxqs } from 'fauxqs';
import { AwsFront } from '../tools/aws-front.mjs';
import { cxone, spread } from '../tools/events.mjs';
import { FaultyAws, throttled } from '../tools/faulty-aws.mjs';
import { Service } from '../tools/service.mjs';
import { until } from '../tools/wait.mjs';

const seconds = Math.min(60, 12 * Number(process.env.TRIALS ?? 1));
const names = ['busy', 'busy-inspection', 'busy-dlq'];

// A service whose queues are behind a front, with its faults, and every call to it.
async function start(t, { workers = 2, waitS = 1 } = {}) {
    const faux = await startFauxqs({
        port: 0, host: '127.0.0.1', logger: false, init: { region: 'us-east-1', queues: names.map((name) => ({ name })) },
    });
    t.after(() => faux.stop());
    const faulty = new FaultyAws();
    const calls = [];
    const faults = (request, forward) => {
        calls.push({ operation: request.operation, atMs: performance.now() });
        return faulty.handle(request, forward);
    };
    const front = await AwsFront.start(t, { backends: { sqs: { port: faux.port } }, faults });
    const s = await Service.create(t);
    s.writeConf({
        ...s.conf,
        consumer: { workers },
        queues: Object.fromEntries(names.map((name) => [name, { service: 'aws', url: front.queueUrl(name) }])),
        sources: {
            cxone: {
                preset: 'cxone-data-actions', verify: { type: 'none' }, destination: 'ledger', ack_deadline_ms: 5000, queue: 'busy',
                inspection_queue: 'busy-inspection', dead_letter: { queue: 'busy-dlq', s3: false }, retry: { wait_s: waitS },
            },
        },
    });
    await s.launch({ env: front.env() });
    return { s, faulty, polls: () => calls.filter(({ operation }) => operation === 'ReceiveMessage').map(({ atMs }) => atMs) };
}

const gate = async (s, key) => (await s.status()).gates.find((g) => g.key === key);
// The longest time without a poll, and when it began.
const longestGap = (polls) => polls.slice(1).map((at, i) => ({ ms: at - polls[i], from: polls[i] })).reduce((a, b) => (b.ms > a.ms ? b : a));

test("one consumer's throttled poll has all pause, and its third shuts the queue for all", async (t) => {
    const { s, faulty, polls } = await start(t, { workers: 3, waitS: 0 });
    await until('polls of all', () => polls().length > 60);
    faulty.add('ReceiveMessage', throttled);
    await until('the one that is throttled', () => faulty.done.length === 1);
    const [{ atMs }] = faulty.done;
    await until('polls again', () => polls().filter((at) => at > atMs + 600).length > 20, { seconds: 20 });
    const once = longestGap(polls().filter((at) => at >= atMs).slice(0, 20));
    t.diagnostic(`one throttled poll, three consumers: none polled for ${Math.round(once.ms)} ms`);
    assert.ok(once.ms > 300, JSON.stringify(once));
    assert.equal(await gate(s, 'aws:sqs:busy'), undefined);

    const end = faulty.always('ReceiveMessage', throttled);
    const held = await until('the gate', () => gate(s, 'aws:sqs:busy'), { seconds: 20 });
    assert.match(held.why, /RequestThrottled/);
    await until('the last poll that was on its way', () => performance.now() - polls().at(-1) > 2000);
    const shut = polls().length;
    end();
    assert.equal((await s.post('cxone', cxone())).status, 200, 'ingest goes on');
    await until('all to poll again', () => polls().length > shut + 30, { seconds: 30 });
    const [last, probe] = polls().slice(shut - 1);
    t.diagnostic(`shut after ${faulty.done.length - 1} throttled polls; the probe came after ${Math.round(probe - last)} ms`);
    assert.ok(probe - last > 8000, `a poll came after ${probe - last} ms`);
    await until('the delivery', () => s.ledger().length === 1);
    assert.equal(await gate(s, 'aws:sqs:busy'), undefined);
});

test(`${seconds} s and more of nothing but throttling`, async (t) => {
    const { s, faulty } = await start(t);
    const accepted = [];
    const post = async () => {
        const answer = await s.post('cxone', cxone());
        if (answer.status === 200) {
            accepted.push(answer.headers['sluice-trace']);
        }
        return answer.status;
    };
    assert.deepEqual(new Set(await spread(50, 16, post)), new Set([200]));
    await until('them to be done with', async () => await s.counter('consumer', 'deleted') === 50, { seconds: 30, every: 100 });

    faulty.done.length = 0;
    faulty.always(() => true, throttled);
    const began = performance.now();
    const posts = [];
    const sinceS = () => (performance.now() - began) / 1000;
    let shutS; // when the queue was seen to be shut
    while (shutS === undefined || sinceS() < shutS + seconds) {
        assert.ok(sinceS() < 120, 'the queue is never shut');
        posts.push(post());
        await pause(100); // ten webhooks a second
        shutS ??= await gate(s, 'aws:sqs:busy') && sinceS();
    }
    const lastedS = sinceS();
    const times = faulty.done.map((call) => (call.atMs - began) / 1000);
    faulty.clear();
    const ended = performance.now();
    await until('a 200 again', async () => await post() === 200, { seconds: 20 });
    const backS = (performance.now() - ended) / 1000;
    await Promise.all(posts);
    const full = performance.now();
    assert.deepEqual(new Set(await spread(100, 16, post)), new Set([200]));
    const hundredS = (performance.now() - full) / 1000;
    await until('all to be delivered', () => {
        const traces = new Set(s.ledger().map((line) => line.trace));
        return accepted.every((trace) => traces.has(trace));
    }, { seconds: 30, every: 200 });
    assert.equal(s.ledger().length, new Set(s.ledger().map((line) => line.trace)).size, 'none twice');

    const perSecond = Array.from({ length: Math.ceil(lastedS) }, (_, i) => times.filter((at) => at >= i && at < i + 1).length);
    const late = times.filter((at) => at >= lastedS / 2).length / (lastedS / 2);
    const kinds = Object.entries(Object.groupBy(faulty.done, (call) => call.operation)).map(([name, all]) => `${name} ${all.length}`);
    t.diagnostic(`calls in each second: ${perSecond.join(' ')} (${kinds.join(', ')}); the first 200 after ${backS.toFixed(1)} s, then 100 webhooks in ${hundredS.toFixed(1)} s`);
    // Once the queue is shut, there is one poll in ten seconds for all consumers; one may have been on its way.
    const polls = faulty.done.filter((call) => call.operation === 'ReceiveMessage').map((call) => (call.atMs - began) / 1000);
    t.diagnostic(`shut at ${shutS.toFixed(1)} s, polls at ${polls.map((at) => at.toFixed(1)).join(' ')} s`);
    assert.ok(polls.filter((at) => at > shutS).length <= (lastedS - shutS) / 10 + 1, `shut at ${shutS}, polls at ${polls}`);
    // Three workers make calls: ingest and two consumers.
    assert.ok(times.length / lastedS <= 3 * 2, `${times.length} calls in ${lastedS} s`);
    assert.ok(late <= 3, `${late} calls a second in the second half`);
    assert.ok(backS < 10, `${backS} s`);
});

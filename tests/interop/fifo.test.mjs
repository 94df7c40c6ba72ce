// A FIFO queue: what belongs together keeps its order, though some of it fails for a while, some for good,
// and consumers are killed meanwhile. Each signature is checked. TRIALS=20: 20 times as many events and kills.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import '../tools/fifo.mjs'; // before the server
import { Aws } from '../tools/aws.mjs';
import { Receiver } from '../tools/receiver.mjs';
import { Service } from '../tools/service.mjs';
import { until } from '../tools/wait.mjs';

const trials = Number(process.env.TRIALS ?? 1);
const each = 12 * trials; // events of a conversation
const conversations = Array.from({ length: 6 }, (_, i) => `conversation-${i}`);
const queues = ['calls.fifo', 'calls-inspection.fifo', 'calls-dlq.fifo', 'fair', 'fair-dlq'];

// How the destination takes an event: two failures, never, or at once.
const kind = (n) => (n % 12 === 3 ? 'fails' : n % 12 === 8 ? 'never' : 'good');

// Answers after a moment, so that kills meet deliveries under way, and notes what is out of order: an event
// that comes before the end of the one ahead of it, or after the one behind it.
function destination() {
    const next = new Map(conversations.map((name) => [name, 0])); // the first event without an end
    const wrong = [];
    const answer = async ({ body }, nth) => {
        const { conversation, n } = JSON.parse(body);
        const due = next.get(conversation);
        if (due === undefined) {
            return { status: 200 };
        }
        if (n !== due && n !== due - 1) { // a kill may repeat the last one
            wrong.push({ conversation, came: n, due });
        }
        await pause(10);
        if (kind(n) === 'fails' && nth <= 2) {
            return { status: 500 };
        }
        next.set(conversation, Math.max(next.get(conversation), n + 1));
        return { status: kind(n) === 'never' ? 400 : 200 };
    };
    return { next, wrong, answer };
}

test(`${conversations.length} conversations of ${each} events keep their order`, async (t) => {
    const sends = []; // {queue, group, id, delay, body, messageId} of each entry
    let lost = 0;
    const faults = async (request, forward) => {
        const answer = await forward();
        if (request.operation !== 'SendMessageBatch') {
            return answer;
        }
        const { Successful = [] } = JSON.parse(answer.body);
        sends.push(...request.json.Entries.map((e) => ({
            queue: request.json.QueueUrl.split('/').at(-1), group: e.MessageGroupId, id: e.MessageDeduplicationId, delay: e.DelaySeconds, body: e.MessageBody,
            messageId: Successful.find(({ Id }) => Id === e.Id)?.MessageId,
        })));
        return sends.length > 5 && lost++ === 0 ? { ...answer, cut: 'at once' } : answer; // stored, and sent again
    };
    const ofType = (name) => ({ name, attributes: name.endsWith('.fifo') ? { FifoQueue: 'true' } : {} });
    const aws = await Aws.start(t, { queues: queues.map(ofType), tables: ['order-ledger'], faults });
    const to = destination();
    const receiver = await Receiver.start(t, to.answer);
    const s = await Service.create(t);
    const source = {
        preset: 'generic', verify: { type: 'none' }, destination: 'calls', ack_deadline_ms: 20_000, body: 'json', dead_letter: { queue: 'calls-dlq', s3: false },
        retry: { base_s: 1, cap_s: 1, wait_s: 1, visibility_s: 11 },
    };
    s.writeConf({
        ...s.conf,
        log: { level: 'info' },
        consumer: { workers: 2 },
        queues: Object.fromEntries(queues.map((name) => [name.replace('.fifo', ''), { service: 'aws', url: aws.queueUrl(name) }])),
        ledger: { service: 'aws', table: 'order-ledger' },
        destinations: { calls: { type: 'http', url: receiver.url, allow_networks: ['127.0.0.0/8'] } },
        sources: {
            calls: { ...source, path: '/calls', message_group: '/conversation', event_id: { pointers: ['/conversation', '/n'] } },
            fair: { ...source, path: '/fair', message_group: '/tenant', dead_letter: { queue: 'fair-dlq', s3: false } },
        },
    });
    await s.launch({ env: aws.front.env() });
    const post = async (name, event) => assert.equal((await s.post(name, event)).status, 200);
    const posted = Promise.all(conversations.map(async (conversation) => {
        for (let n = 0; n < each; n++) {
            await post('calls', JSON.stringify({ conversation, n }));
        }
    }));

    const ended = () => [...to.next.values()].reduce((sum, n) => sum + n, 0);
    for (let kill = 0; kill < 3 * trials; kill++) {
        await until('more events to be through', () => ended() > (kill + 1) * 12, { seconds: 60 });
        const [victim] = (await s.workers('consumer')).filter((w) => w.state === 'UP').slice(kill % 2);
        s.signal('SIGKILL', victim.pid);
        await until('another in its place', async () => (await s.workers('consumer')).every((w) => w.state === 'UP' && w.pid !== victim.pid), { seconds: 20 });
    }
    await posted;
    await until('every event to reach its end', () => [...to.next.values()].every((n) => n === each), { seconds: 60 + each, every: 50 });
    await until('the queue to be empty', async () => await aws.depth('calls.fifo') === 0, { seconds: 30, every: 100 });
    assert.deepEqual(to.wrong, []);

    await post('calls', '{"n":1}'); // no conversation
    assert.equal((await s.post('calls', 'no JSON')).status, 400);
    await post('fair', '{"tenant":"t 1"}');
    await post('fair', '{"tenant":null}');
    await until('these to be through', async () => await aws.depth('calls.fifo') + await aws.depth('fair') === 0, { seconds: 30, every: 100 });

    const on = (queue) => sends.filter((one) => one.queue === queue);
    const calls = on('calls.fifo');
    assert.equal(lost > 1, true, 'an answer was lost');
    assert.equal(calls.length > new Set(calls.map((one) => one.id)).size, true, 'and its events sent again');
    assert.equal(new Set(calls.map((one) => one.messageId)).size, conversations.length * each + 1, 'and absorbed');
    assert.deepEqual([...new Set(calls.map((one) => one.group))].sort(), ['calls', ...conversations], 'what has no group is in one of the source');
    assert.deepEqual(sends.filter((one) => one.delay !== undefined), []);
    const dead = [...new Map(on('calls-dlq.fifo').map((one) => [one.messageId, one.body])).values()];
    const expected = conversations.flatMap((conversation) => Array.from({ length: each }, (_, n) => ({ conversation, n })).filter(({ n }) => kind(n) === 'never'));
    assert.deepEqual(dead.sort(), expected.map((one) => JSON.stringify(one)).sort(), 'each once, whatever was killed');
    assert.deepEqual([...new Set(on('calls-dlq.fifo').map((one) => one.group))].sort(), conversations);
    assert.deepEqual(on('calls-inspection.fifo').map((one) => one.group), ['calls']);
    assert.deepEqual(on('fair').map(({ group, id }) => ({ group, id })), [
        { group: 'c69f0dcd535359def01d5f51f14d99f7b4c060ff276ad5c63d9b787591b42f85', id: undefined }, { group: undefined, id: undefined }]);
    assert.deepEqual(aws.front.refused, []);
    t.diagnostic(`${conversations.length * each} events in ${receiver.requests.length} deliveries, ${3 * trials} kills, ` +
        `${await s.counter('consumer', 'released')} given back by the consumers that are left`);
});

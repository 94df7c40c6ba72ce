// Events through the whole service: each ends in the right place, byte for byte.
import assert from 'node:assert/strict';
import crypto from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { cxone, genesys, newId, spread } from '../tools/events.mjs';
import { Service } from '../tools/service.mjs';
import { attribute } from '../tools/sqs.mjs';
import { slow, until } from '../tools/wait.mjs';

const events = 1000;
const oddTexts = ['ü€𐍈', '\\u0000 \\ud800', '  spaced\\n\\t ', '"quoted"', '0'.repeat(5000), '<&>', '\u007f\u0085'];

// What is sent as the i-th of the mix, and where it must end.
function make(i) {
    const id = newId();
    const extra = { id, note: oddTexts[i % oddTexts.length], amount: 100.1, big: '12345678901234567890' };
    switch (i % 20) {
    case 0: return { source: 'genesys', body: genesys({ ...extra, what: 'refuse' }), end: 'rejected' };
    case 1: return { source: 'genesys', body: genesys({ ...extra, status: 'NO_ANSWER' }), end: 'unsupported_status' };
    case 2: return { source: 'cxone', body: cxone({ ...extra, payload: { other: 1 } }), end: 'validation' };
    case 3: return { source: 'cxone', body: `{"event_id":"${id}", not json \x80`, end: 'inspection' };
    case 4: return { source: 'genesys', body: `${id}\n`, end: 'inspection' };
    case 5: return { source: 'genesys', body: genesys({ ...extra, what: 'fail 1' }), end: 'delivered', attempts: 2 };
    case 6: return { source: 'cxone', body: cxone({ ...extra, what: 'fail 2' }), end: 'delivered', attempts: 3 };
    case 7: return { source: 'blob', body: Buffer.concat([Buffer.from(id), crypto.randomBytes(3000)]), end: 'file' };
    case 8: return { source: 'blob', body: Buffer.from(`\r\n ${id} \0 plain \uFFFE`), end: 'file' };
    // Numbers that lose digits in a parser, blanks around everything.
    case 9: return { source: 'cxone', end: 'delivered', attempts: 1,
        body: ` {"event_id" : "${id}","tenant_id":"t","payload":{"interaction_id":1e999},"n":123456789012345678901234567890}\n` };
    default: return i % 2
        ? { source: 'genesys', body: genesys(extra), end: 'delivered', attempts: 1 }
        : { source: 'cxone', body: cxone(extra), end: 'delivered', attempts: 1 };
    }
}

test(`${events} mixed events end in the right place, byte for byte`, async (t) => {
    const s = await Service.create(t);
    const file = path.join(s.dir, '{source}.jsonl');
    s.writeConf({
        ...s.conf,
        destinations: { ...s.conf.destinations, journal: { type: 'file', path: file } },
        sources: { ...s.conf.sources, blob: { preset: 'generic', path: '/blob', verify: { type: 'none' }, destination: 'journal', ack_deadline_ms: 10_000 } },
    });
    await s.launch();

    const sent = await spread(events, 40, async (i) => {
        const event = make(i);
        event.body = Buffer.from(event.body);
        const answer = await s.post(event.source, event.body);
        event.trace = answer.headers['sluice-trace'];
        assert.equal(answer.status, event.end === 'inspection' ? 400 : 200, `${event.body} gave ${answer.text}`);
        if (answer.status === 200) {
            assert.match(event.trace, /^[0-9A-Z]{26}$/);
            assert.deepEqual(answer.json(), { status: 'accepted' });
        }
        return event;
    });
    const traces = sent.map((e) => e.trace).filter(Boolean);
    assert.equal(new Set(traces).size, traces.length, 'trace ids are unique');

    await until('the queues to run empty', async () => {
        const depths = await Promise.all(['genesys', 'cxone', 'blob'].map((q) => s.sqs.depth(q)));
        return depths.every((depth) => depth === 0);
    }, { seconds: 60, every: 200 });

    const ledger = s.ledger();
    const byTrace = Map.groupBy(ledger, (line) => line.trace);
    const journal = new Map(fs.readFileSync(path.join(s.dir, 'blob.jsonl'), 'utf8').split('\n').filter(Boolean)
        .map((line) => JSON.parse(line)).map((line) => [line.trace_id, line]));
    const dead = new Map();
    const again = []; // a send that a busy machine answers after five seconds is repeated
    for (const queue of ['genesys-dlq', 'cxone-dlq', 'blob-dlq']) {
        for (const message of await s.sqs.peek(queue)) {
            const letter = attribute(message, 'SluiceDeadLetter');
            if (dead.has(letter.trace_id)) {
                again.push(`${letter.trace_id} ${message.MessageId} ${dead.get(letter.trace_id).message.MessageId}`);
            }
            dead.set(letter.trace_id, { letter, message, queue });
        }
    }
    assert.ok(again.length <= 2, `one dead letter each, but for ${again}`);
    again.forEach((copy) => t.diagnostic(`a second copy: ${copy}`));
    const inspected = [...await s.sqs.peek('genesys-inspection'), ...await s.sqs.peek('cxone-inspection')]
        .map((m) => ({ note: attribute(m, 'Sluice'), why: attribute(m, 'SluiceInspection'), text: m.Body }))
        .map((m) => ({ ...m, body: Buffer.from(m.text, m.note?.enc === 'base64' ? 'base64' : 'utf8') }));

    for (const { source, body, trace, end, attempts } of sent) {
        const label = `${source} ${trace} ${body.subarray(0, 60)}`;
        if (end === 'delivered') {
            const lines = byTrace.get(trace) ?? [];
            // An attempt whose claim ran out while the machine stood still is counted, and leaves no line.
            const lost = s.log().split('\n').filter((l) => l.includes(trace) && l.includes('its ledger claim is lost')).length;
            const numbers = lines.map((l) => l.attempt);
            assert.deepEqual(numbers, [...new Set(numbers)].sort((a, b) => a - b), label);
            assert.ok(lines.length >= attempts - lost && numbers.at(-1) <= attempts + lost, `${label}: ${numbers}, ${lost} lost`);
            assert.deepEqual(lines.map((l) => l.status === 0), numbers.map((n) => n === numbers.at(-1)), label);
            lines.forEach((line) => assert.ok(s.deliveredBody(line).equals(body), label));
        } else if (end === 'file') {
            const line = journal.get(trace);
            assert.ok(line, label);
            assert.ok(Buffer.from(line.body, line.encoding === 'base64' ? 'base64' : 'utf8').equals(body), label);
        } else if (end === 'inspection') {
            const kept = inspected.filter((m) => m.body.equals(body));
            assert.equal(kept.length, 1, `${label} is kept for inspection once`);
            assert.ok(kept[0].why.reason, label);
        } else {
            const found = dead.get(trace);
            assert.ok(found, `${label} is a dead letter`);
            assert.equal(found.letter.error_class, end, label);
            assert.equal(found.queue, `${source}-dlq`);
            assert.ok(Buffer.from(found.message.Body).equals(body), label);
        }
    }
    const expectDead = sent.filter((e) => !['delivered', 'file', 'inspection'].includes(e.end)).length;
    assert.equal(dead.size, expectDead, 'nothing else is dead');
    assert.equal(journal.size, sent.filter((e) => e.end === 'file').length);
    assert.equal(await s.counter('ingest', 'accepted'), sent.filter((e) => e.end !== 'inspection').length);
});

test('six attempts with the promised gaps, then one dead letter', async (t) => {
    const retry = { base_s: 1, cap_s: 4, max_retries: 5 };
    const s = await Service.start(t, { conf: { sources: { genesys: { retry } } } });
    const count = 20;
    const sent = await spread(count, count, async () => {
        const body = genesys({ what: 'fail always' });
        const answer = await s.post('genesys', body);
        assert.equal(answer.status, 200);
        return { trace: answer.headers['sluice-trace'], body };
    });
    const dead = await until('the dead letters', async () => {
        const all = await s.sqs.peek('genesys-dlq');
        return all.length >= count && all;
    }, { seconds: 40, every: 500 });
    assert.equal(dead.length, count);
    await until('the queue to be empty', async () => (await s.sqs.depth('genesys')) === 0, { seconds: 15 });
    assert.equal((await s.sqs.peek('genesys-dlq')).length, count, 'exactly one dead letter each');

    const ledger = Map.groupBy(s.ledger(), (line) => line.trace);
    const late = [];
    for (const { trace, body } of sent) {
        const tries = ledger.get(trace).sort((a, b) => a.attempt - b.attempt);
        assert.deepEqual(tries.map((l) => l.attempt), [1, 2, 3, 4, 5, 6]);
        for (let n = 0; n < 5; n++) {
            const hi = Math.min(retry.cap_s, Math.max(Math.min(retry.cap_s, 2 ** n), Math.max(1, Math.floor(Math.min(retry.cap_s, 2 ** n) / 2)) + 1));
            const lo = Math.max(1, Math.floor(Math.min(retry.cap_s, 2 ** n) / 2));
            const gap = (tries[n + 1].startMs - tries[n].endMs) / 1000;
            const delay = Number(s.log().match(new RegExp(`event retried trace=${trace} .*attempt=${n + 1} delay_s=(\\d+)`))[1]);
            assert.ok(delay >= lo && delay <= hi, `delay ${n} of ${trace}: ${delay} s is not in [${lo}, ${hi}]`);
            assert.ok(gap >= delay - 0.05, `gap ${n} of ${trace}: ${gap} s where ${delay} s were due`);
            late.push(gap - delay);
        }
        const message = dead.find((m) => attribute(m, 'SluiceDeadLetter').trace_id === trace);
        const letter = attribute(message, 'SluiceDeadLetter');
        assert.equal(message.Body, body);
        assert.equal(letter.error_class, 'exhausted');
        assert.equal(letter.attempts.at(-1).attempt, 6);
        assert.equal(letter.retry_count, 5);
        assert.match(letter.error, /75|told to fail at attempt 6/);
        assert.ok(attribute(message, 'Sluice'), 'the original attributes travel along');
    }
    // A machine that stands still makes some late; the half of them it does not.
    const half = late.sort((a, b) => a - b)[late.length >> 1];
    assert.ok(half < 1 * slow, `half of the attempts came more than ${half} s late`);
});

test('the largest body is delivered, one byte more is refused', async (t) => {
    const s = await Service.start(t);
    const limit = 1024 * 1024 - 16 * 1024;
    const frame = cxone({ pad: '' });
    const body = frame.replace('"pad":""', `"pad":"${'x'.repeat(limit - frame.length)}"`);
    assert.equal(body.length, limit);
    const answer = await s.post('cxone', body);
    assert.equal(answer.status, 200, answer.text);
    const line = await until('the delivery', () => s.ledger().find((l) => l.status === 0), { seconds: 15 });
    assert.ok(s.deliveredBody(line).equals(Buffer.from(body)));
    assert.equal((await s.post('cxone', body.replace('xx', 'xxx'))).status, 413);
});

test('what others put on the queue is delivered, or kept for inspection', async (t) => {
    const s = await Service.start(t);
    const body = genesys();
    await s.sqs.call('SendMessage', { QueueUrl: s.sqs.url('genesys'), MessageBody: body });
    const line = await until('the delivery', () => s.ledger().find((l) => l.status === 0));
    assert.match(line.trace, /^DLQ-[0-9a-f]{32}$/);
    assert.ok(s.deliveredBody(line).equals(Buffer.from(body)));

    await s.sqs.call('SendMessage', {
        QueueUrl: s.sqs.url('genesys'), MessageBody: 'odd bytes',
        MessageAttributes: { Sluice: { DataType: 'String', StringValue: '{"v":1,"broken' } },
    });
    const [kept] = await until('the inspection copy', async () => {
        const all = await s.sqs.peek('genesys-inspection');
        return all.length > 0 && all;
    });
    assert.equal(kept.Body, 'odd bytes');
    assert.ok(attribute(kept, 'SluiceInspection').reason);
    await until('the original to be deleted', async () => (await s.sqs.depth('genesys')) === 0);
});

// Queues on which SQS itself would move a message away: every dead letter is ours, with its reason,
// and none arrives bare, whatever happens to the workers meanwhile.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { cxone, spread } from '../tools/events.mjs';
import { merge, Service } from '../tools/service.mjs';
import { attribute } from '../tools/sqs.mjs';
import { until } from '../tools/wait.mjs';

const trials = Number(process.env.TRIALS ?? 1);

// A service whose queue moves a message after five receives.
async function start(t, source) {
    const s = await Service.start(t, {
        conf: {
            consumer: { workers: 2 },
            sources: { cxone: { retry: { max_retries: 5, base_s: 1, cap_s: 1, wait_s: 1, visibility_s: 11 }, ...source } },
        },
    });
    await s.sqs.call('CreateQueue', { QueueName: 'bare' });
    await s.sqs.call('SetQueueAttributes', {
        QueueUrl: s.sqs.url('cxone'),
        Attributes: {
            RedrivePolicy: JSON.stringify({ deadLetterTargetArn: 'arn:aws:sqs:local:000000000000:bare', maxReceiveCount: 5 }),
        },
    });
    await roll(s); // workers read the attributes when they start
    return s;
}

let number = 10;
async function roll(s) {
    s.writeConf(merge(s.conf, { consumer: { in_flight: ++number } }));
    const said = await s.control({ cmd: 'reload' }, { seconds: 30 });
    assert.equal(said.ok, true, JSON.stringify(said));
}

async function assertAllOurs(s, count) {
    await until('every dead letter', async () => await s.sqs.depth('cxone-dlq') >= count && await s.sqs.depth('cxone') === 0,
        { seconds: 120, every: 200 });
    assert.equal(await s.sqs.depth('bare'), 0, 'none arrived bare');
    const letters = (await s.sqs.peek('cxone-dlq')).map((m) => attribute(m, 'SluiceDeadLetter'));
    for (const letter of letters) {
        assert.ok(letter, 'it has our reason');
        assert.equal(letter.error_class, 'exhausted');
    }
    assert.equal(new Set(letters.map((l) => l.trace_id)).size, count);
    return letters;
}

test('with fewer receives than attempts every dead letter has all its attempts and our reason', async (t) => {
    const s = await start(t, {});
    await until('status to advise a higher maxReceiveCount', async () => {
        const first = (await s.workers('consumer')).find((w) => w.name === 'consumer-0');
        return first?.beat?.notes?.some((n) => /^queue "cxone": its maxReceiveCount of 5 .*aws sqs set-queue-attributes/.test(n));
    });
    const count = 20 * trials;
    await spread(count, 10, () => s.post('cxone', cxone({ what: 'fail always' })));
    const letters = await assertAllOurs(s, count);
    for (const letter of letters) {
        assert.equal(letter.retry_count, 5);
        assert.match(letter.error, /told to fail at attempt 6/);
    }
    assert.equal(s.ledger().length, count * 6);
});

test('through drains, reloads and kills too', async (t) => {
    const s = await start(t, {});
    const count = 20 * trials;
    await spread(count, 10, () => s.post('cxone', cxone({ what: 'fail always' })));
    for (let i = 0; i < 3 * trials; i++) {
        await roll(s);
    }
    const [victim] = await s.workers('consumer');
    s.signal('SIGKILL', victim.pid);
    await roll(s);
    await assertAllOurs(s, count);
});

test('without a ledger it is a dead letter of ours before SQS moves it', async (t) => {
    const s = await start(t, { ledger: false });
    const count = 10 * trials;
    await spread(count, 10, () => s.post('cxone', cxone({ what: 'fail always' })));
    const letters = await assertAllOurs(s, count);
    for (const letter of letters) {
        assert.match(letter.error, /maxReceiveCount of 5/);
    }
});

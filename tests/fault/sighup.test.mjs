// Many reloads under load, good and bad ones mixed: no request fails, and each bad one is named.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import net from 'node:net';
import { test } from 'node:test';
import { cxone } from '../tools/events.mjs';
import { check, steadyLoad } from '../tools/load.mjs';
import { freePort, merge, Service } from '../tools/service.mjs';
import { until } from '../tools/wait.mjs';

const rounds = 10 * Number(process.env.TRIALS ?? 1);

// The store's own listener stands for AWS: a queue "far" there, reached with keys from the environment.
async function start(t) {
    const s = await Service.start(t, { conf: { consumer: { workers: 1 } } });
    await s.sqs.call('CreateQueue', { QueueName: 'far' });
    const { access_key_id: id, secret_access_key: secret } = s.keyPair();
    await s.stop();
    s.env = { AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: secret, AWS_EC2_METADATA_DISABLED: 'true' };
    s.writeConf(merge(s.conf, {
        aws: { region: 'local', endpoint_url: `http://127.0.0.1:${s.ports.store}` },
        queues: { far: { service: 'aws', url: s.sqs.url('far') } },
        sources: { far: { preset: 'generic', path: '/far', verify: { type: 'none' }, destination: 'ledger', ack_deadline_ms: 10_000, retry: { wait_s: 1 } } }, // polls there are let go to their end
    }));
    return s.launch();
}

test(`${rounds} SIGHUPs, good and bad mixed, fail no request`, async (t) => {
    const s = await start(t);
    const taken = await freePort();
    const stranger = net.createServer().listen(taken, '127.0.0.1');
    t.after(() => stranger.close());
    const good = (n) => merge(s.conf, { ingest: { retry_after_s: 10 + n % 50 }, consumer: { in_flight: 20 + n % 50 } });
    const bad = [
        [/queues\.far: queue "far" .*does not exist.*correct queues\.far/, (conf) =>
            merge(conf, { queues: { far: { url: s.sqs.url('fra') } } })],
        [/is in use by/, (conf) => merge(conf, { ingest: { listen: [`127.0.0.1:${s.ports.ingest}`, `127.0.0.1:${taken}`] } })],
        [/nowhere/, (conf) => merge(conf, { sources: { cxone: { destination: 'nowhere' } } })],
        [/restart/, (conf) => merge(conf, { store: { max_mib: 100 } })],
        [/line 1/, () => null],
    ];
    const load = steadyLoad(t, s, () => cxone(), { perSecond: 20 });
    let conf = s.conf;
    let generation = (await s.status()).generation;
    const took = [];
    for (let n = 0; n < rounds; n++) {
        const from = s.log().length;
        const began = Date.now();
        if (n % 2 === 0) {
            const [says, make] = bad[n / 2 % bad.length];
            const next = make(good(n));
            fs.writeFileSync(s.confFile, next === null ? '{ "ingest": ' : JSON.stringify(next));
            s.signal('SIGHUP');
            await until(`the log to name ${says}`, () => says.test(s.log().slice(from)), { seconds: 30 });
            await until('the refusal', () => s.log().slice(from).includes('reload refused'), { seconds: 30 });
        } else {
            conf = good(n);
            fs.writeFileSync(s.confFile, JSON.stringify(conf));
            s.signal('SIGHUP');
            generation++;
            await until(`generation ${generation}`, () => s.log().slice(from).includes(`reload done: generation ${generation}`), { seconds: 30 });
        }
        took.push(Date.now() - began);
    }
    const { traces, wrong } = await load.stop();
    took.sort((a, b) => a - b);
    t.diagnostic(`${traces.length} requests; a reload took ${took[took.length >> 1]} ms, at most ${took.at(-1)} ms`);
    assert.deepEqual(wrong, []);
    assert.equal((await s.status()).generation, generation);
    assert.equal(await check(s, traces), 0);
});

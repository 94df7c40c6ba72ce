// Queue, ledger and dead letters with "service": "aws": the server that plays AWS is our own store on its TCP
// listener, known only by URL, region and a key pair in the environment.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { cxone, genesys, newId } from '../tools/events.mjs';
import { runProgram, Service } from '../tools/service.mjs';
import { until } from '../tools/wait.mjs';

describe('on AWS', { concurrency: false }, () => {
    let s;
    let env;
    const url = (name) => `http://127.0.0.1:${s.ports.store}/000000000000/${name}`;
    const delivered = (id) => s.ledger().filter((e) => e.eventId.includes(id) && e.status === 0);
    const post = async (id, what) => {
        const answer = await s.post('genesys', genesys({ id, what }));
        assert.equal(answer.status, 200, answer.text);
    };

    before(async () => {
        const retry = { wait_s: 3, visibility_s: 13, max_retries: 1 };
        s = await Service.start(undefined, { conf: { drain_s: 120, sources: { genesys: { retry }, cxone: { retry } } } });
        await s.stop(); // the embedded service has made the queues, the table and the bucket
        const pair = s.keyPair();
        env = {
            AWS_ACCESS_KEY_ID: pair.access_key_id, AWS_SECRET_ACCESS_KEY: pair.secret_access_key, AWS_REGION: 'local',
            AWS_ENDPOINT_URL: `http://127.0.0.1:${s.ports.store}`, AWS_CONFIG_FILE: '/nonexistent', AWS_SHARED_CREDENTIALS_FILE: '/nonexistent',
        };
        s.writeConf({
            ...s.conf,
            queues: {
                genesys: { service: 'aws', url: url('genesys') },
                'genesys-dlq': { service: 'aws', url: url('genesys-dlq') },
            },
            dead_letters: { service: 'aws' },
            ledger: { service: 'aws' },
        });
        s.env = env;
        await s.launch();
    });
    after(() => s?.dispose());

    test('events are delivered, tried again, and kept as dead letters', async () => {
        const [good, late, never] = [newId(), newId(), newId()];
        await post(good);
        await post(late, 'fail 1');
        await post(never, 'refuse');
        await until('both to be delivered', () => delivered(good).length === 1 && delivered(late).length === 1);
        await until('the dead letter', async () => {
            const list = await runProgram('sluicectl', ['-c', s.confFile, '--json', 'dlq', 'list']);
            return list.stdout.includes(never);
        });
    });

    test('its own queues are beside it', async () => {
        const id = newId();
        assert.equal((await s.post('cxone', cxone({ id }))).status, 200);
        await until('the event of the embedded queue', () => delivered(id).length === 1);
    });

    test('a stop lets the polls end, and gives back what they bring', async () => {
        const began = Date.now();
        await s.stop({ seconds: 120 });
        assert.ok(Date.now() - began < 60_000, 'not by the end of the drain');
        await s.launch();
        const id = newId();
        await post(id);
        await until('the event after the stop', () => delivered(id).length === 1, { seconds: 10 });
    });

    test('a host-only ledger is said by -t and in the status', async () => {
        const conf = s.conf;
        s.writeConf({ ...conf, ledger: { service: 'embedded' } });
        const check = await runProgram('sluiced', ['-t', '-c', s.confFile], { env });
        assert.equal(check.status, 0, check.stderr);
        assert.match(check.stdout + check.stderr, /ledger\.service: .*idempotent on this host only/);
        await s.stop();
        await s.launch();
        assert.match((await s.status()).notes.join(), /idempotent on this host only/);
        s.writeConf(conf);
    });

    test('without a region -t says what to set', async () => {
        const check = await runProgram('sluiced', ['-t', '-c', s.confFile], { env: { ...env, AWS_REGION: '' } });
        assert.equal(check.status, 78);
        assert.match(check.stdout + check.stderr, /aws\.region: no region was found: .*AWS_REGION/);
    });
});

// kill -9 of each role with work outstanding: nothing that got a 200 is lost. TRIALS kills a role.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { cxone, newId } from '../tools/events.mjs';
import { check, Load, shortLeases as conf } from '../tools/load.mjs';
import { alive, Service } from '../tools/service.mjs';
import { until } from '../tools/wait.mjs';

const trials = Number(process.env.TRIALS ?? 1);

async function kill(t, s, role) {
    const [victim] = role === 'supervisor' ? [{ pid: s.pid }] : await s.workers(role);
    const load = new Load(s, () => cxone({ id: newId() }));
    t.after(() => load.stop()); // also where an assertion ends the test early
    await until('some to be accepted', () => load.accepted.length > 50);
    // Look once a turn of the loop, so that the count is of this moment.
    await until('at least 100 outstanding', () => {
        if (load.outstanding < 100) {
            return false;
        }
        s.signal('SIGKILL', victim.pid);
        return true;
    }, { every: 1 });
    const outstanding = load.outstanding;
    assert.ok(outstanding >= 100, `${outstanding} requests were outstanding`);
    return { load, victim };
}

describe('kill -9', { concurrency: 3 }, () => {
    for (const role of ['ingest', 'store', 'keyring', 'retry']) {
        test(`${role}, ${trials} times, at least 100 requests outstanding`, async (t) => {
            const s = await Service.start(t, { conf });
            for (let i = 0; i < trials; i++) {
                const { load, victim } = await kill(t, s, role);
                await until('another in its place', async () => {
                    const [now] = await s.workers(role);
                    return now?.state === 'UP' && now.pid !== victim.pid;
                }, { seconds: 10 });
                const before = load.accepted.length;
                await until('requests to be accepted again', () => load.accepted.length > before + 50, { seconds: 10 });
                await load.stop();
                const twice = await check(s, load.accepted);
                t.diagnostic(`${role} ${i}: ${load.accepted.length} accepted, ${load.refused} refused, 0 lost, ${twice} delivered twice`);
            }
        });
    }

    test(`consumer, ${trials} times, at least 20 leases outstanding`, async (t) => {
        const s = await Service.start(t, { conf });
        for (let i = 0; i < trials; i++) {
            const accepted = [];
            fs.rmSync(path.join(s.ledgerDir, 'released'), { force: true });
            await Promise.all(Array.from({ length: 120 }, async () => {
                const answer = await s.post('cxone', cxone({ what: 'hold' }));
                assert.equal(answer.status, 200);
                accepted.push(answer.headers['sluice-trace']);
            }));
            const [victim] = await s.workers('consumer');
            const held = await until('20 leases', async () => {
                const { in_flight: n } = await s.health(victim.name);
                return n >= 20 && n;
            }, { every: 5 });
            const programs = s.children(victim.pid);
            s.signal('SIGKILL', victim.pid);
            await until('its programs to be gone', () => !programs.some(({ pid }) => alive(pid)));
            s.release();
            const twice = await check(s, accepted);
            t.diagnostic(`consumer ${i}: ${held} leases held, ${accepted.length} accepted, 0 lost, ${twice} delivered twice`);
        }
    });

    test(`supervisor, ${trials} times, started again while its workers still end, one store at any time`, async (t) => {
        const s = await Service.start(t, { conf });
        let late = 0;
        let overlapped = 0;
        while (overlapped < trials) {
            // A store leaves when its last client on the Unix socket is gone; that must not be us.
            s.sqs.agent.destroy();
            const workers = s.children();
            const { load } = await kill(t, s, 'supervisor');
            const killed = performance.now();
            await until('the supervisor to be gone', () => !alive(s.pid), { every: 1 });
            await s.launch({ wait: false });
            const againMs = Math.round(performance.now() - killed);
            if (workers.some(({ pid }) => alive(pid))) {
                overlapped++;
            } else { // this machine was too busy to start it in time: the trial does not count
                assert.ok(++late <= 5 + trials, `started again after ${againMs} ms, too late for the ${late}. time`);
            }
            let most = 0;
            await until('everything to be up', async () => {
                most = Math.max(most, s.stores().length);
                const status = await s.status();
                return status.pid === s.pid && status.ready;
            }, { seconds: 20, every: 3 });
            await s.waitUp();
            const upMs = Math.round(performance.now() - killed);
            const before = load.accepted.length;
            await until('requests to be accepted again', () => load.accepted.length > before + 50, { seconds: 10 });
            await load.stop();
            assert.equal(most, 1, 'one store process at any time');
            assert.equal(s.stores().length, 1);
            const twice = await check(s, load.accepted);
            t.diagnostic(`supervisor: started again after ${againMs} ms, up after ${upMs} ms, ${load.accepted.length} accepted, 0 lost, ${twice} delivered twice`);
        }
    });
});

test('a worker that dies in a loop is held back, the others go on', async (t) => {
    const env = { SLUICE_FAULT: 'consumer.received:1', SLUICE_FAULT_ROLE: 'consumer' };
    const s = await Service.start(t, { conf, env });
    await s.post('cxone', cxone());
    await until('deaths', async () => (await s.workers('consumer')).some((w) => w.restarts > 0));
    assert.equal((await s.post('cxone', cxone())).status, 200);
    assert.ok((await s.workers('ingest')).every((w) => w.state === 'UP' && w.restarts === 0));
});

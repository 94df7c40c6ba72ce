// What a dead consumer had in hand: settled by another within a second, its programs ended, and put down
// to a message only where that message kills. TRIALS: 5 random kills for the default, 25 for each from 2 on.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { DeadLetters, drained } from '../tools/dead-letters.mjs';
import { cxone } from '../tools/events.mjs';
import { check } from '../tools/load.mjs';
import { Service } from '../tools/service.mjs';
import { slow, until } from '../tools/wait.mjs';

const trials = Number(process.env.TRIALS ?? 1);
const kills = trials > 1 ? 25 * trials : 5;
const WITHIN_MS = 1000 * slow;

// Leases so long that no test lives to see one end: what comes back was settled.
const retry = { wait_s: 1, visibility_s: 300, max_retries: 90 };
const conf = (workers, more = {}) => ({
    consumer: { workers, in_flight: 64 },
    destinations: { ledger: { max_running: 64 } },
    sources: { cxone: { retry } }, ...more,
});

// [pid, parent, process group] of every living process.
function processes() {
    return fs.readdirSync('/proc').filter((entry) => /^\d+$/.test(entry)).flatMap((entry) => {
        try {
            const stat = fs.readFileSync(`/proc/${entry}/stat`, 'utf8');
            const [state, parent, group] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
            return 'ZX'.includes(state) ? [] : [{ pid: Number(entry), parent: Number(parent), group: Number(group) }];
        } catch {
            return []; // gone meanwhile
        }
    });
}

// The sleeping deliveries that have begun: trace, pid, when.
function begun(s) {
    return s.started().map((name) => {
        const [trace, attempt, pid] = name.split('.');
        return { trace, attempt: Number(attempt), pid: Number(pid), atMs: fs.statSync(path.join(s.ledgerDir, 'started', name)).mtimeMs };
    });
}

// Kills a consumer; gives what it was delivering, and its programs.
function killOne(s, pid) {
    const all = processes();
    const leaders = new Set(all.filter((p) => p.parent === pid).map((p) => p.pid));
    const programs = all.filter((p) => leaders.has(p.group)).map((p) => p.pid);
    s.signal('SIGKILL', pid);
    const atMs = performance.timeOrigin + performance.now();
    return { atMs, programs, held: begun(s).filter((d) => leaders.has(d.pid)) };
}

// How long each of the held deliveries took to begin again, in ms; one that had ended by itself is left out.
function redelivered(s, { atMs, held }) {
    const ended = new Set(s.ledger().map((l) => Number(l.pid)));
    const later = Map.groupBy(begun(s), (d) => d.trace);
    return held.filter((d) => !ended.has(d.pid)).map((d) => {
        const next = later.get(d.trace).filter((other) => other.pid !== d.pid && other.atMs >= atMs).map((other) => other.atMs);
        return next.length > 0 ? Math.min(...next) - atMs : Infinity;
    });
}

const at = (sorted, part) => Math.round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))]);
const spreadOf = (list) => {
    const sorted = list.toSorted((a, b) => a - b);
    return `min ${at(sorted, 0)}, p50 ${at(sorted, 0.5)}, p95 ${at(sorted, 0.95)}, max ${at(sorted, 1)} ms of ${sorted.length}`;
};

// Keeps so many events on their way until told to stop.
class Stream {
    constructor(s, width) {
        this.s = s;
        this.width = width;
        this.accepted = [];
        this.done = this.run();
    }

    async run() {
        while (!this.stopped) {
            const ended = new Set(this.s.ledger().filter((l) => l.status === 0).map((l) => l.trace));
            const missing = this.width - this.accepted.filter((trace) => !ended.has(trace)).length;
            await Promise.all(Array.from({ length: Math.max(0, missing) }, async () => {
                const answer = await this.s.post('cxone', cxone({ what: `sleep ${(0.5 + Math.random()).toFixed(2)}` }));
                if (answer.status === 200) {
                    this.accepted.push(answer.headers['sluice-trace']);
                }
            }));
            await pause(50);
        }
    }

    async stop() {
        this.stopped = true;
        await this.done;
    }
}

test(`${kills} kills of random consumers at random moments, 50 events in flight`, async (t) => {
    const s = await Service.start(t, { conf: conf(3) });
    const stream = new Stream(s, 50);
    t.after(() => stream.stop());
    await until('50 to be in flight', () => stream.accepted.length >= 50 && begun(s).length >= 40, { seconds: 20 });
    const again = [];
    const gone = [];
    for (let i = 0; i < kills; i++) {
        await pause(Math.random() * 300);
        const victim = await until('a consumer that has been up for a second', async () => {
            const up = (await s.workers('consumer')).filter((w) => w.state === 'UP' && w.uptime_s >= 1);
            return up[Math.floor(Math.random() * up.length)];
        });
        const death = killOne(s, victim.pid);
        await until('its programs to be gone', () => {
            const living = new Set(processes().map((p) => p.pid));
            return death.programs.every((pid) => !living.has(pid));
        }, { every: 20 });
        gone.push(performance.timeOrigin + performance.now() - death.atMs);
        await until('what it delivered to be delivered again', () => redelivered(s, death).every((ms) => ms < Infinity));
        again.push(...redelivered(s, death));
    }
    await stream.stop();
    const twice = await check(s, stream.accepted);
    const dead = await new DeadLetters(s).list();
    t.diagnostic(`${kills} kills, ${stream.accepted.length} events, 0 lost, ${twice} delivered twice, ${dead.length} dead letters`);
    t.diagnostic(`delivered again after: ${spreadOf(again)}`);
    t.diagnostic(`programs gone after: ${spreadOf(gone)}`);
    assert.deepEqual(dead, []);
    assert.ok(again.length > kills, 'the dead had deliveries in hand');
    assert.ok(Math.max(...again) < WITHIN_MS, `one took ${Math.max(...again)} ms`);
    assert.ok(Math.max(...gone) < WITHIN_MS, `a program lived for ${Math.max(...gone)} ms`);
});

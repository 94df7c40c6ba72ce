// What the fault tests share: a load that notes what was accepted, and the check that none of it is lost.
import { attribute } from './sqs.mjs';
import { until } from './wait.mjs';

// Posts until told to stop, and notes every trace that got a 200.
export class Load {
    constructor(s, body, width = 160) {
        this.width = width;
        this.s = s;
        this.accepted = [];
        this.outstanding = 0;
        this.refused = 0;
        this.stopped = false;
        this.done = Promise.all(Array.from({ length: width }, () => this.send(body)));
    }

    async send(body) {
        while (!this.stopped) {
            this.outstanding++;
            try {
                const answer = await this.s.post('cxone', body(), { timeoutMs: 15_000 });
                if (answer.status === 200) {
                    this.accepted.push(answer.headers['sluice-trace']);
                    this.onAccept?.();
                } else {
                    this.refused++;
                }
            } catch {
                this.refused++; // reset or refused: no 200, no promise
            } finally {
                this.outstanding--;
            }
            if (this.refused > 0 && this.outstanding < this.width / 2) {
                await new Promise((next) => setTimeout(next, 5));
            }
        }
    }

    async stop() {
        this.stopped = true;
        await this.done;
    }
}

// Every trace was delivered or is a dead letter; gives how many were delivered more than once.
export async function check(s, accepted) {
    const missing = () => {
        const delivered = new Set(s.ledger().filter((l) => l.status === 0).map((l) => l.trace));
        return accepted.filter((trace) => !delivered.has(trace));
    };
    await until('everything accepted to be delivered or dead', async () => {
        const rest = missing();
        if (rest.length === 0) {
            return true;
        }
        const dead = new Set((await s.sqs.peek('cxone-dlq')).map((m) => attribute(m, 'SluiceDeadLetter').trace_id));
        const lost = rest.filter((trace) => !dead.has(trace));
        if (lost.length > 0) {
            throw new Error(`${lost.length} of ${accepted.length} are neither yet, first ${lost[0]}`);
        }
        return true;
    }, { seconds: 60, every: 300 });
    const counts = Map.groupBy(s.ledger().filter((l) => l.status === 0), (l) => l.trace);
    return accepted.filter((trace) => counts.get(trace)?.length > 1).length;
}

// Short leases: what a poll brought in the moment of a death comes back after the visibility timeout.
export const shortLeases = {
    consumer: { workers: 2, in_flight: 64 },
    sources: { cxone: { retry: { wait_s: 1, visibility_s: 11 } } },
};

// Posts at a steady rate, each event on a connection of its own: whatever is not a 200 is wrong.
export function steadyLoad(t, s, body, { perSecond }) {
    const traces = [];
    const wrong = [];
    const pending = new Set();
    const timer = setInterval(() => {
        const one = s.post('cxone', body(), { agent: false, timeoutMs: 30_000 }).then(
            ({ status, headers, text }) => (status === 200 ? traces.push(headers['sluice-trace']) : wrong.push(`${status} ${text}`)),
            (error) => wrong.push(error.message)).finally(() => pending.delete(one));
        pending.add(one);
    }, 1000 / perSecond);
    t.after(() => clearInterval(timer));
    return {
        async stop() {
            clearInterval(timer);
            await Promise.all(pending);
            return { traces, wrong };
        },
    };
}

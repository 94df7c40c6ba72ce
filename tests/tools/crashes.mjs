// Crashes at named steps of a worker's work, each exactly once (common/base/fault.h).
import fs from 'node:fs';
import path from 'node:path';
import { Service } from './service.mjs';
import { until } from './wait.mjs';

// What sluiced gets so that a ticket kills at these points (of one role).
export function crashEnv(s, points) {
    s.tickets = path.join(s.dir, 'tickets');
    fs.mkdirSync(s.tickets, { recursive: true });
    return {
        SLUICE_FAULT: points.map((point) => `${point}:1:each`).join(','),
        SLUICE_FAULT_ROLE: points[0].split('.')[0],
        SLUICE_FAULT_TICKETS: s.tickets,
    };
}

// A service whose only consumer has one event in work at a time, so that it is known what a crash met.
export async function startCrashing(t, points, { conf = {} } = {}) {
    const retry = { wait_s: 0, visibility_s: 10 };
    const s = await Service.create(t, {
        conf: {
            consumer: { workers: 1, in_flight: 1 },
            sources: { genesys: { retry }, cxone: { retry } }, ...conf,
        },
    });
    s.env = crashEnv(s, points);
    await s.launch();
    return s;
}

// One worker of the role, long enough up that its death is not held against it.
async function settled(s, role) {
    return until(`the ${role} to be up`, async () => {
        const [worker] = await s.workers(role);
        return worker?.state === 'UP' && worker.uptime_s >= 2 && worker;
    }, { seconds: 20 });
}

// Makes the next process that comes to the point die there: does `work` and waits for the death.
export async function crash(s, point, work) {
    const role = point.split('.')[0];
    const before = await settled(s, role);
    fs.writeFileSync(path.join(s.tickets, point), '');
    const result = await work();
    await until(`a death at ${point}`, () => fs.readdirSync(s.tickets).length === 0, { seconds: 30, every: 5 });
    await until('another in its place', async () => {
        const [worker] = await s.workers(role);
        return worker?.state === 'UP' && worker.pid !== before.pid;
    }, { seconds: 10 });
    return result;
}

// Waiting by polling, always with a deadline.
import { setTimeout as pause } from 'node:timers/promises';

export const slow = process.env.SLUICE_TEST_BUILD?.endsWith('asan') ? 3 : 1;

// A machine that others use too stands still for seconds. A wait that ends well does not get longer by it,
// and no test proves anything by the end of one.
const patience = 4;

// Calls probe until it gives something truthy, which is returned. A probe that throws counts as "not
// yet"; its words are in the error when the time is over.
export async function until(what, probe, { seconds = 10, every = 25 } = {}) {
    const deadline = performance.now() + seconds * patience * 1000;
    let last;
    for (;;) {
        try {
            const got = await probe();
            if (got) {
                return got;
            }
            last = undefined;
        } catch (error) {
            last = error;
        }
        if (performance.now() >= deadline) {
            throw new Error(`waited ${seconds * patience} s in vain for ${what}` +
                (last ? `: ${last.message}` : ''));
        }
        await pause(every);
    }
}

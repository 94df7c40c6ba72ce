// Events as the two platforms send them, each with an id of its own.
import crypto from 'node:crypto';

let number = 0;
const run = `r${crypto.randomBytes(4).toString('hex')}`; // with digits first, "12e-5" is JSON
export const newId = () => `${run}-${++number}`;

// `what` is for the recording destination ("fail 2", "sleep 5", "refuse", ...).
export function genesys({ id = newId(), status = 'CALL_COMPLETED', what, ...more } = {}) {
    return JSON.stringify({
        campaignId: 'camp-1', contactId: 'c-1', callId: id, status, timestamp: '2026-11-21T09:30:00Z',
        conversation: { duration: 187, direction: 'outbound', queueName: 'Renewals', wrapUpCode: 'RESOLVED' },
        ...(what ? { do: what } : {}), ...more,
    });
}

export function cxone({ id = newId(), what, payload, ...more } = {}) {
    return JSON.stringify({
        event_id: id, tenant_id: 't_456', timestamp: '2024-10-23T14:00:00Z',
        payload: payload ?? { interaction_id: `i-${id}` }, ...(what ? { do: what } : {}), ...more,
    });
}

// Calls work(i) for 0..count-1, `width` at a time; the results in order.
export async function spread(count, width, work) {
    const results = new Array(count);
    let next = 0;
    await Promise.all(Array.from({ length: Math.min(width, count) }, async () => {
        for (let i = next++; i < count; i = next++) {
            results[i] = await work(i);
        }
    }));
    return results;
}

// Faults by script, for AwsFront: which operation, which of its calls, and what goes wrong.
//
//   const faulty = new FaultyAws();
//   faulty.add('SendMessageBatch', throttled, { nth: 2 });          // its second call from now on
//   AwsFront.start(t, { ..., faults: faulty.handle })
//
// A fault is (request, forward) => answer; forward() lets the backend do the work and gives its answer.
import { setTimeout as pause } from 'node:timers/promises';
import { errorAnswer } from './aws-request.mjs';

export class FaultyAws {
    constructor() {
        this.rules = [];
        this.done = []; // {operation, name} of each fault that was played
        this.handle = (request, forward) => {
            const rule = this.rules.find((r) => r.matches(request) && r.turn());
            if (!rule) {
                return forward();
            }
            this.done.push({ operation: request.operation, atMs: performance.now() });
            return rule.fault(request, forward);
        };
    }

    // operation: a name, or a function of the request. From the nth matching call on, `times` calls.
    add(operation, fault, { nth = 1, times = 1 } = {}) {
        let seen = 0;
        const rule = {
            matches: typeof operation === 'function' ? operation : (request) => request.operation === operation,
            turn: () => ++seen >= nth && seen < nth + times,
            fault,
        };
        this.rules.push(rule);
        return () => this.rules.splice(this.rules.indexOf(rule), 1);
    }

    // Everything that matches gets the fault until the function that is given back is called.
    always(operation, fault) {
        return this.add(operation, fault, { times: Infinity });
    }

    clear() {
        this.rules.length = 0;
    }
}

// ---- answers in place of the work ----

// legacy: the spelling of x-amzn-query-error.
export const fails = (status, code, { message = 'scripted', legacy, headers, prefix } = {}) => (request) =>
    errorAnswer(request, status, code, message, { legacy, headers, prefix });

// Throttling, as each service says it.
export const throttled = (request) => ({
    sqs: () => errorAnswer(request, 403, 'RequestThrottled', 'Request is throttled.', { legacy: 'RequestThrottled' }),
    s3: () => errorAnswer(request, 503, 'SlowDown', 'Please reduce your request rate.'),
    dynamodb: () => errorAnswer(request, 400, 'ProvisionedThroughputExceededException', 'The level of configured provisioned throughput for the table was exceeded.'),
})[request.service]();

// An answer that no AWS service wrote, as a proxy on the way gives it.
export const strange = (status, text = '<html><body>Bad gateway</body></html>') => () => ({
    status, headers: { 'content-type': 'text/html' }, body: Buffer.from(text),
});

export const hangs = () => new Promise(() => {});
export const cut = (where) => async (request, forward) =>
    (where === 'in body' ? { ...await forward(), cut: where } : { cut: where });

// ---- the work is done, and its answer is not what it should be ----

export const delayed = (ms) => async (request, forward) => {
    await pause(ms);
    return forward();
};

export const lost = async (request, forward) => {
    await forward();
    return { cut: 'at once' };
};

export const lostInSilence = async (request, forward) => {
    await forward();
    return hangs();
};

const withJson = (answer, change) => ({ ...answer, body: Buffer.from(JSON.stringify(change(JSON.parse(answer.body)))) });

// Every MD5 of the answer is that of something else.
export const wrongMd5 = async (request, forward) => withJson(await forward(), function change(value) {
    if (Array.isArray(value)) {
        return value.map(change);
    }
    if (value === null || typeof value !== 'object') {
        return value;
    }
    return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, /^MD5Of/.test(name) ? '0'.repeat(32) : change(inner)]));
});

// A checksum header (x-amz-checksum-sha256, x-amz-crc32) that does not match.
export const wrongHeader = (name, value) => async (request, forward) => {
    const answer = await forward();
    return { ...answer, headers: { ...answer.headers, [name]: value } };
};

export const garbled = (text) => async (request, forward) => {
    const { status, headers: { 'x-amz-crc32': crc, ...headers } } = await forward();
    return { status, headers, body: Buffer.from(text) };
};

// ---- batches ----

// Entry `index` is not done, and listed under Failed; without an entry for it, it is in neither list.
export const entryFails = (index, entry) => async (request, forward) => {
    const [out] = request.json.Entries.splice(index, 1);
    if (!out) {
        return forward();
    }
    request.body = Buffer.from(JSON.stringify(request.json));
    request.headers = { ...request.headers, 'content-length': request.body.length };
    const answer = request.json.Entries.length > 0
        ? await forward()
        : { status: 200, headers: { 'content-type': 'application/x-amz-json-1.0' }, body: Buffer.from('{}') };
    return withJson(answer, (json) => (entry ? { ...json, Failed: [...json.Failed ?? [], { Id: out.Id, ...entry }] } : json));
};

export const throttledEntry = { SenderFault: false, Code: 'RequestThrottled', Message: 'Request is throttled.' };
export const internalEntry = { SenderFault: false, Code: 'InternalError', Message: 'An internal error occurred.' };
export const senderFaultEntry = { SenderFault: true, Code: 'InvalidParameterValue', Message: 'One or more parameters are invalid.' };

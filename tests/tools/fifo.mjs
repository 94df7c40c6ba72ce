// fauxqs's FIFO queues, made as AWS's: a receive brings several messages of a group, in the order in which
// they were sent, also where some of them have been back. (fauxqs gives one of each group, and puts what
// comes back in front.) Import it before a server is started.
import { SqsQueue } from '../node_modules/fauxqs/dist/sqs/sqsStore.js';

const one = SqsQueue.prototype.dequeueFifo;

const order = (a, b) => (BigInt(a.sequenceNumber) < BigInt(b.sequenceNumber) ? -1 : 1);

// What is in flight from before keeps its group locked; what this receive takes does so from its end on.
SqsQueue.prototype.dequeueFifo = function dequeueFifo(count, ...more) {
    this.processTimers();
    this.fifoMessages.forEach((group) => group.sort(order));
    const before = new Set(this.fifoLockedGroups.keys());
    const taken = [];
    const all = [];
    for (let got = [null]; got.length > 0 && all.length < count;) {
        got = one.call(this, count - all.length, ...more);
        all.push(...got);
        for (const [group, locks] of [...this.fifoLockedGroups].filter(([name]) => !before.has(name))) {
            taken.push([group, locks]);
            this.fifoLockedGroups.delete(group);
        }
    }
    taken.forEach(([group, locks]) => this.fifoLockedGroups.set(group, (this.fifoLockedGroups.get(group) ?? 0) + locks));
    return all;
};

// Our own client as a program (tests/interop/peer): JSON in, JSON out, a line each.
import { spawn } from 'node:child_process';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { build } from './service.mjs';

export class Peer {
    constructor({ url, service, region = 'us-east-1', id = 'AKIDPEER', secret = 'peer-secret', token }) {
        const conf = { url, service, region, access_key_id: id, secret, token };
        this.child = spawn(path.join(build, 'interop/peer'), [JSON.stringify(conf)], { stdio: ['pipe', 'pipe', 'inherit'] });
        this.child.stdin.on('error', () => {}); // its end is told by `exited`
        this.waiting = [];
        this.exited = new Promise((resolve) => this.child.on('close', (status, signal) => {
            this.ended = { status, signal };
            this.waiting.splice(0).forEach(({ reject }) => reject(new Error(`the peer ended: ${status ?? signal}`)));
            resolve(this.ended);
        }));
        createInterface({ input: this.child.stdout }).on('line', (line) => this.waiting.shift().resolve(JSON.parse(line)));
    }

    // One operation; they are done in the order they were asked for.
    run(op, input = {}) {
        if (this.ended) {
            return Promise.reject(new Error('the peer has ended'));
        }
        return new Promise((resolve, reject) => {
            this.waiting.push({ resolve, reject });
            this.child.stdin.write(`${JSON.stringify({ op, ...input })}\n`);
        });
    }

    async close() {
        this.child.stdin.end();
        const { status, signal } = await this.exited;
        if (status !== 0) {
            throw new Error(`the peer ended with ${status ?? signal}`); // a sanitizer's find, too
        }
    }
}

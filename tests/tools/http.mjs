// A small HTTP client: TCP or Unix socket, keep-alive, the answer's bytes; and raw bytes over TCP.
import http from 'node:http';
import net from 'node:net';

// Answers {status, headers, body (Buffer), text, json()}. target: {port} or {socketPath}.
export function request(target, path, { method = 'GET', headers = {}, body, agent, timeoutMs = 30_000 } = {}) {
    return new Promise((resolve, reject) => {
        const call = http.request({ host: '127.0.0.1', ...target, path, method, headers, agent }, (answer) => {
            const parts = [];
            answer.on('data', (part) => parts.push(part));
            answer.on('error', reject);
            answer.on('end', () => {
                const bytes = Buffer.concat(parts);
                resolve({
                    status: answer.statusCode,
                    headers: answer.headers,
                    body: bytes,
                    text: bytes.toString(),
                    json: () => JSON.parse(bytes.toString()),
                });
            });
        });
        call.setTimeout(timeoutMs, () => call.destroy(new Error(`no answer in ${timeoutMs} ms`)));
        call.on('error', reject);
        call.end(body);
    });
}

// Sends bytes as they are and gives all that comes back until the server closes, it is enough, or
// timeoutMs is over.
// chunks: one string or Buffer, or [[delay in ms, bytes], ...].
export function raw(port, chunks, { timeoutMs = 30_000, enough = () => false } = {}) {
    return new Promise((resolve, reject) => {
        const started = performance.now();
        const parts = [];
        const socket = net.connect(port, '127.0.0.1');
        const finish = (closed) => {
            clearTimeout(timer);
            socket.destroy();
            resolve({ text: Buffer.concat(parts).toString('latin1'), closed, ms: performance.now() - started });
        };
        const timer = setTimeout(() => finish(false), timeoutMs);
        socket.on('data', (part) => {
            parts.push(part);
            if (enough(Buffer.concat(parts).toString('latin1'))) {
                finish(false);
            }
        });
        socket.on('end', () => finish(true));
        socket.on('error', (error) => (parts.length > 0 || error.code === 'ECONNRESET' || error.code === 'EPIPE'
            ? finish(true)
            : (clearTimeout(timer), reject(error))));
        socket.on('connect', async () => {
            for (const [delay, bytes] of Array.isArray(chunks) ? chunks : [[0, chunks]]) {
                if (delay > 0) {
                    await new Promise((next) => setTimeout(next, delay));
                }
                if (socket.destroyed) {
                    return;
                }
                socket.write(bytes);
            }
        });
    });
}

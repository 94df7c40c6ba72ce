// An HTTP or HTTPS receiver of deliveries. It keeps what came and answers as the test says.
import http from 'node:http';
import https from 'node:https';

export class Receiver {
    // answer(seen, nth) gives {status, headers, body} or a promise of it, or nothing to leave the request hanging. nth
    // counts the requests of one event from 1. tls: what https.createServer takes.
    static async start(t, answer, { tls } = {}) {
        const r = new Receiver();
        r.answer = answer;
        r.requests = [];
        const take = (request, response) => r.take(request, response);
        r.server = tls ? https.createServer(tls, take) : http.createServer(take);
        await new Promise((resolve) => r.server.listen(0, '127.0.0.1', resolve));
        r.port = r.server.address().port;
        r.url = `${tls ? 'https' : 'http'}://127.0.0.1:${r.port}`;
        t?.after(() => r.stop());
        return r;
    }

    take(request, response) {
        const parts = [];
        request.on('data', (part) => parts.push(part));
        request.on('end', async () => {
            const seen = {
                method: request.method, url: request.url, headers: request.headers, body: Buffer.concat(parts),
                atMs: performance.now(), client: request.socket.getPeerCertificate?.()?.subject?.CN,
            };
            this.requests.push(seen);
            const nth = this.of(seen.headers['sluice-trace']).length;
            const { status, headers = {}, body = '' } = await this.answer(seen, nth) ?? {};
            if (status) {
                response.writeHead(status, headers);
                response.end(body);
            }
        });
    }

    // The requests of one event.
    of(trace) {
        return this.requests.filter(({ headers }) => headers['sluice-trace'] === trace);
    }

    stop() {
        this.server.closeAllConnections();
        return new Promise((resolve) => this.server.close(resolve));
    }
}

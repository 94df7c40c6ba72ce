// AWS's front door before servers that do not check signatures (fauxqs, dynalite) or check others (our
// store): recomputes every signature, applies an IAM policy, and hands the request on.
//
//   const aws = await AwsFront.start(t, { backends: { sqs: { port }, s3: { port, pair, region } } });
//   sluiced's environment: aws.env()
//
// aws.requests lists what came, aws.refused what was not let through.
import http from 'node:http';
import https from 'node:https';
import { Sha256 } from '@aws-crypto/sha256-js';
import { SignatureV4 } from '@smithy/signature-v4';
import { errorAnswer, readRequest } from './aws-request.mjs';
import { checkSignature } from './aws-signature.mjs';
import { refusedAction, resourceOf } from './iam.mjs';

const hopByHop = ['connection', 'content-length', 'date', 'keep-alive', 'transfer-encoding'];
const account = '000000000000';
const key = { id: 'AKIDFRONT', secret: 'front/secret+key', token: undefined };

export class AwsFront {
    // backends: by service {port}; with pair (a function) the request is signed anew for that server.
    // keys: those that AWS knows. policy: an IAM policy; without one everything is allowed.
    // faults: (request, forward) => answer, see faulty-aws.mjs. tls: what https.createServer takes.
    static async start(t, { backends, keys = [key], region = 'us-east-1', policy, faults, tls } = {}) {
        const f = new AwsFront();
        Object.assign(f, { backends, keys, region, policy, faults, aheadMs: 0, requests: [], refused: [] });
        f.agent = new http.Agent({ keepAlive: true, maxSockets: 256 });
        const take = (request, response) => f.take(request, response);
        f.server = tls ? https.createServer(tls, take) : http.createServer(take);
        f.server.keepAliveTimeout = 60_000;
        await new Promise((resolve) => f.server.listen(0, '127.0.0.1', resolve));
        f.port = f.server.address().port;
        f.url = `${tls ? 'https' : 'http'}://127.0.0.1:${f.port}`;
        t?.after(() => f.stop());
        return f;
    }

    // The URL that AWS would give a queue; its host is never connected to.
    queueUrl(name) {
        return `https://sqs.${this.region}.amazonaws.com/${account}/${name}`;
    }

    // The environment of a program that shall use this AWS.
    env([{ id, secret, token }] = this.keys) {
        return {
            AWS_ACCESS_KEY_ID: id, AWS_SECRET_ACCESS_KEY: secret, ...(token ? { AWS_SESSION_TOKEN: token } : {}),
            AWS_REGION: this.region, AWS_ENDPOINT_URL: this.url, AWS_EC2_METADATA_DISABLED: 'true',
        };
    }

    now() {
        return Date.now() + this.aheadMs;
    }

    // Requests that came for an operation.
    of(operation) {
        return this.requests.filter((r) => r.operation === operation);
    }

    async take(incoming, response) {
        const gone = new AbortController();
        response.on('close', () => gone.abort());
        const parts = [];
        try {
            for await (const part of incoming) {
                parts.push(part);
            }
            const { method, url, headers } = incoming;
            const request = readRequest({ method, url, headers, body: Buffer.concat(parts) });
            this.requests.push({ service: request.service, operation: request.operation, atMs: performance.now() });
            const answer = await this.answer(request, gone.signal);
            this.send(response, answer);
        } catch (error) {
            if (!gone.signal.aborted) {
                console.error(error);
            }
            response.destroy();
        }
    }

    async answer(request, signal) {
        const bad = await checkSignature(request, { keys: this.keys, region: this.region, now: this.now() });
        if (bad) {
            this.refused.push({ why: bad.why, operation: request.operation });
            return bad.answer;
        }
        const denied = this.policy && refusedAction(this.policy, request, { region: this.region, account });
        if (denied) {
            this.refused.push({ why: 'denied', operation: request.operation, action: denied });
            return this.deny(request, denied);
        }
        const forward = () => this.forward(request, signal);
        return this.faults ? this.faults(request, forward) : forward();
    }

    deny(request, action) {
        const resource = resourceOf(request, { region: this.region, account });
        const message = `User: arn:aws:iam::${account}:user/sluice is not authorized to perform: ${action} on resource: ${resource} ` +
            `because no identity-based policy allows the ${action} action`;
        return request.service === 's3'
            ? errorAnswer(request, 403, 'AccessDenied', message)
            : errorAnswer(request, request.service === 'sqs' ? 403 : 400, 'AccessDeniedException', message, { legacy: 'AccessDenied', prefix: 'com.amazon.coral.service#' });
    }

    // The headers for the backend: as they came, or signed with the pair that it knows.
    async headersFor(request, { pair, region }, path) {
        if (!pair) {
            return { ...request.headers };
        }
        const { access_key_id: accessKeyId, secret_access_key: secretAccessKey } = pair();
        const s3 = request.service === 's3';
        const signer = new SignatureV4({
            credentials: { accessKeyId, secretAccessKey }, region, service: request.service, sha256: Sha256, uriEscapePath: !s3, applyChecksum: s3,
        });
        const headers = Object.fromEntries(Object.entries(request.headers).filter(([name]) =>
            !hopByHop.includes(name) && !['authorization', 'x-amz-security-token', 'x-amz-date'].includes(name)));
        const query = Object.fromEntries(request.query.entries());
        const again = await signer.sign({ method: request.method, protocol: 'http:', hostname: request.headers.host, path, query, headers, body: request.body });
        return { ...again.headers, 'content-length': request.body.length };
    }

    async forward(request, signal) {
        const backend = this.backends[request.service];
        const path = request.virtual ? `/${request.bucket}${request.path}` : request.path;
        const search = request.url.slice(request.path.length);
        const headers = await this.headersFor(request, backend, path);
        return new Promise((resolve, reject) => {
            const call = http.request({
                host: '127.0.0.1', port: backend.port, method: request.method, path: `${path}${search}`, headers, agent: this.agent, signal,
            }, (answer) => {
                const parts = [];
                answer.on('data', (part) => parts.push(part));
                answer.on('error', reject);
                answer.on('end', () => resolve({ status: answer.statusCode, headers: answer.headers, body: Buffer.concat(parts) }));
            });
            call.on('error', reject);
            call.end(request.body);
        });
    }

    // answer: {status, headers, body}; cut "at once", "in head" or "in body" ends the connection there.
    send(response, { status, headers, body, cut }) {
        const kept = Object.entries(headers ?? {}).filter(([name]) => !hopByHop.includes(name));
        const head = { ...Object.fromEntries(kept), date: new Date(this.now()).toUTCString() };
        if (cut === 'at once') {
            response.destroy();
        } else if (cut === 'in head') {
            response.socket.write('HTTP/1.1 200 OK\r\ncontent-ty', () => response.destroy());
        } else if (cut === 'in body') {
            response.writeHead(200, { ...head, 'content-length': body.length + 2 });
            response.write(body.length > 0 ? body.subarray(0, (body.length + 1) >> 1) : '{', () => response.destroy());
        } else {
            response.writeHead(status, { ...head, 'content-length': body.length });
            response.end(body);
        }
    }

    stop() {
        this.agent.destroy();
        this.server.closeAllConnections();
        return new Promise((resolve) => this.server.close(resolve));
    }
}

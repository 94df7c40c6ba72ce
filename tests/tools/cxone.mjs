// A token endpoint and an API behind it, both strict: what a careless client gets away with
// elsewhere is refused here. They count what came, and do what the test says.
import crypto from 'node:crypto';
import http from 'node:http';

const form = /^[A-Za-z0-9._+%*-]+=[A-Za-z0-9._+%*-]*(&[A-Za-z0-9._+%*-]+=[A-Za-z0-9._+%*-]*)*$/;
const fieldText = (text) => decodeURIComponent(text.replace(/\+/g, ' '));

export class Cxone {
    // options: client {id, secret}, auth 'basic'|'post', grant, scopes, user {name, password},
    // lifetimeS (undefined: expires_in is left out), asText (expires_in as a string),
    // tokenBytes (its length).
    static async start(t, options = {}) {
        const c = new Cxone();
        Object.assign(c, {
            client: { id: 'client:1', secret: 'cl ient/s3cret+&=' }, auth: 'basic', grant: 'client_credentials',
            scopes: ['data-actions:read', 'data-actions:write'], user: { name: 'me@example', password: 'p w&s=ü' },
            lifetimeS: 3600, asText: false, tokenBytes: 0, ...options,
        });
        c.tokens = new Map(); // token -> {untilMs}
        c.tokenRequests = []; // {atMs, refused}
        c.issued = []; // every token ever given
        c.discoveries = 0;
        c.requests = []; // of the API: {method, url, headers, body, status, atMs}
        c.tokenAnswer = null; // (n) => {status, headers, body, delayMs}, in place of a token
        c.apiAnswer = () => ({ status: 200 });
        c.server = http.createServer((request, response) => c.take(request, response));
        await new Promise((resolve) => c.server.listen(0, '127.0.0.1', resolve));
        c.port = c.server.address().port;
        c.url = `http://127.0.0.1:${c.port}`;
        t?.after(() => c.stop());
        return c;
    }

    // What stands under "oauth" for it.
    conf(more = {}) {
        const conf = {
            grant: this.grant, token_url: `${this.url}/api/v2/oauth/token`, client_id: this.client.id,
            client_secret: this.client.secret, auth: this.auth, scopes: this.scopes,
            allow_networks: ['127.0.0.0/8'],
            ...(this.grant === 'password' ? { username: this.user.name, password: this.user.password } : {}),
            ...more,
        };
        if (conf.discovery_url) {
            delete conf.token_url;
        }
        return conf;
    }

    expireAll() {
        this.tokens.clear();
    }

    // The requests to the API that carried one event.
    of(trace) {
        return this.requests.filter(({ headers }) => headers['sluice-trace'] === trace);
    }

    take(request, response) {
        const parts = [];
        request.on('data', (part) => parts.push(part));
        request.on('end', () => {
            const body = Buffer.concat(parts).toString();
            const { status, headers = {}, body: out = '', delayMs = 0 } = this.answer(request, body) ?? {};
            if (status) {
                setTimeout(() => response.writeHead(status, headers).end(out), delayMs);
            }
        });
    }

    answer(request, body) {
        const { pathname } = new URL(request.url, this.url);
        if (pathname === '/.well-known/openid-configuration') {
            this.discoveries++;
            return this.json(200, { issuer: this.url, token_endpoint: `${this.url}/api/v2/oauth/token` });
        }
        return pathname === '/api/v2/oauth/token' ? this.giveToken(request, body) : this.serve(request, body);
    }

    json(status, value) {
        return { status, headers: { 'content-type': 'application/json' }, body: JSON.stringify(value) };
    }

    giveToken(request, body) {
        const refused = this.fault(request, body);
        this.tokenRequests.push({ atMs: performance.now(), refused });
        if (refused) {
            // As careless servers do, it says back what it was told.
            return this.json(refused.status ?? 400, { error: refused.error,
                error_description: `${refused.why}; you sent ${request.headers.authorization} ${body}` });
        }
        const instead = this.tokenAnswer?.(this.tokenRequests.length);
        if (instead?.status) {
            return instead;
        }
        const token = `T${crypto.randomBytes(20).toString('base64url')}`.padEnd(this.tokenBytes, '.');
        this.tokens.set(token, { untilMs: performance.now() + (this.lifetimeS ?? 300) * 1000 });
        this.issued.push(token);
        const life = this.lifetimeS === undefined ? {}
            : { expires_in: this.asText ? String(this.lifetimeS) : this.lifetimeS };
        return { delayMs: 0, ...instead, ...this.json(200, { access_token: token, token_type: 'Bearer', ...life }) };
    }

    // What is wrong with a token request; undefined where nothing is.
    fault(request, body) {
        const bad = (why, error = 'invalid_request', status = 400) => ({ why, error, status });
        if (request.method !== 'POST') {
            return bad(`method ${request.method}`, 'invalid_request', 405);
        }
        if (request.httpVersion !== '1.1' || request.url !== '/api/v2/oauth/token') {
            return bad('not HTTP/1.1 to this path');
        }
        if (request.headers['content-type'] !== 'application/x-www-form-urlencoded') {
            return bad(`content type ${request.headers['content-type']}`);
        }
        if (Number(request.headers['content-length']) !== body.length || !form.test(body)) {
            return bad('the body is not an encoded form');
        }
        const fields = new Map();
        for (const field of body.split('&')) {
            const [name, value] = field.split('=').map(fieldText);
            if (fields.has(name)) {
                return bad(`${name} twice`);
            }
            fields.set(name, value);
        }
        return this.badClient(request, fields, bad) ?? this.badGrant(fields, bad);
    }

    badClient(request, fields, bad) {
        let id = fields.get('client_id'), secret = fields.get('client_secret');
        const header = request.headers.authorization;
        if (this.auth === 'basic') {
            if (id !== undefined || secret !== undefined || !header?.startsWith('Basic ')) {
                return bad('the client is registered for basic', 'invalid_client', 401);
            }
            const pair = Buffer.from(header.slice(6), 'base64').toString().split(':');
            [id, secret] = pair.length === 2 ? pair.map(fieldText) : [];
        } else if (header !== undefined) {
            return bad('the client is registered for post', 'invalid_client', 401);
        }
        return id === this.client.id && secret === this.client.secret ? undefined
            : bad('unknown client', 'invalid_client', 401);
    }

    badGrant(fields, bad) {
        const known = this.grant === 'password' ? ['grant_type', 'username', 'password', 'scope'] : ['grant_type', 'scope'];
        const extra = [...fields.keys()].filter((name) => ![...known, 'client_id', 'client_secret'].includes(name));
        if (extra.length) {
            return bad(`unknown field ${extra}`);
        }
        if (fields.get('grant_type') !== this.grant) {
            return bad(`grant ${fields.get('grant_type')}`, 'unsupported_grant_type');
        }
        if (this.grant === 'password' &&
            (fields.get('username') !== this.user.name || fields.get('password') !== this.user.password)) {
            return bad('wrong user', 'invalid_grant');
        }
        const asked = (fields.get('scope') ?? '').split(' ');
        return asked.every((scope) => this.scopes.includes(scope)) ? undefined : bad('scope', 'invalid_scope');
    }

    serve(request, body) {
        const seen = { method: request.method, url: request.url, headers: request.headers, body, atMs: performance.now() };
        const [, token] = /^Bearer (\S+)$/.exec(request.headers.authorization ?? '') ?? [];
        const held = this.tokens.get(token);
        const answer = held && held.untilMs > performance.now()
            ? this.apiAnswer(seen, this.of(seen.headers['sluice-trace']).length + 1)
            : { status: 401, headers: { 'www-authenticate': 'Bearer error="invalid_token"' } };
        this.requests.push({ ...seen, status: answer?.status });
        return answer;
    }

    stop() {
        this.server.closeAllConnections();
        return new Promise((resolve) => this.server.close(resolve));
    }
}

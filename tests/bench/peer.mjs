// What many teams write in place of Sluice, as the tutorials of its libraries have it, in a process of
// its own: "ingest" takes webhooks and answers when SQS has them; "consume" posts what SQS brings.
// The parent sends {role, endpoint, pair, queueUrl, slots, url} and then "stop".
import http from 'node:http';
import { SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { Consumer } from 'sqs-consumer';

const { role, endpoint, pair, queueUrl, slots, url } = await new Promise((resolve) => process.once('message', resolve));
const sqs = new SQSClient({
    region: 'local', endpoint, useQueueUrlAsEndpoint: false,
    credentials: { accessKeyId: pair.access_key_id, secretAccessKey: pair.secret_access_key },
    requestHandler: { httpAgent: { keepAlive: true, maxSockets: 64 } },
});

function ingest() {
    const server = http.createServer(async (request, response) => {
        const parts = [];
        for await (const part of request) {
            parts.push(part);
        }
        try {
            const MessageBody = Buffer.concat(parts).toString();
            JSON.parse(MessageBody);
            await sqs.send(new SendMessageCommand({ QueueUrl: queueUrl, MessageBody }));
            response.writeHead(200, { 'content-type': 'application/json' }).end('{"status":"accepted"}');
        } catch {
            response.writeHead(503).end();
        }
    });
    server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
}

function consume() {
    const agent = new http.Agent({ keepAlive: true, maxSockets: slots });
    const handleMessage = (message) => new Promise((resolve, reject) => {
        const request = http.request(url, { method: 'POST', agent }, (response) => {
            response.resume();
            response.on('end', () => (response.statusCode === 200 ? resolve(message) : reject(new Error(String(response.statusCode)))));
        });
        request.on('error', reject);
        request.end(message.Body);
    });
    const consumer = Consumer.create({ queueUrl, sqs, batchSize: slots, waitTimeSeconds: 20, handleMessage });
    consumer.on('error', (error) => console.error(error.message));
    consumer.start();
    process.send({});
}

process.once('message', () => process.exit(0));
process.once('disconnect', () => process.exit(0));
({ ingest, consume })[role]();

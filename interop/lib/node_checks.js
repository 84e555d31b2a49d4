'use strict';
// node node_checks.js UPSTREAM_PORT PROXY_PORT: Node's server behind the proxy, Node's client in front of it.
const http = require('http');
const net = require('net');
const crypto = require('crypto');

const [upstreamPort, proxyPort] = process.argv.slice(2).map(Number);
let failed = 0;

function check(claim, holds, seen) {
  if (!holds) failed++;
  console.log(`${holds ? 'PASS' : 'FAIL'} ${claim}${holds ? '' : ': ' + JSON.stringify(seen)}`);
}

const hash = (data) => crypto.createHash('sha256').update(data).digest('hex');

// ---- the upstream
const upgraded = [];
const server = http.createServer((request, response) => {
  if (request.url === '/early') response.writeEarlyHints({ link: '</style.css>; rel=preload' });
  const digest = crypto.createHash('sha256');
  let length = 0;
  if (request.url === '/mirror') {
    response.writeHead(200, { 'content-type': 'application/octet-stream' });
    request.pipe(response);
    return;
  }
  if (request.url === '/trickle') {
    let n = 0;
    const timer = setInterval(() => {
      response.write(`part ${n++};`);
      if (n === 10) { clearInterval(timer); response.end(); }
    }, 10);
    return;
  }
  if (request.url === '/early-413') {
    response.writeHead(413, { connection: 'close' });
    response.end('too large');
    return;
  }
  request.on('data', (part) => { digest.update(part); length += part.length; });
  request.on('end', () => {
    response.setHeader('x-connection-id', String(request.socket.remotePort));
    response.end(JSON.stringify({ method: request.method, url: request.url, length, sha256: digest.digest('hex'), headers: request.headers }));
  });
});
server.on('upgrade', (request, socket, head) => {
  upgraded.push(request.headers);
  const key = request.headers['sec-websocket-key'] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
  socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n'
    + `Sec-WebSocket-Accept: ${crypto.createHash('sha1').update(key).digest('base64')}\r\n\r\n`);
  socket.on('error', () => {});
  socket.on('end', () => socket.end());
  socket.on('data', (data) => socket.write(unmask(data)));
  if (head.length) socket.write(unmask(head));
});

// One small masked text frame in, the same unmasked out (RFC 6455 section 5.2).
function unmask(frame) {
  const length = frame[1] & 0x7f;
  const mask = frame.subarray(2, 6);
  const out = Buffer.alloc(2 + length);
  out[0] = frame[0];
  out[1] = length;
  for (let i = 0; i < length; i++) out[2 + i] = frame[6 + i] ^ mask[i % 4];
  return out;
}

function frame(text) {
  const data = Buffer.from(text);
  const mask = crypto.randomBytes(4);
  return Buffer.concat([Buffer.from([0x81, 0x80 | data.length]), mask, data.map((byte, i) => byte ^ mask[i % 4])]);
}

// ---- the client
function send(options, write) {
  return new Promise((resolve, reject) => {
    const request = http.request({ host: '127.0.0.1', port: proxyPort, ...options }, (response) => {
      const parts = [];
      response.on('data', (part) => parts.push(part));
      response.on('error', reject);
      response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, body: Buffer.concat(parts), parts: parts.length,
        complete: response.complete, port: request.socket?.localPort }));
    });
    request.on('error', reject);
    request.setTimeout(15000, () => request.destroy(new Error('timeout')));
    if (write) write(request); else request.end();
  });
}

async function main() {
  await new Promise((resolve) => server.listen(upstreamPort, '127.0.0.1', resolve));
  const agent = new http.Agent({ keepAlive: true, maxSockets: 4 });

  const answers = await Promise.all(Array.from({ length: 400 }, (_, n) => send({ agent, path: `/n/${n}` })));
  check('400 requests of a keep-alive agent each get their own answer', answers.every((a, n) => a.status === 200 && JSON.parse(a.body).url === `/n/${n}`),
    answers.filter((a, n) => a.status !== 200 || JSON.parse(a.body).url !== `/n/${n}`).map((a) => a.status));
  const upstreams = new Set(answers.map((a) => a.headers['x-connection-id']));
  check('over few upstream connections', upstreams.size <= 8, upstreams.size);

  const big = crypto.randomBytes(8 << 20);
  let answer = await send({ agent, method: 'POST', path: '/up' }, (request) => {
    for (let at = 0; at < big.length; at += 100000) request.write(big.subarray(at, at + 100000));
    request.end();
  });
  check('8 MiB stream up in chunks', JSON.parse(answer.body).sha256 === hash(big), answer.status);

  answer = await send({ agent, method: 'POST', path: '/mirror' }, (request) => request.end(big));
  check('8 MiB go up and come down at the same time', answer.complete && hash(answer.body) === hash(big), answer.body.length);

  answer = await send({ agent, path: '/trickle' });
  check('a trickle of chunks arrives as it is sent, not at the end', answer.parts >= 5 && answer.body.toString().endsWith('part 9;'), answer.parts);

  let continued = 0;
  answer = await send({ agent, method: 'PUT', path: '/expect', headers: { Expect: '100-continue', 'content-length': 5 } }, (request) => {
    request.on('continue', () => { continued++; request.end('hello'); });
    request.flushHeaders();
  });
  check('Expect: 100-continue is answered before the body', continued === 1 && JSON.parse(answer.body).sha256 === hash('hello'), continued);

  answer = await send({ agent, path: '/early' });
  check('early hints disturb nothing', answer.status === 200 && JSON.parse(answer.body).url === '/early', answer.status);

  answer = await send({ agent, method: 'POST', path: '/early-413', headers: { 'content-length': 1000 } }, (request) => { request.write('x'); setTimeout(() => request.end('x'.repeat(999)), 300); });
  check('an early 413 comes through while the upload runs', answer.status === 413 && answer.body.toString() === 'too large', answer.status);

  answer = await send({ agent, path: '/after' });
  check('and the next request is served', answer.status === 200 && JSON.parse(answer.body).url === '/after', answer.status);

  answer = await send({ agent, method: 'HEAD', path: '/head' });
  check('HEAD', answer.status === 200 && answer.body.length === 0, answer.status);

  await websocket();
  await refusedUpgrade();
}

function upgrade(path, protocol) {
  return new Promise((resolve, reject) => {
    const request = http.request({ host: '127.0.0.1', port: proxyPort, path, agent: false,
      headers: { Connection: 'Upgrade', Upgrade: protocol, 'Sec-WebSocket-Key': crypto.randomBytes(16).toString('base64'), 'Sec-WebSocket-Version': '13' } });
    request.on('upgrade', (response, socket, head) => resolve({ status: 101, response, socket, head }));
    request.on('response', (response) => { response.resume(); resolve({ status: response.statusCode }); });
    request.on('error', reject);
    request.setTimeout(10000, () => request.destroy(new Error('timeout')));
    request.end();
  });
}

async function websocket() {
  const { status, socket } = await upgrade('/ws/echo', 'websocket');
  check('a WebSocket opens', status === 101, status);
  if (status !== 101) return;
  let got = Buffer.alloc(0);
  socket.on('data', (data) => { got = Buffer.concat([got, data]); });
  for (let n = 0; n < 50; n++) {
    const text = `message ${n}`;
    const before = got.length;
    socket.write(frame(text));
    while (got.length < before + text.length + 2) await new Promise((resolve) => socket.once('data', resolve));
  }
  check('50 messages are echoed', got.subarray(got.length - 10).toString() === 'message 49', got.toString().slice(-40));
  const closed = new Promise((resolve) => socket.on('close', () => resolve(true)));
  socket.end();
  const timeout = new Promise((resolve) => setTimeout(() => resolve(false), 5000));
  check('closing one end closes the other', await Promise.race([closed, timeout]), 'still open');
}

async function refusedUpgrade() {
  const before = upgraded.length;
  const { status, socket } = await upgrade('/plain', 'websocket');
  if (socket) socket.destroy();
  check('an upgrade where no route allows it opens no tunnel', status !== 101 && upgraded.length === before, status);
  const other = await upgrade('/ws/h2c', 'h2c');
  if (other.socket) other.socket.destroy();
  check('an upgrade to another protocol opens no tunnel', other.status !== 101 && upgraded.length === before, other.status);
}

main().catch((error) => { check('no error', false, String(error.stack)); })
  .finally(() => process.exit(failed ? 1 : 0));

'use strict';
// node node_h2.js H1_UPSTREAM_PORT H2_UPSTREAM_PORT PROXY_PORT: Node's servers of both versions behind the proxy (h1.example, h2.example),
// Node's clients of both versions in front of it.
const http = require('http');
const http2 = require('http2');
const crypto = require('crypto');

const [h1Port, h2Port, proxyPort] = process.argv.slice(2).map(Number);
let failed = 0;

function check(claim, holds, seen) {
  if (!holds) failed++;
  console.log(`${holds ? 'PASS' : 'FAIL'} ${claim}${holds ? '' : ': ' + JSON.stringify(seen)}`);
}

const hash = (data) => crypto.createHash('sha256').update(data).digest('hex');

// ---- the upstreams: Node's compatibility API lets one function serve both versions
let hanging = 0;
let aborted = 0;
function serve(request, response) {
  response.on('error', () => {});
  request.on('error', () => {});
  if (request.url === '/mirror') { response.writeHead(200); request.pipe(response); return; }
  if (request.url === '/hang') { hanging++; response.on('close', () => { aborted++; }); return; }
  if (request.url === '/cut') {
    response.writeHead(200);
    response.write('x'.repeat(100000), () => (response.stream ? response.stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR) : response.socket.resetAndDestroy()));
    return;
  }
  if (request.url === '/early-413') { response.writeHead(413); response.end('too large'); return; }
  if (request.url === '/trickle') {
    let n = 0;
    const timer = setInterval(() => { response.write(`part ${n++};`); if (n === 10) { clearInterval(timer); response.end(); } }, 10);
    return;
  }
  if (request.url === '/hints') response.writeEarlyHints({ link: '</style.css>; rel=preload' });
  const digest = crypto.createHash('sha256');
  let length = 0;
  request.on('data', (part) => { digest.update(part); length += part.length; });
  request.on('end', () => {
    if (request.url === '/trailers') {
      response.writeHead(200, { trailer: 'x-end' });
      response.addTrailers({ 'x-end': 'yes' });
    }
    response.end(JSON.stringify({ method: request.method, url: request.url, length, sha256: digest.digest('hex'), headers: request.headers, trailers: request.trailers,
      version: request.httpVersion }));
  });
}

// ---- clients: both give { status, headers, body, trailers, hints, parts, error }
function h2Client(session, host) {
  return (method, path, write, fields = {}) => new Promise((resolve) => {
    const result = { parts: 0, hints: [], trailers: {} };
    const stream = session.request({ ':method': method, ':path': path, ':authority': host, ...fields }, { endStream: !write });
    const parts = [];
    stream.on('response', (headers) => { result.status = headers[':status']; result.headers = headers; });
    stream.on('headers', (headers) => result.hints.push([headers[':status'], headers.link]));
    stream.on('trailers', (trailers) => { result.trailers = { ...trailers }; });
    stream.on('data', (part) => { parts.push(part); result.parts++; });
    stream.on('error', (error) => { result.error = error.code; });
    stream.on('end', () => { result.ended = true; });
    stream.on('close', () => { result.body = Buffer.concat(parts); result.code = stream.rstCode; resolve(result); });
    stream.setTimeout(15000, () => stream.close(http2.constants.NGHTTP2_CANCEL));
    if (write) write(stream);
  });
}

function h1Client(agent, host) {
  return (method, path, write, fields = {}) => new Promise((resolve) => {
    const result = { parts: 0, hints: [], trailers: {} };
    const request = http.request({ host: '127.0.0.1', port: proxyPort, agent, method, path, headers: { host, ...fields } }, (response) => {
      const parts = [];
      Object.assign(result, { status: response.statusCode, headers: response.headers });
      response.on('data', (part) => { parts.push(part); result.parts++; });
      response.on('error', (error) => { result.error = error.code; });
      response.on('close', () => { result.body = Buffer.concat(parts); result.trailers = response.trailers; result.ended = response.complete; resolve(result); });
    });
    request.on('information', (info) => result.hints.push([info.statusCode, info.headers.link]));
    request.on('error', (error) => { result.error = error.code; resolve(result); });
    request.setTimeout(15000, () => request.destroy(new Error('timeout')));
    if (write) write(request); else request.end();
  });
}

async function checks(label, ask) {
  const json = (answer) => { try { return JSON.parse(answer.body); } catch { return {}; } };
  const many = await Promise.all(Array.from({ length: 400 }, (_, n) => ask('GET', `/n/${n}`)));
  const wrong = many.filter((answer, n) => answer.status !== 200 || json(answer).url !== `/n/${n}`);
  check(`${label}: 400 requests at once each get their own answer`, wrong.length === 0, wrong.slice(0, 5).map((a) => [a.status, a.error]));

  const big = crypto.randomBytes(8 << 20);
  const inParts = (out) => { for (let at = 0; at < big.length; at += 100000) out.write(big.subarray(at, at + 100000)); out.end(); };
  check(`${label}: 8 MiB up`, json(await ask('POST', '/up', inParts)).sha256 === hash(big));
  let answer = await ask('POST', '/mirror', inParts);
  check(`${label}: 8 MiB up and down at the same time`, answer.ended && hash(answer.body) === hash(big), [answer.status, answer.body?.length, answer.error]);
  const mirrors = await Promise.all(Array.from({ length: 10 }, () => ask('POST', '/mirror', (out) => out.end(big.subarray(0, 1 << 20)))));
  check(`${label}: 10 of 1 MiB at once`, mirrors.every((a) => a.body && hash(a.body) === hash(big.subarray(0, 1 << 20))), mirrors.map((a) => [a.status, a.body?.length]));

  answer = await ask('GET', '/trickle');
  check(`${label}: a trickle arrives as it is sent`, answer.parts >= 5 && answer.body.toString().endsWith('part 9;'), answer.parts);

  let continued = 0;
  answer = await ask('PUT', '/expect', (out) => { out.on('continue', () => { continued++; out.end('hello'); }); out.flushHeaders?.(); }, { expect: '100-continue' });
  check(`${label}: 100-continue comes before the body`, continued === 1 && json(answer).sha256 === hash('hello'), [continued, answer.status, answer.error]);

  answer = await ask('GET', '/hints');
  check(`${label}: 103 and then the answer`, answer.status === 200 && JSON.stringify(answer.hints) === '[[103,"</style.css>; rel=preload"]]', [answer.status, answer.hints]);
  answer = await ask('GET', '/trailers', null, { te: 'trailers' });
  check(`${label}: trailers come down`, answer.status === 200 && answer.trailers['x-end'] === 'yes', [answer.status, answer.trailers]);
  answer = await ask('HEAD', '/head');
  check(`${label}: HEAD`, answer.status === 200 && answer.body.length === 0, answer.status);

  answer = await ask('POST', '/early-413', (out) => { out.write('x'.repeat(1000)); setTimeout(() => out.destroyed || out.end('x'), 200); });
  check(`${label}: an early 413 comes while the upload runs`, answer.status === 413 && answer.body.toString() === 'too large', [answer.status, answer.error]);
  answer = await ask('GET', '/cut');
  check(`${label}: a cut response is an error`, answer.status === 503 || answer.error !== undefined || answer.ended === false, [answer.status, answer.error, answer.ended]);
  answer = await ask('GET', '/after');
  check(`${label}: and the next is served`, answer.status === 200, [answer.status, answer.error]);
}

async function until(condition) {
  for (let n = 0; n < 250 && !condition(); n++) await new Promise((resolve) => setTimeout(resolve, 20));
}

async function givenUp(label, start) {
  const before = [hanging, aborted];
  const stop = Array.from({ length: 10 }, () => start());
  await until(() => hanging === before[0] + 10);
  stop.forEach((each) => each());
  await until(() => aborted === before[1] + 10);
  check(`${label}: 10 requests that the client gives up are given up at the upstream`, aborted === before[1] + 10, [hanging - before[0], aborted - before[1]]);
}

async function main() {
  await new Promise((resolve) => http.createServer(serve).listen(h1Port, '127.0.0.1', resolve));
  await new Promise((resolve) => http2.createServer(serve).listen(h2Port, '127.0.0.1', resolve));
  const session = http2.connect(`http://127.0.0.1:${proxyPort}`);
  session.on('error', (error) => check('no error of the session', false, error.code));
  const agent = new http.Agent({ keepAlive: true, maxSockets: 16 });
  for (const host of ['h1.example', 'h2.example']) {
    const to = host.slice(0, 2);
    await checks(`h2 to ${to}`, h2Client(session, host));
    await givenUp(`h2 to ${to}`, () => {
      const stream = session.request({ ':path': '/hang', ':authority': host });
      stream.on('error', () => {});
      return () => stream.close(http2.constants.NGHTTP2_CANCEL);
    });
  }
  check('all of it on one HTTP/2 connection', !session.closed && !session.destroyed, [session.closed, session.destroyed]);
  await checks('h1 to h2', h1Client(agent, 'h2.example'));
  await givenUp('h1 to h2', () => {
    const request = http.get({ host: '127.0.0.1', port: proxyPort, path: '/hang', headers: { host: 'h2.example' }, agent: false });
    request.on('error', () => {});
    return () => request.destroy();
  });
}

main().catch((error) => { check('no error', false, String(error.stack)); })
  .finally(() => process.exit(failed ? 1 : 0));

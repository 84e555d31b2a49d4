'use strict';
// A plain Node server that tells what it read. Prints its port and the methods it knows, then one line of JSON for each connection
// that has closed: the requests as [method, target, body in base64], and the error that ended it, if one did.
const http = require('http');

const server = http.createServer({ insecureHTTPParser: false, keepAlive: true }, (request, response) => {
  const parts = [];
  request.on('data', (part) => parts.push(part));
  request.on('error', () => {});
  request.on('end', () => {
    request.socket.seen.push([request.method, request.url, Buffer.concat(parts).toString('base64')]);
    response.end();
  });
});
server.maxRequestsPerSocket = 0;
server.on('connection', (socket) => {
  socket.seen = [];
  socket.setTimeout(3000, () => socket.destroy());
  socket.on('close', () => console.log(JSON.stringify([socket.seen, socket.reason ?? 'end'])));
});
// An expectation is no matter of framing.
server.on('checkExpectation', (request, response) => server.emit('request', request, response));
// What was read before the error counts: its events may still be on their way.
server.on('clientError', (error, socket) => {
  socket.reason ??= error.code ?? String(error);
  setImmediate(() => setImmediate(() => socket.destroy()));
});
server.listen(0, '127.0.0.1', () => console.log(JSON.stringify([server.address().port, http.METHODS])));
process.stdin.on('end', () => process.exit(0)).resume();

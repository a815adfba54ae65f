// The door: the far ends of all tunnels, a socket in a folder of this user alone. It lets in who knows a machine's secret, to
// the few things that its keeper and trials need.
'use strict';
const events = require('events');
const fs = require('fs');
const http = require('http');
const net = require('net');
const os = require('os');
const path = require('path');
const { API, root } = require('./common.js');

const ASKED = /^\/(experiment|trial-jobs\/[\w-]+|metric-data\/[\w-]+\?type=FINAL)$/;
const secrets = new Map(); // secret -> number of the machine's channel
let opened;

function openDoor() {
  if (opened) return opened;
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'ednas-door-')); // 0700
  const door = { socket: path.join(folder, 'door'), port: 0 };
  process.on('exit', () => fs.rmSync(folder, { recursive: true, force: true }));
  opened = (async () => {
    for (const place of [[door.socket], [0, '127.0.0.1']]) {
      const server = http.createServer();
      server.ednasDoor = true; // loopback.js: Host and Origin say nothing here, the secret does
      server.on('request', asked).on('upgrade', upgraded);
      server.listen(...place);
      await events.once(server, 'listening');
      door.port = server.address().port || door.port;
    }
    return door;
  })();
  return opened;
}

// The channel that a secret belongs to, and the path behind it.
function inside(url) {
  const [, secret, rest] = /^\/([0-9a-f]{48})(\/.*)$/.exec(url) || [];
  return secrets.has(secret) ? [secrets.get(secret), rest] : [];
}

function asked(request, answer) {
  const [channel, place] = inside(request.url);
  if (channel === undefined || request.method !== 'GET' || !place.startsWith(API)) { answer.writeHead(403).end(); return; }
  const wanted = place.slice(API.length);
  if (wanted === '/ednas-journal') {
    fs.createReadStream(path.join(root(), 'ednas', 'journal.jsonl')).on('error', () => answer.writeHead(404).end()).pipe(answer);
    return;
  }
  if (!ASKED.test(wanted)) { answer.writeHead(403).end(); return; }
  const { port } = global.nni.args;
  const inner = http.get({ host: '127.0.0.1', port, path: place, headers: { host: `localhost:${port}` } }, (reply) => {
    answer.writeHead(reply.statusCode, reply.headers);
    reply.pipe(answer);
  });
  inner.on('error', () => answer.destroy());
  answer.on('close', () => inner.destroy());
}

function upgraded(request, socket, head) {
  const [channel, place] = inside(request.url);
  if (channel === undefined || place !== `/platform/remote/${channel}`) { socket.destroy(); return; }
  const { port } = global.nni.args;
  const inner = net.connect(port, '127.0.0.1', () => {
    const headers = Object.entries({ ...request.headers, host: `localhost:${port}` }).map(([name, value]) => `${name}: ${value}\r\n`);
    inner.write(`GET ${place} HTTP/1.1\r\n${headers.join('')}\r\n`);
    inner.write(head);
    socket.pipe(inner).pipe(socket);
  });
  for (const [one, other] of [[socket, inner], [inner, socket]]) one.on('error', () => other.destroy()).on('close', () => other.destroy());
}

module.exports = { openDoor, secrets };

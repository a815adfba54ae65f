// Preloaded into NNI's node process (NODE_OPTIONS=--require). NNI 3.0 listens on every address, asks for no password and
// looks neither at Host nor at Origin, so whoever reaches the port, a web page in a browser of this machine too, steers it.
// Here: it listens on this machine only; answers only who called it by its own name, from no page but its own, and runs as
// this user; takes an experiment only from the process that started it, not from a start that lost the same port, and
// lets only that process or one of its own steer it as the tuner.
// With EDNAS_OPEN_TO (names, separated by commas) it listens everywhere and may be called by these names and by addresses.
// Example: a page of evil.example, resolved to 127.0.0.1 (DNS rebinding), sends "Host: evil.example:8080": 403.
'use strict';
const processes = require('child_process');
const fs = require('fs');
const http = require('http');
const modules = require('module');
const net = require('net');
const os = require('os');

const LOCAL = ['localhost', '127.0.0.1', '[::1]'];
const OPEN = process.env.EDNAS_OPEN_TO;
const NAMES = OPEN === undefined ? LOCAL : [...LOCAL, os.hostname(), ...OPEN.split(',')].map((name) => name.toLowerCase());
const STARTER = process.ppid;
const TABLES = ['/proc/net/tcp', '/proc/net/tcp6'];

// ---- who is called

function named(host, port) {
  const [, name, number] = /^(\[[0-9a-f:.]+\]|[^:[\]]+)(?::(\d+))?$/.exec(host) || [];
  if (name === undefined || Number(number || 80) !== port) return false;
  return NAMES.includes(name) || (OPEN !== undefined && net.isIP(name.replace(/[[\]]/g, '')) !== 0);
}

function refusal(request) {
  const { origin, host = '', 'sec-fetch-site': site, 'sec-fetch-mode': mode } = request.headers;
  const called = host.toLowerCase();
  if (!named(called, request.socket.localPort)) return [403, 'Host is not this machine. Open http://localhost:PORT; forward the same port: ssh -L PORT:127.0.0.1:PORT'];
  if (origin !== undefined && origin.toLowerCase() !== `http://${called}`) return [403, 'the page belongs to another site'];
  const link = request.method === 'GET' && mode === 'navigate';
  if (site !== undefined && !['same-origin', 'none'].includes(site) && !link) return [403, 'another site asks'];
  const path = request.url.split('?')[0];
  const starts = request.method === 'POST' && /\/experiment\/?$/.test(path);
  const tunes = request.headers.upgrade !== undefined && /\/tuner(\/|$)/.test(path);
  if ((starts && !from(request.socket, [STARTER])) || (tunes && !from(request.socket, [STARTER, ...descendants(process.pid)]))) {
    return [409, 'this manager belongs to another start of NNI. Choose another port'];
  }
  return null;
}

// ---- who calls

// Rows of the kernel's table: local and remote address, user and inode of every connection of this machine.
function rows() {
  const read = (table) => { try { return fs.readFileSync(table, 'latin1').split('\n').slice(1); } catch { return []; } };
  return TABLES.flatMap(read).map((line) => line.trim().split(/\s+/)).filter((row) => row.length > 9);
}
const ends = (port) => `:${port.toString(16).toUpperCase().padStart(4, '0')}`;
const isLocal = (address) => /^(::1|(::ffff:)?127\.)/.test(address || '');

// The other end's row; an end that is closed already has no owner (inode 0) and cannot be told.
function peer(socket) {
  for (let attempt = 0; attempt < 3; attempt++) { // the table is not read in one piece
    const row = rows().find((r) => r[1].endsWith(ends(socket.remotePort)) && r[2].endsWith(ends(socket.localPort)) && r[9] !== '0');
    if (row) return { user: Number(row[7]), inode: row[9] };
  }
  return null;
}

// Some sandboxes show an empty table: then nobody can be told apart.
function told(server) {
  const { port } = server.address() || {};
  return port !== undefined && rows().some((row) => row[1].endsWith(ends(port)) && row[3] === '0A');
}

function stranger(server, socket) {
  if (!isLocal(socket.remoteAddress) || !told(server)) return false;
  const other = peer(socket);
  return other === null || ![0, process.getuid()].includes(other.user);
}

// Whether one of these processes calls; true where /proc does not tell.
function from(socket, pids) {
  const other = peer(socket);
  if (other === null) return rows().length === 0;
  const holds = (pid) => {
    const folder = `/proc/${pid}/fd`;
    const link = (name) => { try { return fs.readlinkSync(`${folder}/${name}`); } catch { return ''; } };
    try {
      return fs.readdirSync(folder).some((name) => link(name) === `socket:[${other.inode}]`);
    } catch (error) {
      return error.code === 'EACCES';
    }
  };
  return pids.some((pid) => pid === null || holds(pid));
}

function descendants(pid) {
  try {
    const threads = fs.readdirSync(`/proc/${pid}/task`);
    const text = threads.map((thread) => fs.readFileSync(`/proc/${pid}/task/${thread}/children`, 'latin1')).join(' ');
    return text.split(' ').filter(Boolean).flatMap((child) => [Number(child), ...descendants(child)]);
  } catch {
    return fs.existsSync('/proc/self/task') && fs.existsSync(`/proc/self/task/${process.pid}/children`) ? [] : [null];
  }
}

// ---- the tuner
// NNI gives its tuner ten seconds to connect, which imports take on a busy machine: the experiment then fails for ever. Here
// it has two minutes, and one that has ended is not waited for.

function waitForTuner() {
  const { spawn } = processes;
  let tuner;
  processes.spawn = function (...args) {
    const child = spawn.apply(this, args);
    if (args.flat().some((word) => String(word).includes('--exp_params'))) tuner = child;
    return child;
  };
  const load = modules._load;
  modules._load = function (name, ...rest) {
    const loaded = load.call(this, name, ...rest);
    if (name.endsWith('/v3/compat')) sayEarlyStopped(loaded.V3asV1.prototype);
    if (name === './tuner_command_channel') Object.getPrototypeOf(loaded.getTunerServer()).init = init;
    return loaded;
  };
  function init() {
    const fail = (why) => {
      if (!this.connect.settled) this.connect.reject(new Error(`tuner_command_channel: Tuner ${why}. Please check tuner (dispatcher) log.`));
    };
    setTimeout(() => fail('did not connect in 120 seconds'), 120000).unref();
    if (tuner !== undefined && tuner.exitCode !== null) fail('ended before it connected');
    else if (tuner !== undefined) tuner.once('exit', () => fail('ended before it connected'));
    return this.connect.promise;
  }
}

// NNI marks a trial as ended early only after it has ended, and by then has called it cancelled by the user.
function sayEarlyStopped(service) {
  const { cancelTrialJob } = service;
  if (cancelTrialJob.first) return;
  service.cancelTrialJob = function (id, early) {
    if (this.trialJobs[id]) this.trialJobs[id].isEarlyStopped = Boolean(early);
    return cancelTrialJob.call(this, id, early);
  };
  service.cancelTrialJob.first = true;
}

// ---- between node and NNI

function guard() {
  const emit = http.Server.prototype.emit;
  http.Server.prototype.emit = function (event, ...args) {
    if (this.ednasDoor) return emit.call(this, event, ...args); // a service's own, which asks for a secret
    if (event === 'connection' && stranger(this, args[0])) {
      args[0].destroy();
      return true;
    }
    if (!['request', 'upgrade', 'connect', 'checkContinue', 'checkExpectation'].includes(event)) return emit.call(this, event, ...args);
    const [request, answer] = args;
    const refused = refusal(request);
    if (refused === null) return emit.call(this, event, ...args);
    const [code, why] = refused;
    const text = `EDNAS: refused: ${why} (docs/security.md)\n`;
    if (answer instanceof http.ServerResponse) {
      answer.writeHead(code, { 'Content-Type': 'text/plain', Connection: 'close' }).end(text);
    } else {
      answer.end(`HTTP/1.1 ${code} ${http.STATUS_CODES[code]}\r\nConnection: close\r\nContent-Length: ${text.length}\r\n\r\n${text}`);
    }
    return true;
  };
}

function listenHere() {
  const listen = net.Server.prototype.listen;
  const isPort = (value) => typeof value === 'number' || (typeof value === 'string' && /^\d+$/.test(value));
  net.Server.prototype.listen = function (...args) {
    const first = args[0];
    if (isPort(first)) {
      if (typeof args[1] !== 'string') args.splice(1, args[1] === undefined || args[1] === null ? 1 : 0, '127.0.0.1');
    } else if (first && typeof first === 'object' && first.port !== undefined && !first.host && !first.path) {
      args[0] = Object.assign({}, first, { host: '127.0.0.1' });
    }
    return listen.apply(this, args);
  };
}

// Other programs of a shell with this option are left alone. The keeper of trials on another machine listens there alone, too.
const [program, keeper] = /nni_node[\\/](?:main|(common[\\/]trial_keeper)[\\/]main)\.js$/.exec(process.argv[1] || '') || [];
if (program !== undefined) {
  guard();
  if (keeper === undefined) waitForTuner();
  if (OPEN === undefined) {
    listenHere();
    if (keeper === undefined) (process.env.EDNAS_PRELOADS || '').split(':').filter(Boolean).forEach((script) => require(script));
  }
}

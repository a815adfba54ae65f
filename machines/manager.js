// Loaded into NNI's manager by bridge/manager/loopback.js; it changes nothing unless NNI's service `remote` is used. NNI 3.0's own
// trusts any host key, installs the newest NNI from the internet on each machine, wants the manager's port open to all, hands
// trials out in turn whether a machine is free or not, waits for ever for one that hangs, gives one up that was away once, and
// leaves results and weights there. Here
// 1. OpenSSH connects (known_hosts, agent, ~/.ssh/config). The connection carries a reverse tunnel to `door`, a socket in a
//    folder of this user alone, which lets in who knows the machine's secret, to the few things that its keeper and trials need.
// 2. A connection that is lost ends its machine: what ran there has failed with that cause, and the machine is tried again. Over
//    there the keeper ends its trials sooner (keeper.js), so that nothing is trained on two machines.
// 3. A trial's files and weights are fetched before NNI hears of its end.
// 4. What was lost with a machine may have ended there: its result is fetched when the machine is back (`collect`).
// 5. Each machine gets at most its share of trialConcurrency, by its cores or GPUs; the one with most room comes first.
// Example: a (4 cores) and b (2), trialConcurrency 3: a runs two, b one. b hangs: after PATIENCE seconds its trial fails with
// "host lost: b", is tried again on a when that has room, and b is back in the search a few seconds after it answers again.
'use strict';
const { spawn } = require('child_process');
const crypto = require('crypto');
const events = require('events');
const fs = require('fs');
const http = require('http');
const modules = require('module');
const net = require('net');
const os = require('os');
const path = require('path');

const PATIENCE = Math.max(15, Number(process.env.EDNAS_PATIENCE_S) || 60); // seconds without an answer
const COMMAND_MS = 120000; // of one command over there
const LARGEST = 1 << 30; // bytes of what comes back of a trial
const RETRY_S = [5, 10, 20, 40, 60];
const API = '/api/v1/nni';
const ASKED = /^\/(experiment|trial-jobs\/[\w-]+|metric-data\/[\w-]+\?type=FINAL)$/;
const REFUSED = 75; // exit code of a trial whose machine is lost

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const parameters = (record) => JSON.stringify(JSON.parse(record).parameters);
const quoted = (text) => `'${String(text).replace(/'/g, "'\\''")}'`;
const root = () => global.nni.paths.experimentRoot;
const experiment = () => global.nni.args.experimentId;
const trialFolder = (env, trial) => path.join(root(), 'environments', env, 'trials', trial);

function say(text) {
  const line = `${new Date().toISOString()} ${text}\n`;
  try { fs.appendFileSync(path.join(root(), 'log', 'machines.log'), line); } catch { /* a full disk ends no search */ }
}

function within(promise, ms, what) {
  let timer;
  const late = new Promise((_, reject) => { timer = setTimeout(() => reject(new Error(`${what}: no answer within ${ms / 1000} s`)), ms); });
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

// ---- the door: the far ends of all tunnels

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

// ---- commands on a machine

// In place of NNI's client. `host: localhost` on port 22 under this user's own name is this machine, without SSH.
class Ssh {
  constructor(name, config) {
    this.config = config;
    this.here = config.host === 'localhost' && config.port === 22 && config.user === os.userInfo().username;
    this.lost = new Promise((resolve) => { this.lose = resolve; });
    this.search = ''; // PATH over there, in front
  }

  async connect() {
    const door = await openDoor();
    if (this.here) {
      this.port = door.port;
      return;
    }
    this.folder = fs.mkdtempSync(path.join(os.tmpdir(), 'ednas-ssh-'));
    this.control = path.join(this.folder, 'c');
    const alive = ['-o', `ServerAliveInterval=${Math.floor(PATIENCE / 4)}`, '-o', 'ServerAliveCountMax=4'];
    const tunnel = ['-o', 'ExitOnForwardFailure=yes', '-R', `127.0.0.1:0:${door.socket}`];
    // `cat` ends with this process, however that ends, and the connection with it.
    this.master = spawn('ssh', [...this.options(), '-M', ...alive, ...tunnel, '--', this.config.host, 'echo EDNAS; cat > /dev/null']);
    this.master.stdin.on('error', () => undefined);
    let errors = '';
    const words = () => errors.split('\n').filter((line) => line.trim() && !line.startsWith('Allocated port')).slice(-2).join(' ') || 'the connection ended';
    const ready = new Promise((resolve, reject) => {
      let greeting = '';
      const look = () => {
        const [, port] = /Allocated port (\d+) for remote forward/.exec(errors) || [];
        if (port && /^EDNAS$/m.test(greeting)) resolve(Number(port));
      };
      this.master.stdout.on('data', (data) => { greeting = (greeting + data).slice(-1000); look(); });
      this.master.stderr.on('data', (data) => { errors = (errors + data).slice(-4000); look(); });
      this.master.on('error', reject);
      this.master.on('close', () => reject(new Error(words())));
    });
    this.master.on('close', () => {
      fs.rmSync(this.folder, { recursive: true, force: true });
      this.lose(words());
    });
    try {
      this.port = await within(ready, PATIENCE * 1000, 'ssh');
    } catch (error) {
      this.disconnect();
      throw error;
    }
  }

  options() {
    const key = this.config.sshKeyFile ? ['-i', this.config.sshKeyFile] : [];
    const control = ['-S', this.control, '-o', 'ControlPersist=no', '-o', 'BatchMode=yes', '-o', 'LogLevel=INFO', '-o', 'ConnectTimeout=20'];
    return [...control, '-o', 'ClearAllForwardings=no', '-a', '-x', '-T', '-p', String(this.config.port), '-l', this.config.user, ...key];
  }

  disconnect() {
    if (this.master) {
      this.master.stdin.end();
      setTimeout(() => this.master.kill('SIGKILL'), 2000).unref();
    }
    this.lose('the search has ended');
  }

  setPath(value) { this.search = value; }

  // A command over there, which ends with the connection.
  start(command) {
    const words = this.here ? ['sh', '-c', command] : ['ssh', ...this.options(), '-o', 'ControlMaster=no', '--', this.config.host, command];
    const child = spawn(words[0], words.slice(1), { cwd: '/' });
    child.stdin.on('error', () => undefined);
    this.lost.then(() => child.kill('SIGKILL'));
    return child;
  }

  // Standard output of a command, a Buffer; what is given is its standard input.
  output(command, given) {
    const child = this.start(command);
    const done = new Promise((resolve, reject) => {
      const pieces = [];
      let size = 0;
      let errors = '';
      child.stdout.on('data', (data) => {
        size += data.length;
        if (size > LARGEST) child.kill('SIGKILL');
        else pieces.push(data);
      });
      child.stderr.on('data', (data) => { errors = (errors + data).slice(-4000); });
      child.on('error', reject);
      child.on('close', (code) => {
        if (code === 0) resolve(Buffer.concat(pieces));
        else reject(new Error(`${command.slice(0, 200)}: ${errors.trim().split('\n').pop() || `exit code ${code}`}`));
      });
      if (given instanceof fs.ReadStream) given.on('error', reject).pipe(child.stdin);
      else child.stdin.end(given === undefined ? '' : given);
    });
    const ended = this.lost.then((why) => { throw new Error(why); });
    ended.catch(() => undefined);
    return Promise.race([done, ended]);
  }

  async upload(local, remote) {
    await this.output(`umask 077; cat > ${quoted(remote)}`, fs.createReadStream(local));
  }
}

// Files as `host.py pack` sends them: a line of JSON with kind, name and size, then so many bytes.
async function* frames(stream) {
  let pieces = [];
  let here = 0; // bytes of them
  let head;
  for await (const data of stream) {
    pieces.push(data);
    here += data.length;
    if (here > LARGEST) throw new Error('what is sent is too large');
    while (here >= (head ? head.size : 1)) {
      const bytes = Buffer.concat(pieces);
      const size = head ? head.size : bytes.indexOf('\n') + 1;
      pieces = [bytes.subarray(size)];
      here -= size;
      if (head) {
        yield { ...head, content: bytes.subarray(0, size) };
        head = undefined;
      } else if (size > 0) {
        head = JSON.parse(bytes.toString('utf8', 0, size));
        if (!(head.size >= 0)) throw new Error('what is sent has no size');
      } else break;
    }
  }
}

// ---- one machine

const numbers = new WeakMap(); // of machines, as they stand in the file, from 1

function mendWorker({ Worker }) {
  // A machine that comes back has its folders of before, so that what is there can be named.
  Object.defineProperty(Worker.prototype, 'envId', { get() { return `${this.trainingServiceId}-worker${numbers.get(this.config)}`; } });
  Object.assign(Worker.prototype, {
    program(words) {
      const python = this.config.pythonPath ? `${this.config.pythonPath.replace(/\/$/, '')}/python3` : 'python3';
      return `cd / && exec ${quoted(python)} -m machines.host ${words}`;
    },

    host(words, given) {
      return within(this.ssh.output(this.program(words), given), COMMAND_MS, this.config.host);
    },

    async start() {
      this.trials = new Set(); // that run there
      this.failures = 0; // in a row
      this.restsUntil = 0;
      this.secret = crypto.randomBytes(24).toString('hex');
      secrets.set(this.secret, this.channelId);
      await this.ssh.connect();
      this.ssh.lost.then((why) => this.lose(why));
      const facts = JSON.parse(await this.host(`facts ${this.gpus ? '--gpus' : ''}`));
      const { ednas, nni } = facts.versions;
      if (ednas !== process.env.EDNAS_VERSION) {
        throw new Error(`EDNAS ${ednas} is installed there, the search runs ${process.env.EDNAS_VERSION}: ednas remote`);
      }
      this.weight = Math.max(1, this.gpus ? facts.gpus.length : facts.cores);
      const base = `127.0.0.1:${this.ssh.port}/${this.secret}`;
      const settings = {
        channel: `ws://${base}/platform/remote/${this.channelId}`,
        call: `http://${base}${API}`,
        log_level: global.nni.args.logLevel,
        trials: this.service.share(this),
        lease_s: Math.floor(PATIENCE * 2 / 3),
      };
      const kept = JSON.parse(await this.host(`keep ${experiment()} ${this.envId}`, JSON.stringify(settings)));
      this.uploadDir = kept.upload;
      this.results = kept.results;
      this.env = await within(this.trialKeeper.start(), COMMAND_MS, 'keeper');
      this.env.host = this.config.host;
      say(`${this.config.host}: connected, ${facts.cores} cores, ${facts.gpus.length} GPUs, EDNAS ${ednas}, NNI ${nni}, up to ${this.service.share(this)} trials`);
    },

    setChannel(channel) {
      this.channel = channel;
      this.trialKeeper.setChannel(channel).catch((error) => this.lose(String(error)));
      channel.onLost(() => this.lose('its keeper has ended, or the tunnel to it'));
    },

    lose(why) {
      if (this.gone) return;
      this.gone = why;
      secrets.delete(this.secret);
      this.ssh.lose(why);
      if (this.channel && !this.channel.closing) this.channel.terminate(why);
      this.ssh.disconnect();
      this.service.lost(this, why);
    },

    async stop() {
      this.gone = 'the search has ended';
      try {
        if (this.channel) await within(this.trialKeeper.shutdown(), 8000, this.config.host);
      } finally {
        if (this.channel) this.channel.close('shutdown');
        await sleep(200); // the farewell goes first
        this.ssh.disconnect();
      }
    },

    async upload(name, tar) {
      const place = `${this.uploadDir}/${name}.tgz`;
      await within(this.ssh.upload(tar, place), 600000, this.config.host);
      await within(this.trialKeeper.unpackDirectory(name, place), COMMAND_MS, this.config.host);
    },

    // Others get the next trials.
    rest(why, ms) {
      this.restsUntil = Date.now() + ms;
      say(`${this.config.host}: ${why}`);
    },

    // One ping may be on its way.
    answers() {
      return this.channel.connection !== null && this.channel.connection.missingPongs < 2;
    },

    // A trial's files, one trial after another, of one process over there: to start Python for each would take longer.
    fetch(trial, weights = path.join(root(), 'ednas', 'weights')) {
      const before = this.fetching || Promise.resolve();
      this.fetching = before.catch(() => undefined).then(() => within(this.receive(trial, weights), COMMAND_MS, this.config.host));
      this.fetching.catch(() => { if (this.packer) this.packer.child.kill('SIGKILL'); });
      return this.fetching;
    },

    async receive(trial, weights) {
      if (!this.packer) {
        const child = this.ssh.start(this.program(`pack ${experiment()} ${this.envId}`));
        const made = { child, files: frames(child.stdout), errors: '' };
        child.stderr.on('data', (data) => { made.errors = (made.errors + data).slice(-1000); });
        child.on('close', () => { if (this.packer === made) this.packer = undefined; }).on('error', () => undefined);
        this.packer = made;
      }
      const { packer } = this;
      packer.child.stdin.write(`${trial}\n`);
      const places = { trial: trialFolder(this.envId, trial), weights };
      for (;;) {
        const { value, done } = await packer.files.next();
        if (done) throw new Error(packer.errors.trim().split('\n').pop() || 'nothing is sent');
        const { kind, name, content } = value;
        if (kind === 'end') return;
        if (!/^[\w-]+(\.[\w-]+)*$/.test(name) || !(kind in places)) throw new Error(`${this.config.host} sent what cannot be used`);
        fs.mkdirSync(places[kind], { recursive: true });
        const file = path.join(places[kind], name);
        fs.writeFileSync(`${file}.part`, content);
        fs.renameSync(`${file}.part`, file);
      }
    },

    downloadTrialLog: async function (trial) {
      await this.fetch(trial);
      return trialFolder(this.envId, trial);
    },
  });
}

// ---- the service

function mendService({ RemoteTrainingServiceV3 }, load) {
  const { Worker } = load('./worker');
  const { createTarball, getTarballPath } = load('common/tarball');
  Object.assign(RemoteTrainingServiceV3.prototype, {
    async start() {
      this.records = new Map(); // trial that runs and has no result -> its record in JSON
      this.late = new Map(); // parameters -> a result that came back late
      await this.server.start();
      const started = await Promise.allSettled(this.config.machineList.map((config) => this.launchWorker(config)));
      const reasons = started.map((one, i) => one.reason && `${this.config.machineList[i].host}: ${one.reason.message}`);
      reasons.forEach((reason, i) => {
        if (!reason) return;
        say(`${reason}; it is tried again`);
        this.bringIn(this.config.machineList[i]);
      });
      this.stopping = this.workers.length === 0;
      if (this.stopping) manager.criticalError(new Error(`no machine can be used: ${reasons.join('; ')}`));
      return this.workers.map((worker) => worker.env);
    },

    async stop() {
      this.stopping = true;
      await Promise.allSettled(this.workers.map((worker) => worker.stop()));
    },

    async launchWorker(config) {
      this.lastWorkerIndex += 1;
      numbers.set(config, this.config.machineList.indexOf(config) + 1);
      const worker = new Worker(this.id, String(this.lastWorkerIndex), config, '', Boolean(this.config.trialGpuNumber));
      worker.service = this;
      worker.gpus = Boolean(this.config.trialGpuNumber);
      this.workersByChannel.set(worker.channelId, worker);
      const keeper = worker.trialKeeper;
      keeper.onTrialStart((trial, at) => this.emitter.emit('trial_start', trial, at));
      keeper.onTrialStop((trial, at, code) => this.ended(worker, trial, at, code));
      keeper.onReceiveCommand('request_parameter', (trial) => this.emitter.emit('request_parameter', trial));
      keeper.onReceiveCommand('metric', (trial, { metric }) => {
        if (!worker.trials.has(trial)) return;
        if (JSON.parse(metric).type === 'FINAL') this.records.delete(trial); // nothing else is to be its result
        this.emitter.emit('metric', trial, metric);
      });
      keeper.onEnvironmentUpdate((env) => { worker.env = { ...env, host: config.host }; this.emitEnvUpdate(); });
      try {
        await Promise.race([worker.start(), worker.ssh.lost.then((why) => { throw new Error(why); })]);
        for (const name of this.uploadedDirs) await worker.upload(name, getTarballPath(name));
      } catch (error) {
        worker.lose(error.message);
        throw error;
      }
      if (this.stopping) {
        await worker.stop();
        return;
      }
      this.workers.push(worker);
      this.workersByEnv.set(worker.envId, worker);
      this.emitEnvUpdate();
      this.collect(worker).catch((error) => say(`${config.host}: a result that is there does not come back: ${error.message}`));
    },

    // Until a machine that was lost, or could not be reached, takes part again.
    async bringIn(config) {
      for (let i = 0; !this.stopping; i += 1) {
        await sleep(1000 * RETRY_S[Math.min(i, RETRY_S.length - 1)]);
        try {
          if (!this.stopping) await this.launchWorker(config);
          return;
        } catch (error) {
          say(`${config.host}: ${error.message}; it is tried again`);
        }
      }
    },

    async restartWorker() { /* NNI's answer to a broken channel; `lose` has begun it */ },

    async uploadDirectory(name, folder) {
      const tar = await createTarball(name, folder);
      this.uploadedDirs.add(name);
      const refuse = (worker) => (error) => worker.lose(`the code directory cannot be copied: ${error.message}`);
      await Promise.all([...this.workers].map((worker) => worker.upload(name, tar).catch(refuse(worker))));
    },

    // A machine's part of trialConcurrency, at least one; machines that were never seen count as the mean of the others.
    share(worker) {
      const seen = new Map([...this.workersByChannel.values()].filter((one) => one.weight).map((one) => [one.config, one.weight]));
      const mean = [...seen.values()].reduce((sum, weight) => sum + weight, 0) / seen.size;
      const whole = mean * this.config.machineList.length;
      return Math.max(1, Math.round(this.concurrency() * worker.weight / whole));
    },

    concurrency() { return Number(manager.experimentProfile.params.trialConcurrency) || 1; },

    freest() {
      const now = Date.now();
      const able = this.workers.filter((one) => one.trials.size < this.share(one) && one.restsUntil < now && one.answers());
      const load = (one) => (one.trials.size + 1 + Math.min(3, one.failures)) / one.weight;
      return able.sort((a, b) => load(a) - load(b))[0];
    },

    async createTrial(envId, command, directory, sequence, given) {
      const worker = this.workersByEnv.get(envId);
      if (!worker || worker.gone) return null;
      const trial = given || crypto.randomBytes(15).toString('base64').replace(/[^A-Za-z0-9]/g, '').slice(0, 5);
      const late = this.late.get(parameters(this.record));
      if (late) {
        this.deliver(trial, envId, this.record, late);
        return trial;
      }
      const perGpu = worker.config.maxTrialNumberPerGpu;
      this.starting = trial; // NNI does not know it before it has started
      this.records.set(trial, this.record);
      worker.trials.add(trial); // before its first words come back
      this.workersByTrial.set(trial, worker);
      const options = {
        id: trial,
        command,
        codeDirectoryName: directory,
        sequenceId: sequence,
        gpuNumber: this.config.trialGpuNumber && this.config.trialGpuNumber / perGpu,
        gpuRestrictions: { onlyUseIndices: worker.config.gpuIndices, rejectActive: !worker.config.useActiveGpu },
      };
      let watch;
      try {
        const gone = worker.ssh.lost.then((why) => { throw new Error(why); });
        const silent = new Promise((_, reject) => {
          watch = setInterval(() => { if (!worker.answers()) reject(new Error('it does not answer')); }, 500);
        });
        if (await within(Promise.race([worker.trialKeeper.createTrial(options), gone, silent]), 20000, worker.config.host)) {
          say(`${worker.config.host}: trial ${trial}`);
          return trial;
        }
        worker.restsUntil = Date.now() + 1000; // its GPUs are taken
      } catch (error) {
        worker.rest(`no trial can be started: ${error.message.split('\n').slice(0, 2).join(' ')}`, 30000);
        if (!worker.gone) worker.trialKeeper.stopTrial(trial).catch(() => undefined); // it may have, a moment too late
      } finally {
        clearInterval(watch);
        this.starting = undefined;
      }
      worker.trials.delete(trial);
      this.records.delete(trial);
      this.workersByTrial.delete(trial);
      return null;
    },

    async stopTrial(trial) {
      const worker = this.workersByTrial.get(trial);
      if (worker && worker.trials.has(trial)) await within(worker.trialKeeper.stopTrial(trial), 20000, worker.config.host);
    },

    async ended(worker, trial, at, code) {
      if (!worker.trials.has(trial)) return;
      try {
        await worker.fetch(trial);
      } catch (error) {
        say(`${worker.config.host}: the files of trial ${trial} do not come back: ${error.message}`);
      }
      if (!worker.trials.delete(trial)) return; // the machine was lost meanwhile
      this.records.delete(trial);
      worker.failures = code ? worker.failures + 1 : 0;
      if (code && full(trialFolder(worker.envId, trial))) worker.rest('its disk is full', 30000 * Math.min(4, worker.failures));
      say(`${worker.config.host}: trial ${trial} ended with code ${code}`);
      this.emitter.emit('trial_stop', trial, at, code);
    },

    lost(worker, why) {
      const { host } = worker.config;
      const known = this.workers.includes(worker);
      this.workers = this.workers.filter((one) => one !== worker);
      this.workersByEnv.delete(worker.envId);
      for (const trial of worker.trials || []) {
        if (trial === this.starting) continue;
        this.records.delete(trial);
        const folder = trialFolder(worker.envId, trial);
        try {
          fs.mkdirSync(folder, { recursive: true });
          fs.appendFileSync(path.join(folder, 'trial.stderr'), `ednas: error: host lost: ${host}: ${why}\n`);
        } catch { /* the trial fails without its cause */ }
        this.emitter.emit('trial_stop', trial, Date.now(), REFUSED);
      }
      if (worker.trials) worker.trials.clear();
      if (!known) return;
      say(`${host}: lost: ${why}; it is tried again`);
      this.emitEnvUpdate();
      if (!this.stopping) this.bringIn(worker.config);
    },

    // Results of trials that were lost with a machine, in this session or an earlier one. Each counts for the trial that
    // runs in its place, which is ended, else for the lost one, or for one that is still to begin in its place.
    async collect(worker) {
      for (const trial of worker.results) {
        const folder = trialFolder(worker.envId, trial);
        const job = await manager.dataStore.getTrialJob(trial);
        if (worker.trials.has(trial) || !job || !job.hyperParameters || job.status === 'SUCCEEDED') continue;
        if (!fs.existsSync(path.join(folder, 'result.json'))) await worker.fetch(trial, folder);
        const result = readResult(folder, trial);
        if (!result) continue;
        const [record] = job.hyperParameters;
        const late = { folder, result, host: worker.config.host };
        const [other] = [...this.records].find(([id, own]) => id !== this.starting && parameters(own) === parameters(record)) || [];
        if (other) {
          const instead = this.records.get(other);
          const place = this.workersByTrial.get(other);
          this.records.delete(other);
          place.trials.delete(other);
          place.trialKeeper.stopTrial(other).catch(() => undefined);
          await this.deliver(other, place.envId, instead, late);
        } else {
          this.late.set(parameters(record), late);
          if (this.workersByTrial.has(trial)) await this.deliver(trial, worker.envId, record, late, true);
          else say(`${worker.config.host}: has come back with a result of trial ${trial}, for one that begins in its place`);
        }
      }
    },

    // Give a trial a result that came back late: its own, where NNI believes it ended, or that of one with the same parameters.
    async deliver(trial, env, record, { folder, result, host }, ended = false) {
      const place = trialFolder(env, trial);
      const names = fs.readdirSync(folder);
      const networks = names.filter((name) => name.endsWith('.safetensors'));
      if (!ended) {
        for (let i = 0; !manager.trialJobs.has(trial) && i < 600; i += 1) await sleep(100);
        fs.mkdirSync(place, { recursive: true });
        for (const name of names.filter((one) => place !== folder && !networks.includes(one))) fs.copyFileSync(path.join(folder, name), path.join(place, name));
        fs.writeFileSync(path.join(place, 'result.json'), JSON.stringify({ ...result, job: trial }));
        this.emitter.emit('trial_start', trial, Date.now());
      }
      say(`${host}: has come back with a result, which trial ${trial} has now`);
      const head = { parameter_id: JSON.parse(record).parameter_id, trial_job_id: trial, type: 'FINAL', sequence: 0 };
      const metric = JSON.stringify({ ...head, value: JSON.stringify(result.metric) });
      if (!ended) {
        this.emitter.emit('metric', trial, metric);
      } else { // NNI takes none of a job that has ended
        await manager.dataStore.storeMetricData(trial, metric);
        manager.dispatcher.sendCommand('ME', metric);
      }
      await sleep(1000); // the journal knows it now, and its weights may stay
      const weights = path.join(root(), 'ednas', 'weights');
      fs.mkdirSync(weights, { recursive: true });
      for (const name of networks) fs.renameSync(path.join(folder, name), path.join(weights, name));
      if (!ended) this.emitter.emit('trial_stop', trial, Date.now(), 0);
    },
  });
}

// Whether a trial has failed because its disk is full (`host.py` says so for one that could not).
function full(folder) {
  try {
    return fs.readFileSync(path.join(folder, 'trial.stderr'), 'utf8').includes('ednas: error: disk full');
  } catch {
    return false;
  }
}

// What a trial has written before it reported; whether it is that of its architecture, the Advisor looks.
function readResult(folder, trial) {
  try {
    const result = JSON.parse(fs.readFileSync(path.join(folder, 'result.json'), 'utf8'));
    return result.experiment === experiment() && result.job === trial ? result : null;
  } catch {
    return null;
  }
}

// ---- between NNI and its service

let manager; // NNI's, which knows how many trials may run now

const MENDS = {
  './ssh': (loaded) => { loaded.Ssh = Ssh; },
  './worker': mendWorker,
  './remote': mendService,
  '../training_service/v3/compat': ({ V3asV1 }) => {
    const inTurn = V3asV1.prototype.schedule;
    const { submitTrialJob } = V3asV1.prototype;
    V3asV1.prototype.submitTrialJob = function (form) { // one at a time
      this.v3.record = form.hyperParameters.value;
      return submitTrialJob.call(this, form);
    };
    V3asV1.prototype.schedule = function () {
      if (!this.v3.freest) return inTurn.call(this);
      const worker = this.v3.freest();
      return worker === undefined ? null : worker.envId;
    };
  },
  'core/nnimanager': ({ NNIManager }) => {
    const { initTrainingService } = NNIManager.prototype;
    NNIManager.prototype.initTrainingService = async function (config) {
      manager = this;
      const service = await initTrainingService.call(this, config);
      if (config.trainingService.platform === 'remote' && !config.trainingService.reuseMode) this.pollInterval = 0.1;
      return service;
    };
  },
};

const { _load } = modules;
const mended = new Set();
modules._load = function (name, parent, ...rest) {
  const loaded = _load.call(this, name, parent, ...rest);
  const ours = name in MENDS && parent && /nni_node[\\/](main\.js|core[\\/]|training_service[\\/]remote_v3[\\/])/.test(parent.filename || '');
  if (ours && !mended.has(name)) {
    mended.add(name);
    MENDS[name](loaded, (wanted) => parent.require(wanted));
  }
  return loaded;
};

module.exports = { Ssh, frames, mendService, mendWorker, openDoor, secrets }; // for tests

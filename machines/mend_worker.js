// One machine: its keeper, what it has room for, its trials' files. In place of methods of NNI's `Worker`.
'use strict';
const crypto = require('crypto');
const fs = require('fs');
const path = require('path');
const { frames } = require('./connection.js');
const { API, COMMAND_MS, PATIENCE, experiment, quoted, root, say, sleep, trialFolder, within } = require('./common.js');
const { secrets } = require('./door.js');

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

module.exports = { mendWorker, numbers };

// All machines: which one gets a trial, what is lost with one and comes back. In place of methods of NNI's `RemoteTrainingServiceV3`.
'use strict';
const crypto = require('crypto');
const fs = require('fs');
const path = require('path');
const { experiment, parameters, root, say, shared, sleep, trialFolder, within } = require('./common.js');
const { numbers } = require('./mend_worker.js');

const RETRY_S = [5, 10, 20, 40, 60];
const REFUSED = 75; // exit code of a trial whose machine is lost

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
      if (this.stopping) shared.manager.criticalError(new Error(`no machine can be used: ${reasons.join('; ')}`));
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

    concurrency() { return Number(shared.manager.experimentProfile.params.trialConcurrency) || 1; },

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
        const job = await shared.manager.dataStore.getTrialJob(trial);
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
        for (let i = 0; !shared.manager.trialJobs.has(trial) && i < 600; i += 1) await sleep(100);
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
        await shared.manager.dataStore.storeMetricData(trial, metric);
        shared.manager.dispatcher.sendCommand('ME', metric);
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

module.exports = { mendService };

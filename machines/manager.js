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
const modules = require('module');
const { Ssh, frames } = require('./connection.js');
const { shared } = require('./common.js');
const { openDoor, secrets } = require('./door.js');
const { mendService } = require('./mend_service.js');
const { mendWorker } = require('./mend_worker.js');

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
      shared.manager = this;
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

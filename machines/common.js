// What the parts of manager.js share: how long is waited for a machine, and the folders and the log of the experiment.
'use strict';
const fs = require('fs');
const path = require('path');

const PATIENCE = Math.max(15, Number(process.env.EDNAS_PATIENCE_S) || 60); // seconds without an answer
const COMMAND_MS = 120000; // of one command over there
const LARGEST = 1 << 30; // bytes of what comes back of a trial
const API = '/api/v1/nni';

const shared = { manager: undefined }; // NNI's, which knows how many trials may run now

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

module.exports = { API, COMMAND_MS, LARGEST, PATIENCE, experiment, parameters, quoted, root, say, shared, sleep, trialFolder, within };

// Loaded into NNI's trial keeper on another machine (machines/host.py). The keeper ends as soon as its search is out of reach: when
// its connection is gone, or when nothing was heard for EDNAS_LEASE_S seconds, in which NNI's manager says something five times or
// more. NNI's own would go on, and so would its trials, which the search tries again elsewhere. `host.py` ends the trials.
'use strict';
const modules = require('module');

const LEASE_MS = 1000 * (Number(process.env.EDNAS_LEASE_S) || 40);
let heard = Date.now();

function leave(why) {
  console.error(`${new Date().toISOString()} ${why}`);
  process.exit(75);
}

function mend({ WsChannelClient }) {
  const { configConnection } = Object.getPrototypeOf(WsChannelClient.prototype);
  WsChannelClient.prototype.configConnection = function (socket) {
    for (const event of ['ping', 'message', 'open']) socket.on(event, () => { heard = Date.now(); });
    return configConnection.call(this, socket);
  };
  WsChannelClient.prototype.reconnect = () => leave('the connection to the search is gone');
  setInterval(() => {
    if (Date.now() - heard > LEASE_MS) leave(`nothing was heard of the search for ${LEASE_MS / 1000} s`);
  }, 1000);
}

const MENDS = [
  [/command_channel\/websocket\/client$/, mend],
  // NNI asks the routing table for its own address, and ends where no route leads to the internet.
  [/common\/utils$/, (loaded) => { loaded.getIPV4Address = async () => '127.0.0.1'; }],
];
const { _load } = modules;
const mended = new Set();
modules._load = function (name, ...rest) {
  const loaded = _load.call(this, name, ...rest);
  for (const [pattern, change] of MENDS) {
    if (pattern.test(name) && !mended.has(pattern)) {
      mended.add(pattern);
      change(loaded);
    }
  }
  return loaded;
};

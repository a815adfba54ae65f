// Preloaded into NNI's node process (NODE_OPTIONS=--require): a server that names no host listens on this machine only.
// NNI 3.0 has no option for it and would listen on every address, without authentication.
'use strict';
const net = require('net');
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

// Commands on a machine: OpenSSH in place of NNI's client, and how files come back through it.
'use strict';
const { spawn } = require('child_process');
const fs = require('fs');
const os = require('os');
const path = require('path');
const { LARGEST, PATIENCE, quoted, within } = require('./common.js');
const { openDoor } = require('./door.js');

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

module.exports = { Ssh, frames };

// An NNI that echoes, and what callers of the door are answered.
const inner = http.createServer((request, answer) => answer.end(`inner ${request.url} ${request.headers.host}`));
inner.on('upgrade', (request, socket) => socket.end('HTTP/1.1 101 Hello\r\n\r\n'));
inner.listen(0, '127.0.0.1', async () => {
  const { port } = inner.address();
  global.nni = { args: { port, experimentId: 'x' }, paths: { experimentRoot: ROOT } };
  const door = await script.openDoor();
  const secret = 'a'.repeat(48);
  script.secrets.set(secret, '1');
  const api = '/api/v1/nni';
  const upgraded = (path) => new Promise((resolve) => {
    const head = `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n`;
    const socket = net.connect(door.port, '127.0.0.1', () => socket.write(head));
    let text = '';
    socket.on('data', (data) => { text += data; }).on('close', () => resolve(text.slice(9, 12))).on('error', () => undefined);
  });
  say({
    port,
    experiment: await get(door.port, `/${secret}${api}/experiment`),
    journal: await get(door.port, `/${secret}${api}/ednas-journal`),
    metric: await get(door.port, `/${secret}${api}/metric-data/abc?type=FINAL`),
    keeper: await upgraded(`/${secret}/platform/remote/1`),
    refused: [
      await get(door.port, `${api}/experiment`),
      await get(door.port, `/${'b'.repeat(48)}${api}/experiment`),
      await get(door.port, `/${secret}${api}/experiment`, 'PUT'),
      await get(door.port, `/${secret}${api}/trial-jobs`),
      await get(door.port, `/${secret}${api}/trial-jobs/../experiment`),
      await get(door.port, `/${secret}/logs/nnimanager.log`),
    ],
    others: [
      await upgraded(`/${secret}/platform/remote/2`),
      await upgraded(`/${secret}/tuner`),
      await upgraded('/platform/remote/1'),
    ],
  });
  process.exit(0);
});

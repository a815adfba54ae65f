// Put before the code of each test in test_manager_script.py.
const http = require('http'), net = require('net');
const script = require(SCRIPT);
const get = (port, path, method = 'GET') => new Promise((resolve) => {
  http.request({ host: '127.0.0.1', port, path, method }, (answer) => {
    let text = '';
    answer.on('data', (data) => { text += data; }).on('end', () => resolve(`${answer.statusCode} ${text}`));
  }).on('error', (error) => resolve(String(error.code))).end();
});
const say = (value) => console.log(JSON.stringify(value));

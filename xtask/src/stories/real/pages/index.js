// A service with a hole: the host to ping goes into a shell's command line.
const http = require('http');
const { exec } = require('child_process');
const server = http.createServer((request, response) => {
  const host = new URL(request.url, 'http://localhost').searchParams.get('host');
  if (!host) return response.end('welcome');
  exec('ping -c1 ' + host, (error, output) => response.end(output));
});
server.listen(+(process.argv[2] || process.env.PORT), '127.0.0.1');

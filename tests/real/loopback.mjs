// For `node --import`: whatever server the program starts, it listens on a free port of 127.0.0.1 and nowhere else,
// says `ready PORT`, writes the headers of each request as a line of JSON to the file RECORD, and ends when standard
// input does.
import { appendFileSync } from 'node:fs';
import { Server as HttpServer } from 'node:http';
import { Server } from 'node:net';

const { listen } = Server.prototype;
Server.prototype.listen = function listenOnLoopback(...args) {
  this.once('listening', () => console.log(`ready ${this.address().port}`));
  const callback = args.findLast((arg) => typeof arg === 'function');
  return listen.call(this, { port: 0, host: '127.0.0.1' }, callback);
};

const { emit } = HttpServer.prototype;
HttpServer.prototype.emit = function record(event, ...args) {
  if (event === 'request') {
    const { rawHeaders } = args[0];
    const pairs = rawHeaders.flatMap((_, i) => (i % 2 ? [] : [rawHeaders.slice(i, i + 2)]));
    appendFileSync(process.env.RECORD, `${JSON.stringify(pairs)}\n`);
  }
  return emit.call(this, event, ...args);
};

process.stdin.on('end', () => process.exit()).resume();

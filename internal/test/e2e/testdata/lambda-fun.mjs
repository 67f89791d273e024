// Runs a bootstrap by @vercel/fun: Lambda's Runtime API by somebody else, which stops the process between two calls. The
// task is the first line of standard input: {directory, env}. Every other line is an event; each is answered by a line on
// file descriptor 3: {result} or {error}, both JSON as text. What the function prints comes on standard output.
import { createWriteStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { ServerResponse } from 'node:http';
import fun from '@vercel/fun';

// Version 1.3.6 tells each call that its time was up in January 1970.
const { setHeader } = ServerResponse.prototype;
ServerResponse.prototype.setHeader = function (name, value) {
  return setHeader.call(this, name, name === 'Lambda-Runtime-Deadline-Ms' ? String(Date.now() + 60_000) : value);
};

const answers = createWriteStream(null, { fd: 3 });
let fn;
for await (const line of createInterface({ input: process.stdin })) {
  if (!fn) {
    const task = JSON.parse(line);
    fn = await fun.createFunction({
      Code: { Directory: task.directory },
      Handler: 'bootstrap',
      Runtime: 'provided',
      Environment: { Variables: task.env },
      Timeout: 60,
    });
    continue;
  }
  const { FunctionError, Payload } = await fn.invoke({ InvocationType: 'RequestResponse', Payload: line });
  answers.write(JSON.stringify(FunctionError ? { error: String(Payload) } : { result: String(Payload) }) + '\n');
}
await fn?.destroy();
answers.end();

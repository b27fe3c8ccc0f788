// Answers each line with what it holds and with the version of the official client beside it.
import { createInterface } from "node:readline";
import { createRequire } from "node:module";

const version = createRequire(import.meta.url)("socket.io-client/package.json").version;

for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify({ received: JSON.parse(line), version }));
}

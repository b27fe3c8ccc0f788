// Runs the official client against the engine: node engine.js URL. One line of JSON for each case.
import assert from "node:assert/strict";
import { io } from "socket.io-client";

const url = process.argv[2];
const transports = { websocket: ["websocket"], polling: ["polling"], upgrade: ["polling", "websocket"] };

const open = (kind, options = {}) =>
  io(url, { transports: transports[kind], forceNew: true, reconnection: false, timeout: 10_000, ...options });

const once = (emitter, event) =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`no ${event}`)), 10_000);
    emitter.once(event, (...args) => {
      clearTimeout(timer);
      resolve(args);
    });
  });

const connected = async (kind, options) => {
  const socket = open(kind, options);
  await once(socket, "connect");
  return socket;
};

const ask = (socket, event, ...args) => socket.timeout(10_000).emitWithAck(event, ...args);

async function collect(socket, event, count) {
  const received = [];
  await new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`${received.length} of ${count} ${event}`)), 20_000);
    socket.on(event, (value) => {
      received.push(value);
      if (received.length === count) {
        clearTimeout(timer);
        resolve();
      }
    });
  });
  return received;
}

const perTransport = {
  "acks and unicode": async (kind) => {
    const socket = await connected(kind);
    const value = { a: "héé😀\u2028", n: [1, 2.5, null, true], "": {} };
    assert.deepEqual(await ask(socket, "echo", value), value);
    return socket;
  },
  "binary both ways": async (kind) => {
    const socket = await connected(kind);
    const received = once(socket, "back");
    socket.emit("back", { b: Buffer.from([0, 1, 255]), c: [Buffer.alloc(0)] }, Buffer.from("x"));
    const [first, second] = await received;
    assert.deepEqual([...new Uint8Array(first.b)], [0, 1, 255]);
    assert.equal(new Uint8Array(first.c[0]).length, 0);
    assert.deepEqual([...new Uint8Array(second)], [120]);
    return socket;
  },
  "200 kB": async (kind) => {
    const socket = await connected(kind);
    assert.equal((await ask(socket, "echo", "z".repeat(200_000))).length, 200_000);
    return socket;
  },
  "a timeout of an ack": async (kind) => {
    const socket = await connected(kind);
    await assert.rejects(socket.timeout(100).emitWithAck("wait"), /timed out/);
    return socket;
  },
  refusal: async (kind) => {
    const socket = open(kind, { auth: { token: "bad" } });
    const [error] = await once(socket, "connect_error");
    assert.equal(error.message, "bad token");
    assert.equal(error.data.code, "unauthorized");
    return socket;
  },
  "a good token after a bad one": async (kind) => {
    let token = "bad";
    const socket = open(kind, { auth: (give) => give({ token }) });
    await once(socket, "connect_error");
    token = "good";
    socket.connect();
    await once(socket, "connect");
    return socket;
  },
  namespaces: async (kind) => {
    const main = await connected(kind);
    const custom = main.io.socket("/custom");
    custom.connect();
    await once(custom, "connect");
    assert.equal(await ask(custom, "echo", "x"), "x");
    custom.disconnect();
    assert.equal(await ask(main, "echo", "y"), "y");
    const unknown = main.io.socket("/unknown");
    unknown.connect();
    const [error] = await once(unknown, "connect_error");
    assert.equal(error.message, "Invalid namespace");
    return main;
  },
  "order of a room, on all transports": async (kind) => {
    const all = await Promise.all([kind, "websocket", "polling", "upgrade"].map((k) => connected(k)));
    await Promise.all(all.map((socket) => ask(socket, "join", `room ${kind}`)));
    const received = all.map((socket) => collect(socket, "room", 300));
    for (let n = 0; n < 300; n++) {
      all[0].emit("room", `room ${kind}`, n);
      if (n % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    }
    for (const numbers of await Promise.all(received)) assert.deepEqual(numbers, [...Array(300).keys()]);
    for (const socket of all.slice(1)) socket.close();
    return all[0];
  },
  "the server's disconnect": async (kind) => {
    const socket = await connected(kind);
    const disconnected = once(socket, "disconnect");
    socket.emit("quit");
    assert.equal((await disconnected)[0], "io server disconnect");
    assert.equal(socket.active, false);
    return socket;
  },
  "reconnects after an eviction": async (kind) => {
    const socket = await connected(kind, { reconnection: true, reconnectionDelay: 50 });
    const reason = once(socket, "disconnect");
    socket.emit("evict");
    assert.match((await reason)[0], /transport (close|error)/);
    await once(socket, "connect");
    assert.equal(await ask(socket, "echo", 1), 1);
    return socket;
  },
  "stays through pings": async (kind) => {
    const socket = await connected(kind);
    for (let n = 0; n < 3; n++) await once(socket.io, "ping");
    assert.equal(await ask(socket, "echo", 1), 1);
    return socket;
  },
};

async function report(name, run) {
  let socket;
  try {
    socket = await run();
    console.log(JSON.stringify({ name, ok: true }));
  } catch (error) {
    console.log(JSON.stringify({ name, ok: false, error: String(error.stack) }));
  }
  socket?.close();
}

for (const kind of Object.keys(transports)) {
  for (const [name, run] of Object.entries(perTransport)) await report(`${kind}: ${name}`, () => run(kind));
}
await report("upgrade: takes place", async () => {
  const socket = await connected("upgrade");
  if (socket.io.engine.transport.name !== "websocket") await once(socket.io.engine, "upgrade");
  assert.equal(socket.io.engine.transport.name, "websocket");
  return socket;
});
process.exit(0);

// Phones on the official client, driven by lines of JSON.
//   in:  {phone, do: "open", url, token, transports?, shared?, wait?, library?}
//       a new phone; `wait`: it does not connect yet; `library`: an older one of package.json
//        {phone, do: "token", token}, {phone, do: "connect"}
//        {phone, do: "emit", id, event, payload, timeout_ms}
//   out: {phone, event, payload}                        what it heard
//        {phone, ack: id, payload?}                     an answer; without payload: none came in time
//        {phone, state, payload?}                       connect, connect_error, disconnect, transport
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const require = createRequire(import.meta.url);
const phones = new Map();

function open({ phone, url, token, transports, shared, wait, library = "socket.io-client" }) {
  const { io } = require(library);
  const say = (line) => console.log(JSON.stringify({ phone, ...line }));
  const own = { token };
  const socket = io(url, {
    transports,
    auth: (give) => give(own),
    forceNew: !shared,
    autoConnect: false,
    reconnectionDelay: 50,
    reconnectionDelayMax: 200,
  });
  phones.set(phone, { socket, say, own });
  socket.onAny((event, payload) => say({ event, payload }));
  socket.on("connect", () => say({ state: "connect" }));
  socket.on("connect_error", ({ message, data }) => say({ state: "connect_error", payload: { message, data } }));
  socket.on("disconnect", (reason) => say({ state: "disconnect", payload: { reason, active: socket.active } }));
  socket.io.on("open", () => {
    const { engine } = socket.io;
    say({ state: "transport", payload: engine.transport.name });
    engine.on("upgrade", ({ name }) => say({ state: "transport", payload: name }));
  });
  if (!wait) socket.connect();
}

const actions = {
  token: ({ own }, { token }) => (own.token = token),
  connect: ({ socket }) => socket.connect(),
  emit: ({ socket, say }, { id, event, payload, timeout_ms }) => {
    if (socket.timeout) socket.timeout(timeout_ms).emit(event, payload, (error, answer) => say({ ack: id, payload: error ? undefined : answer }));
    else socket.emit(event, payload, (answer) => say({ ack: id, payload: answer })); // before 4.4: for ever
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const order = JSON.parse(line);
  if (order.do === "open") open(order);
  else actions[order.do](phones.get(order.phone), order);
}
for (const { socket } of phones.values()) socket.disconnect();

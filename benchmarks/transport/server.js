// Node's Socket.IO server under test: prints its port, then serves. node server.js PING_INTERVAL_MS [uws]
//   on Node's own HTTP with `ws`, or `uws`: on uWebSockets.js
const http = require("node:http");
const { Server } = require("socket.io");

const io = new Server({ pingInterval: Number(process.argv[2]), serveClient: false });

io.use((socket, next) => (socket.handshake.auth.token === "good" ? next() : next(new Error("bad token"))));
io.on("connection", (socket) => {
  socket.on("join", (room, ack) => {
    socket.join(room);
    ack();
  });
  socket.on("room", (message) => io.to(message.room).emit("room", message));
  socket.on("pair", (message, ack) => {
    socket.to(message.room).emit("pair", message);
    ack({ ok: true });
  });
});
if (process.argv[3] === "uws") {
  const uws = require("uWebSockets.js");
  const app = uws.App();
  io.attachApp(app);
  app.listen("127.0.0.1", 0, (socket) => console.log(uws.us_socket_local_port(socket)));
} else {
  const server = http.createServer({ keepAliveTimeout: 300_000 }); // a client waits for the other servers' turns
  io.attach(server);
  server.listen({ port: 0, host: "127.0.0.1", backlog: 4096 }, () => console.log(server.address().port));
}

// Node's Socket.IO server under test: prints its port, then serves. node server.js PING_INTERVAL_MS
const http = require("node:http");
const { Server } = require("socket.io");

const server = http.createServer({ keepAliveTimeout: 300_000 }); // a client waits for the other servers' turns
const io = new Server(server, { pingInterval: Number(process.argv[2]), serveClient: false });

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
server.listen({ port: 0, host: "127.0.0.1", backlog: 4096 }, () => console.log(server.address().port));

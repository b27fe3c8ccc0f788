// A chat server as many write it: Socket.IO, and a transaction for each message with mysql2. The same tables,
// checks and answers as GoChat, for as much as sending needs; tokens are user ids, unchecked.
// node server.js DATABASE_URL; prints its port.
import { createHash } from "node:crypto";
import { createServer } from "node:http";
import mysql from "mysql2/promise";
import { Server } from "socket.io";

const pool = mysql.createPool({
  uri: process.argv[2],
  connectionLimit: 32,
  supportBigNumbers: true,
  bigNumberStrings: true,
  charset: "utf8mb4",
});
pool.pool.on("connection", (connection) =>
  connection.query("SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED"),
);

const idIn = (text) => BigInt(`0x${text}`).toString();
const idOut = (text) => BigInt(text).toString(16).padStart(16, "0");

class Refused extends Error {}

async function send(userId, request) {
  const body = request.body;
  if (typeof body !== "string" || !body.trim() || body.length > 8000) throw new Refused("invalid_payload");
  const cid = idIn(request.conversation_id);
  const key = Buffer.from(request.client_message_id.replaceAll("-", ""), "hex");
  const hash = createHash("md5").update(`${cid}\0${request.reply_to_seq ?? 0}\0${body}`).digest();
  const connection = await pool.getConnection();
  try {
    await connection.beginTransaction();
    const answer = await store(connection, cid, userId, key, hash, request);
    await connection.commit();
    return answer;
  } catch (error) {
    await connection.rollback();
    throw error;
  } finally {
    connection.release();
  }
}

async function store(connection, cid, userId, key, hash, request) {
  const [[conversation]] = await connection.execute(
    "SELECT last_seq, revision, last_message_at FROM conversations WHERE id = ? FOR UPDATE", [cid]);
  const [[sent]] = await connection.execute(
    "SELECT seq, revision, created_at FROM messages WHERE sender_id = ? AND client_message_id = ?", [userId, key]);
  if (sent) return { message: shape(cid, userId, request, sent.seq, sent.revision, sent.created_at), duplicate: true };
  const [[member]] = await connection.execute(
    "SELECT active FROM members WHERE user_id = ? AND conversation_id = ?", [userId, cid]);
  if (!conversation || !member?.active) throw new Refused("not_found");
  const seq = Number(conversation.last_seq) + 1;
  const revision = Number(conversation.revision) + 1;
  const at = Math.max(Date.now(), Number(conversation.last_message_at));
  await connection.execute(
    "INSERT INTO messages (conversation_id, seq, revision, sender_id, client_message_id, request_hash, body, created_at)" +
    " VALUES (?, ?, ?, ?, ?, ?, ?, ?)", [cid, seq, revision, userId, key, hash, request.body, at]);
  await connection.execute(
    "UPDATE conversations SET last_seq = ?, revision = ?, last_message_at = ? WHERE id = ?", [seq, revision, at, cid]);
  await connection.execute(
    "UPDATE members SET delivered_seq = ?, read_seq = ?, skipped = 0 WHERE user_id = ? AND conversation_id = ?",
    [seq, seq, userId, cid]);
  return { message: shape(cid, userId, request, seq, revision, at), duplicate: false };
}

function shape(cid, userId, request, seq, revision, at) {
  return {
    conversation_id: idOut(cid), seq: Number(seq), revision: Number(revision), sender_id: idOut(userId),
    client_message_id: request.client_message_id, body: request.body, attachments: [],
    created_at: new Date(Number(at)).toISOString(), edited_at: null, deleted_at: null,
    reply_to_seq: request.reply_to_seq ?? null,
  };
}

const server = createServer();
const io = new Server(server, { serveClient: false });

io.on("connection", (socket) => {
  const userId = idIn(socket.handshake.auth.token);
  socket.on("sync", async (_, ack) => {
    const [rows] = await pool.execute(
      "SELECT conversation_id FROM members WHERE user_id = ? AND active = 1", [userId]);
    socket.join(rows.map((row) => idOut(row.conversation_id)));
    ack({ ok: true, data: {} });
  });
  socket.on("message:send", async (request, ack) => {
    try {
      const data = await send(userId, request);
      const { conversation_id, revision } = data.message;
      if (!data.duplicate) {
        const delta = { conversation_id, since: revision - 1, revision, messages: [data.message] };
        io.to(conversation_id).emit("message:created", delta);
      }
      ack({ ok: true, data });
    } catch (error) {
      ack({ ok: false, error: { code: error instanceof Refused ? error.message : "internal" } });
    }
  });
});
server.listen({ port: 0, host: "127.0.0.1", backlog: 4096 }, () => console.log(server.address().port));

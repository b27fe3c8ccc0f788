// The socket: connecting, what is heard, sync after each connect, and how a connection ends.

import { Problem, UNANSWERED } from "./session.js";

const ACK_TIMEOUT_MS = 10_000;
const RETRY_MS = 2_000;
const ENDED = new Set(["token_invalid", "token_missing", "session_revoked"]);

/** The state of the connection: one of these, or SYNCING. */
export const CONNECTING = "connecting";
const SYNCING = "syncing";
export const ONLINE = "online";
export const FORBIDDEN = "forbidden";

/**
 * Fires `state`; `lost`, when nothing is heard any more; `typing` with {conversation_id, user_ids, expires_in_ms};
 * `presence` with {user_id, online, last_seen_at}; `users`, with a list of {user_id, revision} that changed, or null for any; and
 * `blocks`, when the user's own may have changed.
 */
export class Connection extends EventTarget {
  state = CONNECTING;
  maxPayload = null;
  #session;
  #store;
  #socket;
  #syncing = null;
  #usersSince; // the server's time when the last sync began that was whole
  #lifetime = new AbortController();

  /** `io`: the official client library. */
  constructor(io, session, store) {
    super();
    this.#session = session;
    this.#store = store;
    const socket = (this.#socket = io({
      auth: (give) => give({ token: session.accessToken }),
      transports: ["websocket", "polling"],
      tryAllTransports: true,
      reconnectionDelay: 500,
      reconnectionDelayMax: 5_000,
    }));
    socket.on("connect", () => this.#sync());
    socket.on("connect_error", (error) => this.#refused(error));
    socket.on("disconnect", () => this.#lose());
    socket.on("me:changed", (delta) => this.#hearOwn(delta));
    socket.on("typing:changed", (detail) => this.#tell("typing", detail));
    socket.on("presence:changed", (detail) => this.#tell("presence", detail));
    socket.on("user:updated", (detail) => this.#tell("users", [detail]));
    socket.on("auth:expiring", () => this.#refreshToken());
    socket.on("session:revoked", ({ code }) => session.end(code));
    socket.onAny((event, payload) => payload.conversation_id && payload.revision !== undefined && this.#hear(payload));
    addEventListener("online", () => socket.connected || socket.disconnect().connect(), { signal: this.#lifetime.signal });
  }

  close() {
    this.#lifetime.abort();
    this.#socket.disconnect();
  }

  /** Emit an event; resolve with the data of its ack, or reject with a Problem. */
  async emit(event, payload) {
    let ack;
    try {
      if (!this.#socket.connected) throw new Error("not connected");
      ack = await this.#socket.timeout(ACK_TIMEOUT_MS).emitWithAck(event, payload);
    } catch {
      const problem = new Problem(UNANSWERED);
      problem.offline = !this.#socket.connected;
      throw problem;
    }
    if (!ack.ok) throw new Problem(ack.error);
    return ack.data;
  }

  /** Tell that a conversation is on screen, and take in what is missing of it. */
  async join(id) {
    try {
      this.#store.apply(await this.emit("conversation:join", { conversation_id: id, revision: this.#store.revision(id) }));
    } catch (problem) {
      if (problem.code === "not_found") this.#store.drop(id);
    }
  }

  #tell(event, detail) {
    this.dispatchEvent(new CustomEvent(event, { detail }));
  }

  #lose() {
    if (this.state !== FORBIDDEN) this.#become(CONNECTING);
    this.#tell("lost");
  }

  /** Fetch what changed while nothing was heard; once for all who ask meanwhile. */
  #sync() {
    this.#become(SYNCING);
    this.#syncing ??= this.#syncPages().finally(() => (this.#syncing = null));
    return this.#syncing;
  }

  async #syncPages() {
    const store = this.#store;
    const missing = new Set();
    let begun;
    try {
      for (let cursor; cursor !== null; ) {
        const asked = { known: store.known, me: store.me ?? 0, epoch: store.epoch, users_since: this.#usersSince, cursor };
        const answer = await this.emit("sync", Object.fromEntries(Object.entries(asked).filter(([, value]) => value != null)));
        for (const id of store.applySync(answer)) missing.add(id);
        begun ??= answer.server_time;
        if (answer.users !== undefined) this.#tell("users", answer.users);
        this.maxPayload = answer.max_payload;
        cursor = answer.more ? answer.cursor : null;
      }
    } catch (problem) {
      // An expired token is refreshed on auth:expiring, which syncs; a lost connection syncs when it is back.
      if (!problem.offline && problem.code !== "token_expired") this.#later(() => this.#sync());
      return;
    }
    this.#usersSince = begun;
    for (const id of missing) this.join(id);
    this.#become(ONLINE);
  }

  #hear(delta) {
    if (!this.#store.apply(delta)) this.join(delta.conversation_id);
  }

  #hearOwn(delta) {
    if (delta.user) this.#tell("blocks");
    if (!this.#store.applyMe(delta)) this.#sync();
    for (const id of this.#store.uncounted) this.join(id);
  }

  async #refreshToken() {
    try {
      await this.#session.refresh();
      await this.emit("auth:refresh", { token: this.#session.accessToken });
      if (this.state !== ONLINE) this.#sync();
    } catch (problem) {
      if (!problem.offline && problem.retryable) this.#later(() => this.#refreshToken());
    }
  }

  /** The library tries again by itself after a fault of the network, not after a refusal. */
  #refused({ data, description }) {
    this.#become(description === 403 ? FORBIDDEN : CONNECTING);
    if (!data) return;
    if (ENDED.has(data.code)) this.#session.end(data.code);
    else this.#later(() => this.#socket.connect(), data.retry_after_ms);
  }

  /** Do it in a while, unless this is closed by then. */
  #later(act, ms = RETRY_MS) {
    setTimeout(() => this.#lifetime.signal.aborted || act(), ms);
  }

  #become(state) {
    this.state = state;
    this.dispatchEvent(new Event("state"));
  }
}

// Tells how far messages came and were read: when that changes, one at a time in each conversation.

export class Receipts {
  #connection;
  #store;
  #telling = new Set();
  #seen = new Map(); // by conversation: the highest seq that was before the user's eyes

  constructor(connection, store) {
    this.#connection = connection;
    this.#store = store;
    store.addEventListener("change", ({ detail }) => detail && this.check(detail));
  }

  /** Messages up to `seq` were in view. */
  see(id, seq) {
    if (seq <= this.seen(id)) return;
    this.#seen.set(id, seq);
    this.check(id);
  }

  /** How far the user has seen a conversation. */
  seen(id) {
    return Math.max(this.#seen.get(id) ?? 0, this.#store.conversations.get(id)?.read ?? 0);
  }

  async check(id) {
    const held = this.#store.conversations.get(id);
    if (!held || this.#telling.has(id)) return;
    const seen = Math.min(this.seen(id), held.lastSeq);
    const [event, seq] = seen > held.read ? ["receipt:read", seen] : ["receipt:delivered", held.lastSeq];
    if (event === "receipt:delivered" && seq <= held.delivered) return;
    this.#telling.add(id);
    try {
      this.#store.advance(id, await this.#connection.emit(event, { conversation_id: id, seq }));
    } catch {
      return; // told with the next change, or after the next sync
    } finally {
      this.#telling.delete(id);
    }
    this.check(id);
  }
}

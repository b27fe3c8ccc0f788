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
    const isMarked = this.#store.conversations.get(id)?.side.marked_unread;
    if (seq > this.seen(id)) this.#seen.set(id, seq);
    else if (!isMarked) return;
    this.check(id, isMarked);
  }

  /** How far the user has seen a conversation. */
  seen(id) {
    return Math.max(this.#seen.get(id) ?? 0, this.#store.conversations.get(id)?.read ?? 0);
  }

  /** Tell what there is to tell; `isMarked`: that it was read, too, as the user looks at what was marked as unread. */
  async check(id, isMarked = false) {
    const held = this.#store.conversations.get(id);
    if (!held || this.#telling.has(id)) return;
    const seen = Math.min(this.seen(id), held.lastSeq);
    const isRead = isMarked || seen > held.read;
    const [event, seq] = isRead ? ["receipt:read", seen] : ["receipt:delivered", held.lastSeq];
    if (!isRead && seq <= held.delivered) return;
    this.#telling.add(id);
    try {
      this.#store.advance(id, await this.#connection.emit(event, { conversation_id: id, seq }), isRead);
    } catch {
      return; // told with the next change, or after the next sync
    } finally {
      this.#telling.delete(id);
    }
    this.check(id);
  }
}

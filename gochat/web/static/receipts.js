// Tells how far messages came and were read: when that changes, one at a time in each conversation.

export class Receipts {
  #connection;
  #store;
  #isSeen;
  #telling = new Set();

  /** `isSeen(id)`: whether the conversation is before the user's eyes. */
  constructor(connection, store, isSeen) {
    this.#connection = connection;
    this.#store = store;
    this.#isSeen = isSeen;
    store.addEventListener("change", ({ detail }) => detail && this.check(detail));
  }

  async check(id) {
    const held = this.#store.conversations.get(id);
    if (!held || this.#telling.has(id)) return;
    const seq = held.lastSeq;
    const seen = this.#isSeen(id);
    if (seq <= (seen ? held.read : held.delivered)) return;
    this.#telling.add(id);
    try {
      const event = seen ? "receipt:read" : "receipt:delivered";
      this.#store.advance(id, await this.#connection.emit(event, { conversation_id: id, seq }));
    } catch {
      return; // told with the next change, or after the next sync
    } finally {
      this.#telling.delete(id);
    }
    this.check(id);
  }
}

// Who of those on screen is online.

const MOST = 100;

/** Fires `change`. */
export class Presence extends EventTarget {
  #connection;
  #presences = new Map();
  #watched = "";

  constructor(connection) {
    super();
    this.#connection = connection;
    connection.addEventListener("presence", ({ detail }) => this.#hear([detail]));
    connection.addEventListener("lost", () => {
      this.#presences.clear();
      this.#watched = ""; // asked again after the reconnect, when it is drawn again
      this.dispatchEvent(new Event("change"));
    });
  }

  isOnline(id) {
    return this.#presences.get(id)?.online ?? false;
  }

  /** When somebody was last seen; null if that is not known. */
  lastSeen(id) {
    return this.#presences.get(id)?.last_seen_at ?? null;
  }

  /** These are on screen, the most important first. */
  async watch(ids) {
    const user_ids = [...new Set(ids)].slice(0, MOST);
    const watched = [...user_ids].sort().join();
    if (watched === this.#watched) return;
    this.#watched = watched;
    try {
      this.#hear((await this.#connection.emit("presence:watch", { user_ids })).presences);
    } catch {
      this.#watched = ""; // asked again when it is drawn again
    }
  }

  #hear(presences) {
    for (const presence of presences) this.#presences.set(presence.user_id, presence);
    this.dispatchEvent(new Event("change"));
  }
}

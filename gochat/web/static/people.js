// Names: users are fetched when they are first seen, many at once.

const MOST_AT_ONCE = 100;

/** Fires `change` when names have come. */
export class People extends EventTarget {
  #session;
  #users = new Map();
  #wanted = new Set();
  #stale = new Set(); // ids of those that changed, and are fetched anew when they are next shown

  constructor(session) {
    super();
    this.#session = session;
    this.#users.set(session.user.id, session.user);
  }

  /** A user, or null while they are fetched. */
  user(id) {
    const user = this.#users.get(id) ?? null;
    if (user && !this.#stale.has(id)) return user;
    if (this.#wanted.size === 0) setTimeout(() => this.#fetch());
    this.#wanted.add(id);
    return user;
  }

  /** These changed, as {user_id, revision}; null: any may have. */
  hear(changed) {
    const told = changed ?? [...this.#users.keys()].map((user_id) => ({ user_id, revision: Infinity }));
    for (const { user_id, revision } of told) if (this.#users.get(user_id)?.revision < revision) this.#stale.add(user_id);
    this.dispatchEvent(new Event("change"));
  }

  /** The name of a user; for a moment "…". */
  name(id) {
    return this.user(id)?.display_name ?? "…";
  }

  /** Users whose username begins so. */
  async search(prefix) {
    const { users } = await this.#session.ask("GET", `/users?prefix=${encodeURIComponent(prefix)}`);
    return this.#keep(users).filter((user) => user.id !== this.#session.user.id);
  }

  /** The other one of a direct conversation; null in a group. */
  other(conversation) {
    if (conversation.about.kind !== "direct") return null;
    return [...conversation.members.keys()].find((id) => id !== this.#session.user.id) ?? null;
  }

  /** How a conversation is called. */
  title(conversation) {
    if (conversation.about.title) return conversation.about.title;
    const others = [...conversation.members.keys()].filter((id) => id !== this.#session.user.id);
    return others.slice(0, 4).map((id) => this.name(id)).join(", ") || "Only you";
  }

  async #fetch() {
    const ids = [...this.#wanted].slice(0, MOST_AT_ONCE);
    this.#wanted.clear();
    try {
      this.#keep((await this.#session.ask("GET", `/users?ids=${ids}`)).users);
      for (const id of ids) this.#stale.delete(id);
      for (const id of ids) if (!this.#users.has(id)) this.#users.set(id, { id, username: "", display_name: "Somebody", about: null });
    } catch {
      return; // asked again when it is shown again
    }
    this.dispatchEvent(new Event("change"));
  }

  #keep(users) {
    for (const user of users) this.#users.set(user.id, user);
    return users;
  }
}

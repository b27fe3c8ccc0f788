// What was begun and not sent: one draft for each conversation, shared by all tabs of the user.

const EMPTY = { text: "", reply: null };

/** Fires `change`, with the id of a conversation, when another tab wrote. */
export class Drafts extends EventTarget {
  #prefix;

  constructor(userId, signal) {
    super();
    this.#prefix = `gochat.draft.${userId}.`;
    addEventListener("storage", ({ key }) => key?.startsWith(this.#prefix) && this.#changed(key), { signal });
  }

  /** `{text, reply}`; `reply` is the seq that it answers, or null. */
  get(id) {
    return JSON.parse(localStorage.getItem(this.#prefix + id)) ?? EMPTY;
  }

  set(id, draft) {
    if (draft.text || draft.reply !== null) localStorage.setItem(this.#prefix + id, JSON.stringify(draft));
    else localStorage.removeItem(this.#prefix + id);
  }

  /** Forget all of them. */
  clear() {
    for (const key of Object.keys(localStorage)) if (key.startsWith(this.#prefix)) localStorage.removeItem(key);
  }

  #changed(key) {
    this.dispatchEvent(new CustomEvent("change", { detail: key.slice(this.#prefix.length) }));
  }
}

// What was written and is not stored yet. It outlives the page, is shared by all tabs of the user, and goes again until
// it is answered: a message has one key for ever, so the server stores it once, whichever tab sends it.

import { UNANSWERED } from "./session.js";
import { uuid } from "./uuid.js";
import { inWords } from "./words.js";

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 15_000;
const LARGE_BYTES = 16_384;
const TOO_LARGE = "This message is too large.";

const size = (entry) => new TextEncoder().encode(JSON.stringify(entry)).length;
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** One tab at a time; where the page is no secure context and has no locks, two may send the same, which is stored once. */
const exclusively = (name, act) => navigator.locks?.request(name, act) ?? act();

/** Fires `change`, with the id of a conversation. */
export class Outbox extends EventTarget {
  /** Bytes of the largest packet, as the server says. What is larger it can't answer: it closes the connection. */
  maxPayload = 512 * 1024;
  #sending = new Set(); // conversations of which this tab sends
  #prefix;
  #entries = new Map(); // as localStorage has them: each under a name of its own, so that no tab writes over another's
  #send;
  #signal;

  /** `send(entry)` resolves when the entry is stored, and rejects with a Problem. */
  constructor(userId, send, signal) {
    super();
    this.#prefix = `gochat.outbox.${userId}.`;
    this.#send = send;
    this.#signal = signal;
    for (const name of Object.keys(localStorage)) {
      if (name.startsWith(this.#prefix)) this.#entries.set(name, JSON.parse(localStorage.getItem(name)));
    }
    addEventListener("storage", (event) => event.key?.startsWith(this.#prefix) && this.#heard(event), { signal });
  }

  get size() {
    return this.#entries.size;
  }

  /** What waits or failed in a conversation, in the order in which it was written. */
  of(conversationId) {
    const entries = [...this.#entries.values()].filter((entry) => entry.conversation_id === conversationId);
    return entries.sort((one, other) => one.at - other.at);
  }

  /** `content`: what message:send takes beside its keys. */
  add(conversationId, content) {
    const key = uuid();
    const last = Math.max(0, ...[...this.#entries.values()].map(({ at }) => at));
    this.#save({ key, conversation_id: conversationId, content, at: Math.max(Date.now(), last + 1), cuts: 0, failed: null });
    this.#pump(conversationId);
  }

  /** Try again what was refused. */
  retry(key) {
    const entry = this.#entries.get(this.#prefix + key);
    if (!entry) return;
    this.#save({ ...entry, failed: null, cuts: 0 });
    this.#pump(entry.conversation_id);
  }

  /** Give up what was refused. */
  discard(key) {
    const entry = this.#entries.get(this.#prefix + key);
    if (entry) this.#remove(entry);
  }

  /** Forget all of it. */
  clear() {
    for (const name of this.#entries.keys()) localStorage.removeItem(name);
    this.#entries.clear();
  }

  /** The server can be reached: send all that waits. */
  flush() {
    for (const id of new Set([...this.#entries.values()].map((entry) => entry.conversation_id))) this.#pump(id);
  }

  /** One at a time in each conversation, so that they keep their order whatever fails. */
  async #pump(id) {
    if (this.#sending.has(id)) return;
    this.#sending.add(id);
    let wait = 0;
    while (wait !== null && !this.#signal.aborted && this.#next(id)) {
      const failures = wait;
      wait = await exclusively(this.#prefix + id, () => this.#try(this.#next(id), failures));
      if (wait) await pause(wait);
    }
    this.#sending.delete(id);
  }

  /** Send one; return the pause before the next in ms, or null if that has to wait for the connection. */
  async #try(entry, waited) {
    if (!entry || this.#signal.aborted) return 0;
    if (localStorage.getItem(this.#prefix + entry.key) === null) return this.#forget(entry), 0; // another tab has sent it
    if (size(entry.content) > this.maxPayload) return this.#save({ ...entry, failed: TOO_LARGE }), 0;
    try {
      await this.#send(entry);
    } catch (problem) {
      if (problem.code === UNANSWERED.code && problem.offline) {
        // What is large and was cut off twice closes each connection to come, or looks so.
        const cuts = entry.cuts + (size(entry.content) > LARGE_BYTES);
        if (cuts !== entry.cuts) this.#save({ ...entry, cuts, failed: cuts < 2 ? null : TOO_LARGE });
        return null; // flush comes with the connection
      }
      if (problem.retryable) return problem.retryAfter ?? Math.min(Math.max(2 * waited, FIRST_PAUSE_MS), LONGEST_PAUSE_MS);
      return this.#save({ ...entry, failed: inWords(problem) }), 0;
    }
    this.#remove(entry);
    return 0;
  }

  #next(id) {
    return this.of(id).find((entry) => entry.failed === null);
  }

  #save(entry) {
    if (this.#signal.aborted) return;
    localStorage.setItem(this.#prefix + entry.key, JSON.stringify(entry));
    this.#entries.set(this.#prefix + entry.key, entry);
    this.#changed(entry.conversation_id);
  }

  #remove(entry) {
    localStorage.removeItem(this.#prefix + entry.key);
    this.#forget(entry);
  }

  #forget(entry) {
    this.#entries.delete(this.#prefix + entry.key);
    this.#changed(entry.conversation_id);
  }

  /** Another tab wrote. */
  #heard({ key, newValue }) {
    const entry = newValue === null ? this.#entries.get(key) : JSON.parse(newValue);
    if (newValue === null) this.#entries.delete(key);
    else this.#entries.set(key, entry);
    if (!entry) return;
    this.#changed(entry.conversation_id);
    this.#pump(entry.conversation_id);
  }

  #changed(id) {
    this.dispatchEvent(new CustomEvent("change", { detail: id }));
  }
}

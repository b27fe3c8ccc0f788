// What was written and is not stored yet. It outlives the page, and goes again until it is answered: a message has
// one key for ever, so the server stores it once.

import { UNANSWERED } from "./session.js";

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 15_000;
const LARGE_BYTES = 16_384;
const TOO_LARGE = "This message is too large.";

const size = (entry) => new TextEncoder().encode(JSON.stringify(entry)).length;

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Fires `change`, with the id of a conversation. */
export class Outbox extends EventTarget {
  /** Bytes of the largest packet, as the server says. What is larger it can't answer: it closes the connection. */
  maxPayload = 512 * 1024;
  #sending = new Set();
  #key;
  #entries;
  #send;

  /** `send(entry)` resolves when the entry is stored, and rejects with a Problem. */
  constructor(userId, send) {
    super();
    this.#key = `gochat.outbox.${userId}`;
    this.#entries = JSON.parse(localStorage.getItem(this.#key)) ?? [];
    this.#send = send;
  }

  of(conversationId) {
    return this.#entries.filter((entry) => entry.conversation_id === conversationId);
  }

  add(conversationId, body) {
    const key = crypto.randomUUID?.() ?? uuid();
    this.#entries.push({ key, conversation_id: conversationId, body, at: new Date().toISOString(), failed: null });
    this.#changed(conversationId);
    this.#pump(conversationId);
  }

  /** Try again what was refused. */
  retry(key) {
    const entry = this.#entries.find((one) => one.key === key);
    if (!entry) return;
    entry.failed = null;
    entry.cuts = 0;
    this.#changed(entry.conversation_id);
    this.#pump(entry.conversation_id);
  }

  /** The server can be reached: send all that waits. */
  flush() {
    for (const id of new Set(this.#entries.map((entry) => entry.conversation_id))) this.#pump(id);
  }

  /** One at a time in each conversation, so that they keep their order whatever fails. */
  async #pump(id) {
    if (this.#sending.has(id)) return;
    this.#sending.add(id);
    let wait = FIRST_PAUSE_MS;
    for (let entry = this.#next(id); entry; entry = this.#next(id)) {
      if (size(entry) > this.maxPayload) {
        entry.failed = TOO_LARGE;
        this.#changed(id);
        continue;
      }
      try {
        await this.#send(entry);
        wait = FIRST_PAUSE_MS;
        this.#entries = this.#entries.filter((one) => one !== entry);
      } catch (problem) {
        if (problem.code === UNANSWERED.code && problem.offline) {
          // What is large and was cut off twice closes each connection to come, or looks so.
          entry.cuts = (entry.cuts ?? 0) + (size(entry) > LARGE_BYTES);
          if (entry.cuts < 2) break; // flush comes with the connection
          entry.failed = TOO_LARGE;
          this.#changed(id);
          break;
        }
        if (problem.retryable) {
          await pause(problem.retryAfter ?? wait);
          wait = Math.min(2 * wait, LONGEST_PAUSE_MS);
          continue;
        }
        entry.failed = problem.message;
      }
      this.#changed(id);
    }
    this.#sending.delete(id);
  }

  #next(id) {
    return this.#entries.find((entry) => entry.conversation_id === id && entry.failed === null);
  }

  #changed(id) {
    localStorage.setItem(this.#key, JSON.stringify(this.#entries));
    this.dispatchEvent(new CustomEvent("change", { detail: id }));
  }
}

/** A random UUID where the page is no secure context, as on another machine's address (RFC 9562, section 5.4). */
function uuid() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

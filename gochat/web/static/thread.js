// One conversation on screen.

import { byId, dayOf, fill, make, timeOf } from "./dom.js";

const NEAR_PX = 120;
const TYPING_AGAIN_MS = 4_000;
const TYPING_ENDS_MS = 5_000;

export class Thread {
  id = null;
  #app;
  #typists = [];
  #typistsEnd = 0;
  #typedAt = 0;
  #idle = 0;
  #loading = false;
  #messages = byId("messages");
  #form = byId("composer");

  /** `app`: {store, people, outbox, connection, session, user}. */
  constructor(app) {
    this.#app = app;
    this.#form.body.value = "";
    this.#form.onsubmit = (event) => this.#submit(event);
    this.#form.oninput = () => this.#typed();
    this.#form.onkeydown = (event) => {
      const isSend = event.key === "Enter" && !event.shiftKey && !event.isComposing && matchMedia("(pointer: fine)").matches;
      if (isSend) this.#submit(event);
    };
    this.#messages.onscroll = () => this.#messages.scrollTop < NEAR_PX && this.#loadOlder();
    app.connection.addEventListener("typing", ({ detail }) => detail.conversation_id === this.id && this.#hearTyping(detail));
  }

  /** Put another conversation on screen, or none. */
  open(id) {
    if (id === this.id) return;
    if (this.id) this.#app.connection.emit("conversation:leave", { conversation_id: this.id }).catch(() => null);
    this.id = id;
    this.#typists = [];
    this.#messages.kept?.clear();
    this.#messages.replaceChildren();
    if (id) this.#app.connection.join(id);
    this.show();
    this.#messages.scrollTop = this.#messages.scrollHeight;
  }

  show() {
    const { store, people, outbox } = this.#app;
    const held = store.conversations.get(this.id);
    byId("thread").hidden = !held;
    byId("choose").hidden = Boolean(held);
    if (!held) return;
    byId("title").textContent = people.title(held);
    this.#showSubtitle(held);
    const box = this.#messages;
    const fromEnd = box.scrollHeight - box.scrollTop;
    const atEnd = fromEnd - box.clientHeight < NEAR_PX;
    const oldest = box.firstChild;
    fill(box, this.#items(held, outbox.of(this.id)), JSON.stringify, (item) => this.#build(item));
    if (atEnd) box.scrollTop = box.scrollHeight;
    else if (box.firstChild !== oldest) box.scrollTop = box.scrollHeight - fromEnd;
    if (box.scrollHeight <= box.clientHeight) this.#loadOlder();
  }

  #showSubtitle(held) {
    const { people, user } = this.#app;
    const names = this.#typists.filter((id) => id !== user.id).map((id) => people.name(id));
    const subtitle = byId("subtitle");
    subtitle.classList.toggle("typing", names.length > 0);
    if (names.length > 0) subtitle.textContent = `${names.join(", ")} ${names.length > 1 ? "are" : "is"} typing…`;
    else subtitle.textContent = held.about.kind === "group" ? `${held.about.member_count} members` : "";
  }

  /** What is shown, as plain values: days, messages, and what waits to be sent. */
  #items(held, waiting) {
    const { people, user } = this.#app;
    const [delivered, read] = ["delivered_seq", "read_seq"].map((field) => held.others(field, user.id));
    const page = held.page;
    const stored = new Set(page.map((message) => message.client_message_id));
    const items = [];
    let day = "";
    let sender = "";
    const add = (at, senderId, rest) => {
      if (dayOf(at) !== day) items.push({ day: (day = dayOf(at)), key: at });
      const isFirst = senderId !== sender || items.at(-1).day !== undefined;
      sender = senderId;
      const own = senderId === user.id;
      const name = !own && isFirst && held.about.kind === "group" ? people.name(senderId) : "";
      items.push({ own, first: isFirst, name, time: timeOf(at), ...rest });
    };
    for (const { seq, created_at, sender_id, client_message_id, body, attachments, edited_at, deleted_at } of page) {
      const ticks = seq <= read ? "read" : seq <= delivered ? "delivered" : "stored";
      const files = attachments.map(({ url, name }) => ({ url, name: name ?? url }));
      add(created_at, sender_id, { key: client_message_id + sender_id, body, files, edited: edited_at !== null,
        deleted: deleted_at !== null, ticks: sender_id === user.id ? ticks : null });
    }
    for (const { key, at, body, failed } of waiting) {
      if (!stored.has(key)) add(at, user.id, { key: key + user.id, body, files: [], failed, again: key, ticks: "waiting" });
    }
    return items;
  }

  #build(item) {
    if (item.day) return make("p.day", {}, item.day);
    const bubble = make("div.bubble", { dir: "auto" }, item.deleted ? "Message deleted" : (item.body ?? ""));
    for (const { url, name } of item.files) {
      bubble.append(" ", make("a", { href: url, rel: "noopener noreferrer", target: "_blank" }, name));
    }
    bubble.append(make("span.meta", {}, item.edited && !item.deleted ? `edited ${item.time}` : item.time, ticks(item.ticks)));
    const element = make("div.message", {}, item.name ? make("span.sender", {}, item.name) : null, bubble);
    element.classList.toggle("own", item.own);
    element.classList.toggle("first", item.first);
    element.classList.toggle("deleted", Boolean(item.deleted));
    element.classList.toggle("waiting", item.ticks === "waiting" && !item.failed);
    if (item.failed) {
      element.classList.add("failed");
      const again = () => this.#app.outbox.retry(item.again);
      element.append(make("button.again", { type: "button", onclick: again }, `${item.failed} Try again`));
    }
    return element;
  }

  async #loadOlder() {
    const { store, session } = this.#app;
    const held = store.conversations.get(this.id);
    const oldest = held?.page[0]?.seq ?? 0;
    if (this.#loading || oldest <= (held?.visibleFrom ?? 1)) return;
    this.#loading = true;
    try {
      const path = `/messages?conversation_id=${held.id}&before_seq=${oldest}&limit=50`;
      store.keep(held.id, (await session.ask("GET", path)).messages);
    } catch {
      return; // the next scroll asks again
    } finally {
      this.#loading = false;
    }
  }

  #submit(event) {
    event.preventDefault();
    const text = this.#form.body.value.trim();
    if (!text) return;
    this.#form.body.value = "";
    clearTimeout(this.#idle);
    this.#typedAt = 0;
    this.#app.outbox.add(this.id, text);
    this.#messages.scrollTop = this.#messages.scrollHeight;
  }

  /** The server ends the typing when the message is sent. */
  #typed() {
    const conversation_id = this.id;
    const tell = (event) => this.#app.connection.emit(event, { conversation_id }).catch(() => null);
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => {
      this.#typedAt = 0;
      tell("typing:stop");
    }, TYPING_ENDS_MS);
    if (Date.now() - this.#typedAt < TYPING_AGAIN_MS) return;
    this.#typedAt = Date.now();
    tell("typing:start");
  }

  #hearTyping({ user_ids, expires_in_ms }) {
    this.#typists = user_ids;
    clearTimeout(this.#typistsEnd);
    this.#typistsEnd = setTimeout(() => this.#hearTyping({ user_ids: [] }), expires_in_ms ?? 0);
    if (user_ids.length === 0) clearTimeout(this.#typistsEnd);
    this.show();
  }
}

const TICKS = { waiting: ["◷", "Waiting"], stored: ["✓", "Sent"], delivered: ["✓✓", "Delivered"], read: ["✓✓", "Read"] };

function ticks(kind) {
  if (kind === null) return null;
  const [sign, title] = TICKS[kind];
  const element = make("span.ticks", { title, role: "img", ariaLabel: title }, sign);
  element.classList.add(kind);
  return element;
}

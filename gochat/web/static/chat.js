// The chat of whoever is logged in: its parts, and what is on screen.

import { io } from "/web/lib/socket.io-client/socket.io.esm.min.js";
import { App } from "./app.js";
import { Connection, ONLINE } from "./connection.js";
import { Drafts } from "./drafts.js";
import { html, render } from "./html.js";
import { Outbox } from "./outbox.js";
import { People } from "./people.js";
import { Presence } from "./presence.js";
import { Receipts } from "./receipts.js";
import { Store } from "./store.js";
import { keepTheme } from "./theme.js";
import { uuid } from "./uuid.js";
import { inWords } from "./words.js";

const HIDDEN_SHOW_MS = 250;

/** The address of a conversation, or of a message of it. */
const hashOf = (id, seq) => (seq === null ? `#/c/${id}` : `#/c/${id}/${seq}`);

/** What all parts of the page share. */
class Chat {
  currentId = null; // the conversation on screen
  dialog = null; // a function that draws the dialog, or null
  target = null; // {id, seq} of a message that is to be brought into view
  notice = ""; // what did not work, until the user puts it away
  blocked = new Set(); // ids of users
  #lifetime = new AbortController();
  #root;
  #isDue = false;

  constructor(session, root) {
    const { signal } = this.#lifetime;
    this.#root = root;
    this.session = session;
    this.user = session.user;
    this.store = new Store(this.user.id);
    this.people = new People(session);
    this.connection = new Connection(io, session, this.store);
    this.drafts = new Drafts(this.user.id, signal);
    this.outbox = new Outbox(this.user.id, (entry) => this.#send(entry), signal);
    this.presence = new Presence(this.connection);
    this.receipts = new Receipts(this.connection, this.store);
    for (const source of [this.store, this.people, this.outbox, this.drafts, this.presence]) {
      source.addEventListener("change", () => this.show());
    }
    this.connection.addEventListener("state", () => this.#connected());
    this.connection.addEventListener("users", ({ detail }) => this.people.hear(detail));
    this.connection.addEventListener("blocks", () => this.loadBlocked());
    addEventListener("hashchange", () => this.#route(), { signal });
    for (const event of ["focus", "blur"]) addEventListener(event, () => this.show(), { signal });
    document.addEventListener("visibilitychange", () => this.#draw(), { signal });
    keepTheme();
    this.#route();
    this.#draw();
  }

  get current() {
    return this.store.conversations.get(this.currentId) ?? null;
  }

  /** Draw anew, with the next frame. A page in the background has none, and its title still tells what is unread. */
  show() {
    if (this.#isDue || this.#lifetime.signal.aborted) return;
    this.#isDue = true;
    if (document.hidden) setTimeout(() => this.#draw(), HIDDEN_SHOW_MS);
    else requestAnimationFrame(() => this.#draw());
  }

  /** Put a dialog on screen: a function that draws it; none with null. */
  ask(dialog) {
    this.dialog = dialog;
    this.show();
  }

  tell(notice) {
    this.notice = notice;
    this.show();
  }

  /** Do what may fail; the user is told. Resolve with whether it did not. */
  async attempt(act) {
    try {
      await act();
      return true;
    } catch (problem) {
      this.tell(inWords(problem));
      return false;
    }
  }

  /** Emit an event whose answer has a message, and take that in. */
  async change(event, payload) {
    const { message } = await this.connection.emit(event, payload);
    this.store.keep(payload.conversation_id, [message]);
  }

  /** Change what nobody but the user sees of a conversation. */
  async turn(event, payload) {
    const { me } = await this.connection.emit(event, payload);
    this.store.turn(payload.conversation_id, me);
  }

  /** What leads to a message, for whoever is in its conversation. */
  linkTo(id, seq) {
    return new URL(hashOf(id, seq), location.href).href;
  }

  /** Go to a message, wherever it is. */
  goTo(id, seq) {
    this.dialog = null;
    if (id === this.currentId) {
      this.stay(seq); // one way back leads out of a conversation, however many messages one looked up in it
      this.target = { id, seq };
    } else {
      location.hash = hashOf(id, seq);
    }
    this.show();
  }

  /** Have the address tell where in this conversation the user is: at a message, or with null at no certain one. */
  stay(seq) {
    history.replaceState(null, "", hashOf(this.currentId, seq));
  }

  /** The seq of the message that is to be brought into view, once; or null. */
  arrive() {
    const target = this.target;
    this.target = null;
    return target?.id === this.currentId ? target.seq : null;
  }

  /** Begin a conversation, and go there. */
  async create(memberIds, title) {
    const kind = memberIds.length > 1 ? "group" : "direct";
    const named = kind === "group" ? { client_conversation_id: uuid(), ...(title && { title }) } : {};
    const { conversation } = await this.connection.emit("conversation:create", { kind, member_ids: memberIds, ...named });
    await this.connection.join(conversation.id);
    location.hash = `#/c/${conversation.id}`;
  }

  async loadBlocked() {
    const { users } = await this.session.ask("GET", "/me/blocks").catch(() => ({ users: null }));
    if (users) this.blocked = new Set(users.map(({ id }) => id));
    this.show();
  }

  async block(id, on) {
    if (on) await this.session.ask("PUT", "/me/blocks", { user_id: id });
    else await this.session.ask("DELETE", `/me/blocks?user_id=${id}`);
    await this.loadBlocked();
  }

  /** Log out, and leave nothing of what was written on this device. */
  async logOut() {
    await this.session.close();
    this.outbox.clear();
    this.drafts.clear();
  }

  close() {
    this.#lifetime.abort();
    this.connection.close();
    render(null, this.#root);
    document.title = "GoChat";
  }

  async #send({ key, conversation_id, content }) {
    await this.change("message:send", { conversation_id, client_message_id: key, ...content });
  }

  #route() {
    const [, id = null, seq] = /^#\/c\/(\w+)(?:\/([1-9]\d{0,14}))?$/.exec(location.hash) ?? [];
    const before = this.currentId;
    if (seq) this.target = { id, seq: Number(seq) };
    if (id === before) return this.show();
    this.currentId = id;
    this.dialog = null; // it was about what was on screen
    if (before) this.connection.emit("conversation:leave", { conversation_id: before }).catch(() => null);
    if (id) this.connection.join(id);
    this.show();
  }

  #connected() {
    this.show();
    if (this.connection.state !== ONLINE) return;
    if (this.currentId) this.connection.join(this.currentId);
    for (const id of this.store.conversations.keys()) this.receipts.check(id);
    this.outbox.maxPayload = this.connection.maxPayload;
    this.outbox.flush();
    this.loadBlocked();
  }

  #draw() {
    this.#isDue = false;
    if (this.#lifetime.signal.aborted) return;
    render(html`<${App} chat=${this} />`, this.#root);
    if (this.connection.state === ONLINE) this.presence.watch(this.#peopleOnScreen());
  }

  /** Who is on screen, or nearly so: those of the open conversation, then those of the list. */
  #peopleOnScreen() {
    const own = this.user.id;
    const here = this.current ? [...this.current.members.keys()].filter((id) => id !== own) : [];
    return [...here.slice(0, 50), ...this.store.sorted.map((held) => this.people.other(held)).filter(Boolean)];
  }
}

/** Put the chat into an element; return what takes it away again. */
export function openChat(session, root) {
  const chat = new Chat(session, root);
  return () => chat.close();
}

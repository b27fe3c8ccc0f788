// Where one writes: a draft that belongs to its conversation, an answer to a message, or a change of one.

import { ONLINE } from "./connection.js";
import { Component, html, icon } from "./html.js";

const TYPING_AGAIN_MS = 4_000;
const TYPING_ENDS_MS = 5_000;
const FULL = "This browser has no room to keep the message until it is sent.";
const isDesk = () => matchMedia("(pointer: fine)").matches;

/** `reply`: the seq that is answered; `editing`: the message that is changed; `compose(state)` sets `reply` and ends or begins `editing`. */
export class Composer extends Component {
  #lifetime = new AbortController();
  #area;
  #typedAt = 0;
  #idle = null; // runs while the user types

  componentDidMount() {
    const { chat, held } = this.props;
    const { signal } = this.#lifetime;
    chat.drafts.addEventListener("change", ({ detail }) => detail === held.id && !this.props.editing && this.#fill(), { signal });
    chat.connection.addEventListener("state", () => this.#typeOn(), { signal });
    if (isDesk()) this.#area?.focus({ preventScroll: true });
  }

  componentDidUpdate({ reply, editing }) {
    if (!this.#area) return;
    const now = this.props;
    if (now.editing === editing && now.reply === reply) return;
    if (now.editing !== editing) this.#fill();
    this.#keep();
    this.#area.focus();
  }

  componentWillUnmount() {
    this.#lifetime.abort();
    if (this.#idle) this.#stopTyping();
  }

  render({ chat, held, reply, editing }) {
    const other = chat.people.other(held);
    if (chat.blocked.has(other)) return blocked(chat, other);
    const answered = held.messages.get(reply);
    return html`<form id="composer" onSubmit=${(event) => this.#submit(event)}>
      ${(reply !== null || editing) && html`<p class="about">
        <span dir="auto">${editing ? "Changing your message" : html`Answer to <b>${answered ? chat.people.name(answered.sender_id) : "a message"}</b>:
          ${" "}${answered?.body}`}</span>
        <button type="button" class="icon" aria-label=${editing ? "Do not change it" : "Do not answer it"}
          onClick=${() => this.#giveUp()}>${icon("close")}</button></p>`}
      <textarea name="body" rows="1" maxlength="8000" placeholder="Message" aria-label="Message" dir="auto"
        ref=${this.#take} onInput=${() => this.#typed()} onKeyDown=${(event) => this.#key(event)}></textarea>
      <button class="primary send" aria-label=${editing ? "Save" : "Send"}>${icon("send")}</button>
    </form>`;
  }

  get #draft() {
    return this.props.chat.drafts.get(this.props.held.id);
  }

  /** The field is there: at first, and when somebody is blocked no more. */
  #take = (area) => {
    this.#area = area;
    this.#fill();
  };

  #fill() {
    const { editing } = this.props;
    if (this.#area) this.#area.value = editing ? editing.body : this.#draft.text;
  }

  #keep() {
    const { chat, held, reply, editing } = this.props;
    if (!editing) chat.drafts.set(held.id, { text: this.#area.value, reply });
  }

  /** Change or answer the message no more. */
  #giveUp() {
    this.props.compose(this.props.editing ? {} : { reply: null });
  }

  #key(event) {
    const { editing, reply } = this.props;
    if (event.isComposing) return;
    if (event.key === "Enter" && !event.shiftKey && isDesk()) this.#submit(event);
    if (event.key === "Escape" && (editing || reply !== null)) this.#giveUp();
  }

  async #submit(event) {
    event.preventDefault();
    const { chat, held, reply, editing, compose } = this.props;
    const body = this.#area.value.trim();
    if (!body) return;
    if (this.#idle) this.#stopTyping();
    if (editing) {
      const { conversation_id, seq, revision } = editing;
      const isDone = await chat.attempt(() => chat.change("message:edit", { conversation_id, seq, revision, body }));
      if (isDone && this.props.editing === editing) compose({});
      return;
    }
    try {
      const answers = reply === null ? {} : { reply_to_seq: reply };
      chat.outbox.add(held.id, { body, read_up_to: chat.receipts.seen(held.id), ...answers });
    } catch {
      return chat.tell(FULL);
    }
    this.#area.value = "";
    chat.drafts.set(held.id, { text: "", reply: null });
    compose({ reply: null });
    document.getElementById("messages").scrollTop = Number.MAX_SAFE_INTEGER;
    this.#area.focus();
  }

  #typed() {
    this.#keep();
    if (this.props.editing) return;
    clearTimeout(this.#idle);
    this.#idle = setTimeout(() => this.#stopTyping(), TYPING_ENDS_MS);
    if (Date.now() - this.#typedAt >= TYPING_AGAIN_MS) this.#tell("typing:start");
  }

  /** After a reconnect nobody knows it any more. */
  #typeOn() {
    if (this.#idle && this.props.chat.connection.state === ONLINE) this.#tell("typing:start");
  }

  #stopTyping() {
    clearTimeout(this.#idle);
    this.#idle = null;
    this.#tell("typing:stop");
    this.#typedAt = 0;
  }

  #tell(event) {
    this.#typedAt = Date.now();
    const { chat, held } = this.props;
    chat.connection.emit(event, { conversation_id: held.id }).catch(() => null);
  }
}

const blocked = (chat, other) => html`<p id="composer" class="blocked">
  <span>You have blocked <bdi>${chat.people.name(other)}</bdi>.</span>
  <button class="plain" onClick=${() => chat.attempt(() => chat.block(other, false))}>Unblock</button></p>`;

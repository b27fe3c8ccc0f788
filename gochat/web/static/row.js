// One message, stored or waiting.

import { Confirm } from "./dialog.js";
import { Component, html, icon } from "./html.js";
import { Report } from "./report.js";
import { withLinks } from "./words.js";

const QUICK = ["👍", "❤️", "😂", "😮", "😢", "🙏"];
const TICKS = {
  waiting: ["Waiting", "M12 5a7 7 0 1 0 0 14a7 7 0 0 0 0-14zM12 8v4l2.5 2"],
  stored: ["Sent", "M7 13l3.5 3.5L18 8"],
  delivered: ["Delivered", "M2 13l3.5 3.5L13 8M11 15.5l1.5 1L20 8"],
  read: ["Read", "M2 13l3.5 3.5L13 8M11 15.5l1.5 1L20 8"],
};

/**
 * Of a stored message: `message`, `isOpen`, `onOpen(seq)`, `compose`, `mayDelete`, `mayPin`, `isPinned`, `isFound`, and `reactors`: a
 * line of names for each reaction; of one that waits: `entry`.
 */
export class Row extends Component {
  #element;

  render({ message, entry, own, first, name, ticks, isOpen, isFound }) {
    const isDeleted = Boolean(message?.deleted_at);
    const marks = { own, first, deleted: isDeleted, waiting: entry && !entry.failed, failed: entry?.failed, found: isFound };
    const classes = Object.keys(marks).filter((mark) => marks[mark]);
    return html`<div class=${["message", ...classes].join(" ")} data-seq=${message?.seq} tabindex=${isFound ? -1 : undefined}
        ref=${(element) => (this.#element = element)}>
      ${name && html`<span class="sender" dir="auto">${name}</span>`}
      <div class="beside">
        ${this.#bubble(isDeleted, ticks)}
        ${message && !isDeleted && html`<button class="icon more" aria-label="What to do with this message"
          aria-expanded=${isOpen ? "true" : "false"} onClick=${this.#toggle}>${icon("more")}</button>`}
      </div>
      ${message?.reactions.length > 0 && html`<div class="reactions">${message.reactions.map((one, n) => this.#reaction(one, n))}</div>`}
      ${isOpen && !isDeleted && this.#actions()}
      ${entry?.failed && this.#failure(entry)}
    </div>`;
  }

  #bubble(isDeleted, ticks) {
    const { message, entry, time, quote, quoteName, quoteSeq } = this.props;
    const body = isDeleted ? "Message deleted" : (message ? message.body : entry.content.body);
    const files = message?.attachments ?? [];
    return html`<div class="bubble">
      ${quote && !isDeleted && html`<button class="quote" disabled=${quoteSeq === null} onClick=${() => this.#goTo(quoteSeq)}>
        <b dir="auto">${quoteName}</b><span dir="auto">${quote}</span></button>`}
      ${body && html`<span class="text" dir="auto">${withLinks(body).map((part) => (part.url ? link(part.url, part.url) : part))}</span>`}
      ${files.map(({ url, name }) => html`<span class="file">${link(url, name ?? url)}</span>`)}
      <span class="meta">${message?.edited_at && !isDeleted && html`<span class="edited">edited</span> `}${time}${tick(ticks)}</span>
    </div>`;
  }

  #reaction({ emoji, count, mine }, n) {
    const names = this.props.reactors.split("\n")[n];
    const shown = emoji.replace(/^custom:/, "");
    return html`<button key=${emoji} aria-pressed=${mine ? "true" : "false"} title=${names}
      aria-label=${`${shown} ${count}: ${names}`} onClick=${() => this.#react(emoji, !mine)}>${shown} ${count}</button>`;
  }

  #actions() {
    const { chat, message, own, compose, mayDelete, mayPin, isPinned, onOpen } = this.props;
    const { conversation_id, seq, sender_id } = message;
    const then = (act) => () => {
      onOpen(null);
      act();
    };
    const copy = (text) => () => navigator.clipboard.writeText(text);
    const pin = () => chat.attempt(() => chat.connection.emit("message:pin", { conversation_id, seq, on: !isPinned }));
    const report = () => chat.ask(() => html`<${Report} chat=${chat} target=${{ conversation_id, seq }} user=${sender_id} />`);
    return html`<div class="actions" role="group" aria-label="What to do" onKeyDown=${this.#key}>
      ${QUICK.map((emoji) => html`<button key=${emoji} class="emoji" aria-label=${`React with ${emoji}`}
        onClick=${then(() => this.#react(emoji, !message.reactions.some((one) => one.emoji === emoji && one.mine)))}>${emoji}</button>`)}
      <button onClick=${then(() => compose({ reply: seq }))}>Reply</button>
      ${navigator.clipboard && message.body && html`<button onClick=${then(copy(message.body))}>Copy</button>`}
      ${navigator.clipboard && html`<button onClick=${then(copy(chat.linkTo(conversation_id, seq)))}>Copy link</button>`}
      ${own && html`<button onClick=${then(() => compose({ editing: message }))}>Edit</button>`}
      ${mayPin && html`<button onClick=${then(pin)}>${isPinned ? "Unpin" : "Pin"}</button>`}
      ${!own && html`<button onClick=${then(report)}>Report</button>`}
      ${mayDelete && html`<button class="danger" onClick=${then(() => chat.ask(() => this.#confirm()))}>Delete</button>`}
    </div>`;
  }

  #failure({ key, failed }) {
    const { outbox } = this.props.chat;
    return html`<div class="why" role="group" aria-label="Not sent">
      <span>Not sent. ${failed}</span>
      <button onClick=${() => outbox.retry(key)}>Try again</button>
      <button onClick=${() => outbox.discard(key)}>Discard</button>
    </div>`;
  }

  #confirm() {
    const { chat, message } = this.props;
    const { conversation_id, seq } = message;
    const onYes = () => chat.change("message:delete", { conversation_id, seq });
    return html`<${Confirm} chat=${chat} title="Delete this message?" act="Delete" onYes=${onYes}>
      Nobody in this conversation will see it any more.<//>`;
  }

  #toggle = () => {
    const { message, isOpen, onOpen } = this.props;
    onOpen(isOpen ? null : message.seq);
  };

  #key = (event) => {
    if (event.key !== "Escape") return;
    this.#element.querySelector(".more").focus();
    this.props.onOpen(null);
  };

  #react(emoji, on) {
    const { chat, message } = this.props;
    const { conversation_id, seq } = message;
    chat.attempt(() => chat.change("message:react", { conversation_id, seq, emoji, on }));
  }

  #goTo(seq) {
    const { chat, message, entry } = this.props;
    chat.goTo((message ?? entry).conversation_id, seq);
  }
}

/** What leads to another place of this page stays in its tab. */
const link = (url, text) => html`<a href=${url} rel="noopener noreferrer"
  target=${url.startsWith(`${location.origin}/#/`) ? undefined : "_blank"}>${text}</a>`;

/** How far a message came, told by form and name as well as by colour. */
function tick(kind) {
  if (kind === null) return null;
  const [title, path] = TICKS[kind];
  return html`<span class="ticks ${kind}" role="img" aria-label=${title} title=${title}>
    <svg viewBox="0 0 22 22" aria-hidden="true"><path d=${path} /></svg></span>`;
}

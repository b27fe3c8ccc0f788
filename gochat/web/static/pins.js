// The pinned messages of a conversation: the newest above it, and all of them in a dialog.

import { Dialog } from "./dialog.js";
import { Component, html, icon } from "./html.js";
import { inShort } from "./words.js";

/** The seqs of those that the user may see, the newest pin first. */
const pinnedOf = (held) => held.about.pinned_seqs.filter((seq) => seq >= held.visibleFrom);

/** Fetches those of `seqs` that are not held, once. */
class Fetching extends Component {
  #asked = new Set();

  componentDidMount() {
    this.#fetch();
  }

  componentDidUpdate() {
    this.#fetch();
  }

  async #fetch() {
    const { chat, held } = this.props;
    for (const seq of this.wanted()) {
      if (held.messages.has(seq) || this.#asked.has(seq)) continue;
      this.#asked.add(seq);
      const path = `/messages?conversation_id=${held.id}&around_seq=${seq}&limit=1`;
      const page = await chat.session.ask("GET", path).catch(() => null); // what can't be fetched is not shown
      if (page) chat.store.keep(held.id, page.messages);
    }
  }
}

/** The bar above a conversation. */
export class Pins extends Fetching {
  wanted() {
    return pinnedOf(this.props.held).slice(0, 1);
  }

  render({ chat, held }) {
    const seqs = pinnedOf(held);
    const newest = held.messages.get(seqs[0]);
    if (!newest) return null;
    return html`<div class="pins" role="region" aria-label="Pinned">
      <button class="pinned" onClick=${() => chat.goTo(held.id, newest.seq)}>${icon("pin")}
        <span class="unseen">Go to the pinned message: </span><span class="short" dir="auto">${inShort(newest)}</span></button>
      ${seqs.length > 1 && html`<button class="plain" onClick=${() => chat.ask(() => html`<${All} chat=${chat} held=${held} />`)}>
        All ${seqs.length}</button>`}</div>`;
  }
}

class All extends Fetching {
  wanted() {
    return pinnedOf(this.props.held);
  }

  render({ chat, held }) {
    const pinned = pinnedOf(held).map((seq) => held.messages.get(seq)).filter(Boolean);
    return html`<${Dialog} chat=${chat} title="Pinned messages">
      <ul id="results" aria-label="Messages">${pinned.map((message) => html`<li key=${message.seq}>
        <button onClick=${() => chat.goTo(held.id, message.seq)}>
          <small><bdi>${chat.people.name(message.sender_id)}</bdi></small><span dir="auto">${inShort(message)}</span></button></li>`)}</ul>
      <div class="buttons"><button class="primary" onClick=${() => chat.ask(null)}>Done</button></div>
    <//>`;
  }
}

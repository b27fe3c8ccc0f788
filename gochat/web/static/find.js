// Looking for messages by what they say, in all conversations or in one.

import { Dialog } from "./dialog.js";
import { Component, html } from "./html.js";
import { count, inWords, whenOf, withMarks } from "./words.js";

const SEARCH_AFTER_MS = 300;
const PAGES_AT_ONCE = 5; // the server may answer with an empty page and go on

/** `id`: of the conversation to look in; none: all. */
export class Find extends Component {
  state = { text: "", results: [], cursor: null, said: "" };
  #timer = 0;

  componentWillUnmount() {
    clearTimeout(this.#timer);
  }

  render({ chat, id }, { text, results, cursor, said }) {
    const held = chat.store.conversations.get(id);
    return html`<${Dialog} chat=${chat} title=${held ? `Search in ${chat.people.title(held)}` : "Search messages"}>
      <label>Text
        <input type="search" value=${text} autocomplete="off" maxlength="200" onInput=${({ target }) => this.#typed(target.value)} /></label>
      <p class="said" role="status">${said}</p>
      ${results.length > 0 && html`<ul id="results" aria-label="Messages">${results.map((one) => this.#result(one))}</ul>`}
      <div class="buttons">
        ${cursor && html`<button class="plain" onClick=${() => this.#find()}>More</button>`}
        <button class="primary" onClick=${() => chat.ask(null)}>Done</button>
      </div>
    <//>`;
  }

  #result({ message, ranges }) {
    const { chat, id } = this.props;
    const { conversation_id, seq, sender_id, created_at, body } = message;
    const held = chat.store.conversations.get(conversation_id);
    const where = !id && held?.about.kind === "group" ? html` in <bdi>${chat.people.title(held)}</bdi>` : "";
    return html`<li key=${`${conversation_id} ${seq}`}><button onClick=${() => chat.goTo(conversation_id, seq)}>
      <small><bdi>${chat.people.name(sender_id)}</bdi>${where}, ${whenOf(created_at)}</small>
      <span dir="auto">${withMarks(body, ranges).map((part) => (part.mark ? html`<mark>${part.mark}</mark>` : part))}</span>
    </button></li>`;
  }

  #typed(text) {
    clearTimeout(this.#timer);
    this.setState({ text, results: [], cursor: null, said: "" });
    if (text.trim()) this.#timer = setTimeout(() => this.#find(), SEARCH_AFTER_MS);
  }

  /** The first page of what says so, or the next. */
  async #find() {
    const { chat, id } = this.props;
    const { text, results } = this.state;
    let { cursor } = this.state;
    let page;
    try {
      for (let n = 0; n < PAGES_AT_ONCE && (n === 0 || (cursor && !page.results.length)); n++) {
        const query = new URLSearchParams({ q: text.trim(), ...(id && { conversation_id: id }), ...(cursor && { cursor }) });
        page = await chat.session.ask("GET", `/messages/search?${query}`);
        if (this.state.text !== text) return; // typed on meanwhile
        cursor = page.cursor;
      }
    } catch (problem) {
      if (this.state.text === text) this.setState({ said: inWords(problem) });
      return;
    }
    const found = [...results, ...page.results];
    this.setState({ results: found, cursor, said: said(found.length, page) });
  }
}

function said(number, { cursor, complete }) {
  if (number === 0 && cursor === null && complete) return "No message says that.";
  const found = cursor === null ? count(number, "message") : `${count(number, "message")}, and there may be more`;
  return complete || cursor ? found : `${found}. The server is still making its index: look again later.`;
}

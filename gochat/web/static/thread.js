// One conversation on screen: its head, its messages, and where one writes.

import { Composer } from "./composer.js";
import { ONLINE } from "./connection.js";
import { Component, Heading, html, icon } from "./html.js";
import { Info } from "./info.js";
import { Messages } from "./messages.js";
import { Pins } from "./pins.js";
import { count, whenOf } from "./words.js";

const back = html`<a id="back" class="icon" href="#/" aria-label="Back to the list">${icon("back")}</a>`;

/** In place of a conversation: none is chosen, or it is not there. */
export function Nowhere({ chat }) {
  if (chat.currentId === null) return html`<p id="choose" class="hint">Choose a conversation, or start one.</p>`;
  const isGone = chat.connection.state === ONLINE;
  return html`
    <header class="bar">${back}<${Heading} class="who" key=${isGone}>${isGone ? "Not here" : "Loading…"}<//></header>
    ${isGone && html`<div id="choose" class="hint" role="status">
      <p>This conversation is not here: you are not in it, or no longer, or the link is wrong.</p>
      <p><a href="#/">Back to the list</a></p></div>`}`;
}

/** Made anew for each conversation. */
export class Thread extends Component {
  state = { typists: [], reply: this.props.chat.drafts.get(this.props.held.id).reply, editing: null };
  #lifetime = new AbortController();
  #typistsEnd = 0;
  /** An answer that was begun waits while a message is changed. */
  #compose = (state) => this.setState({ editing: null, ...state });

  componentDidMount() {
    const { connection, drafts } = this.props.chat;
    const { id } = this.props.held;
    const { signal } = this.#lifetime;
    drafts.addEventListener("change", ({ detail }) => detail === id && this.setState({ reply: drafts.get(id).reply }), { signal });
    connection.addEventListener("typing", ({ detail }) => this.#hearTyping(detail), { signal });
    connection.addEventListener("lost", () => this.setState({ typists: [] }), { signal });
  }

  componentWillUnmount() {
    this.#lifetime.abort();
    clearTimeout(this.#typistsEnd);
  }

  render({ chat, held }, { typists, reply, editing }) {
    return html`
      <header class="bar">
        ${back}
        <div class="who">
          <${Heading} id="title" dir="auto">${chat.people.title(held)}<//>
          <p id="subtitle" class=${typists.length ? "typing" : ""}>${this.#subtitle(chat, held, typists)}</p>
        </div>
        <button class="icon" aria-label="About this conversation" title="About this conversation"
          onClick=${() => chat.ask(() => html`<${Info} chat=${chat} id=${held.id} />`)}>${icon("info")}</button>
      </header>
      <${Pins} chat=${chat} held=${held} />
      <${Messages} chat=${chat} held=${held} compose=${this.#compose} />
      <${Composer} chat=${chat} held=${held} reply=${reply} editing=${editing} compose=${this.#compose} />`;
  }

  #subtitle({ people, presence }, held, typists) {
    if (typists.length > 0) {
      const names = typists.map((id) => people.name(id)).join(", ");
      return html`<bdi>${names}</bdi> ${typists.length > 1 ? "are" : "is"} typing…`;
    }
    if (held.about.kind === "group") return count(held.about.member_count, "member");
    const other = people.other(held);
    if (presence.isOnline(other)) return "online";
    const seen = presence.lastSeen(other);
    return seen && `last seen ${whenOf(seen)}`;
  }

  #hearTyping({ conversation_id, user_ids, expires_in_ms }) {
    const { chat, held } = this.props;
    if (conversation_id !== held.id) return;
    clearTimeout(this.#typistsEnd);
    this.setState({ typists: user_ids.filter((id) => id !== chat.user.id) });
    if (user_ids.length > 0) this.#typistsEnd = setTimeout(() => this.setState({ typists: [] }), expires_in_ms);
  }
}

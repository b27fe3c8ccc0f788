// Looking for people by username, and choosing some.

import { avatar, Component, html } from "./html.js";
import { inWords } from "./words.js";

const SEARCH_AFTER_MS = 200;

/** `chosen`: users; `onChange(users)`; `except`: ids of those who can't be chosen. */
export class Search extends Component {
  state = { text: "", found: [], said: "" };
  #timer = 0;
  #field;

  componentWillUnmount() {
    clearTimeout(this.#timer);
  }

  render({ chosen, onChange, except = [] }, { text, found, said }) {
    const taken = new Set([...chosen.map(({ id }) => id), ...except]);
    return html`
      <label>Username
        <input type="search" ref=${(field) => (this.#field = field)} value=${text} autocomplete="off" autocapitalize="none" spellcheck=${false} maxlength="32"
          onInput=${({ target }) => this.#typed(target.value)} onKeyDown=${(event) => this.#key(event, taken)} />
      </label>
      <ul id="chosen" aria-label="Chosen">${chosen.map((user) => html`<li key=${user.id}>
        <button type="button" aria-label=${`Take ${user.display_name} out`}
          onClick=${() => onChange(chosen.filter((one) => one !== user))}><bdi>${user.display_name}</bdi> ×</button></li>`)}
      </ul>
      <ul id="found" aria-label="Found">${found.filter(({ id }) => !taken.has(id)).map((user) => html`<li key=${user.id}>
        <button type="button" onClick=${() => this.#choose(user)}>${avatar(user.display_name, user.id)}
          <span><bdi>${user.display_name}</bdi> <small>@${user.username}</small></span></button></li>`)}
      </ul>
      <p class="error" role="status">${said}</p>`;
  }

  #typed(text) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#find(text.trim()), SEARCH_AFTER_MS);
    this.setState({ text, said: "" });
  }

  async #find(prefix) {
    if (!prefix) return this.setState({ found: [] });
    try {
      const found = await this.props.chat.people.search(prefix);
      if (this.state.text.trim() !== prefix) return; // typed on meanwhile
      this.setState({ found, said: found.length ? "" : "Nobody has such a username." });
    } catch (problem) {
      this.setState({ said: inWords(problem) });
    }
  }

  #choose(user) {
    this.props.onChange([...this.props.chosen, user]);
    this.setState({ text: "", found: [] });
    this.#field.focus();
  }

  /** Enter takes the first who was found; with nothing typed it is the form's. */
  #key(event, taken) {
    if (event.key !== "Enter" || !this.state.text.trim()) return;
    event.preventDefault();
    const first = this.state.found.find(({ id }) => !taken.has(id));
    if (first) this.#choose(first);
  }
}

// The dialog for a new conversation: one person makes it direct, more a group.

import { Dialog } from "./dialog.js";
import { Component, html } from "./html.js";
import { Search } from "./search.js";
import { inWords } from "./words.js";

export class NewConversation extends Component {
  state = { chosen: [], error: "", busy: false };

  render({ chat }, { chosen, error, busy }) {
    return html`<${Dialog} chat=${chat} title="New conversation">
      <form onSubmit=${(event) => this.#start(event)}>
        <${Search} chat=${chat} chosen=${chosen} onChange=${(chosen) => this.setState({ chosen, error: "" })} />
        ${chosen.length > 1 && html`<label>Name of the group (optional)
          <input name="groupname" maxlength="200" autocomplete="off" /></label>`}
        <p class="error" role="alert">${error}</p>
        <div class="buttons">
          <button type="button" class="plain" onClick=${() => chat.ask(null)}>Cancel</button>
          <button class="primary" disabled=${busy || chosen.length === 0}>Start</button>
        </div>
      </form>
    <//>`;
  }

  async #start(event) {
    event.preventDefault();
    const { chosen } = this.state;
    this.setState({ busy: true, error: "" });
    try {
      await this.props.chat.create(chosen.map(({ id }) => id), event.target.groupname?.value.trim() ?? "");
      this.props.chat.ask(null);
    } catch (problem) {
      this.setState({ busy: false, error: inWords(problem) });
    }
  }
}

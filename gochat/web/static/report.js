// Telling whoever runs the server of a user or of a message.

import { Dialog } from "./dialog.js";
import { Component, html } from "./html.js";
import { uuid } from "./uuid.js";
import { inWords } from "./words.js";

const REASONS = {
  spam: "Spam",
  harassment: "Harassment",
  hate: "Hate",
  violence: "Violence",
  sexual: "Sexual content",
  child_safety: "A danger to children",
  illegal: "Against the law",
  other: "Something else",
};

/** `target`: {user_id}, or {conversation_id, seq}; `user`: the id of whom it is about. */
export class Report extends Component {
  state = { error: "", isBusy: false, isSent: false };
  #key = uuid(); // the same for each try, so that it is stored once

  render({ chat, user }, { error, isBusy, isSent }) {
    const name = html`<bdi>${chat.people.name(user)}</bdi>`;
    if (isSent) {
      return html`<${Dialog} chat=${chat} title="Thank you">
        <p role="status">Whoever runs this server will look at it.</p>
        <div class="buttons"><button class="primary" onClick=${() => chat.ask(null)}>Done</button></div><//>`;
    }
    return html`<${Dialog} chat=${chat} title=${this.props.target.seq ? "Report this message" : "Report this user"}>
      <form onSubmit=${(event) => this.#send(event)}>
        <p>Whoever runs this server will see it${this.props.target.seq ? ", with the messages around it" : ""}. ${name} is not told.</p>
        <label>What is wrong
          <select name="reason">${Object.entries(REASONS).map(([reason, words]) => html`<option key=${reason} value=${reason}>${words}</option>`)}</select></label>
        <label>In your words (optional) <textarea name="comment" rows="3" maxlength="1000"></textarea></label>
        ${!chat.blocked.has(user) && html`<label class="check"><input type="checkbox" name="block" /> <span>Block ${name} as well</span></label>`}
        <p class="error" role="alert">${error}</p>
        <div class="buttons">
          <button type="button" class="plain" onClick=${() => chat.ask(null)}>Cancel</button>
          <button class="primary" disabled=${isBusy}>Report</button>
        </div>
      </form><//>`;
  }

  async #send(event) {
    event.preventDefault();
    const { chat, target } = this.props;
    const { reason, comment, block } = event.target.elements;
    const said = comment.value.trim();
    const told = { client_report_id: this.#key, target, reason: reason.value, block: block?.checked ?? false };
    this.setState({ error: "", isBusy: true });
    try {
      await chat.session.ask("POST", "/reports", said ? { ...told, comment: said } : told);
      this.setState({ isSent: true });
      if (told.block) chat.loadBlocked();
    } catch (problem) {
      this.setState({ error: inWords(problem), isBusy: false });
    }
  }
}

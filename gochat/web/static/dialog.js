// Dialogs: they take the focus, and give it back; Escape closes them.

import { Component, html } from "./html.js";

export class Dialog extends Component {
  #element;
  #isOver = false; // it tells that it was closed a moment later, when another may be open

  componentDidMount() {
    this.#element.showModal();
  }

  componentWillUnmount() {
    this.#isOver = true;
    this.#element.close();
  }

  render({ chat, title, children }) {
    // A click on the backdrop is one on the dialog itself, whose content fills it.
    return html`<dialog ref=${(element) => (this.#element = element ?? this.#element)} aria-labelledby="dialog-title" onClose=${() => this.#isOver || chat.ask(null)}
        onClick=${(event) => event.target === event.currentTarget && chat.ask(null)}>
      <div class="content"><h2 id="dialog-title" dir="auto">${title}</h2>${children}</div>
    </dialog>`;
  }
}

/** Ask before something that can't be undone. */
export function Confirm({ chat, title, act, onYes, children }) {
  const yes = () => {
    chat.ask(null);
    chat.attempt(onYes);
  };
  return html`<${Dialog} chat=${chat} title=${title}>
    <p>${children}</p>
    <div class="buttons">
      <button class="plain" onClick=${() => chat.ask(null)}>Cancel</button>
      <button class="primary danger" onClick=${yes}>${act}</button>
    </div>
  <//>`;
}

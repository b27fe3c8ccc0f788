// The whole page: what is wrong, the list, the conversation, the dialog.

import { CONNECTING, FORBIDDEN } from "./connection.js";
import { Confirm } from "./dialog.js";
import { Find } from "./find.js";
import { Component, html, icon } from "./html.js";
import { List } from "./list.js";
import { NewConversation } from "./new.js";
import { turnTheme } from "./theme.js";
import { Nowhere, Thread } from "./thread.js";
import { count } from "./words.js";

const STATUS = {
  [CONNECTING]: "Connecting… What you write waits until then.",
  [FORBIDDEN]: `The server lets no pages of ${location.origin} in. Whoever runs it can add that to ALLOWED_ORIGINS.`,
};

export class App extends Component {
  #openId = null;

  componentDidMount() {
    this.#openId = this.props.chat.currentId;
  }

  componentDidUpdate() {
    const { currentId } = this.props.chat;
    if (currentId === null && this.#openId !== null) this.#comeBack();
    this.#openId = currentId;
  }

  render({ chat }) {
    const { user, currentId } = chat;
    return html`
      <main class="chat" data-open=${currentId}>
        <h1 class="unseen">GoChat</h1>
        <p id="status" class="status" role="status">${STATUS[chat.connection.state]}</p>
        <div class="oops" role="alert">
          ${chat.notice && html`<p>${chat.notice}</p>
          <button class="icon" aria-label="Put away" onClick=${() => chat.tell("")}>${icon("close")}</button>`}
        </div>
        <nav class="list" aria-label="Conversations">
          <header class="bar">
            <h2 id="my-name" dir="auto" tabindex="-1">${user.display_name}</h2>
            <button class="icon" aria-label="Search messages" title="Search messages"
              onClick=${() => chat.ask(() => html`<${Find} chat=${chat} />`)}>${icon("find")}</button>
            <button class="icon" aria-label="Light or dark" title="Light or dark" onClick=${turnTheme}>${icon("theme")}</button>
            <button class="icon" aria-label="Log out" title="Log out" onClick=${() => logOut(chat)}>${icon("logout")}</button>
          </header>
          <${List} chat=${chat} />
          <button id="new" class="primary round" onClick=${() => chat.ask(() => html`<${NewConversation} chat=${chat} />`)}>
            New conversation</button>
        </nav>
        <section class="thread" aria-label="Conversation">
          ${chat.current ? html`<${Thread} key=${currentId} chat=${chat} held=${chat.current} />` : html`<${Nowhere} chat=${chat} />`}
        </section>
        ${chat.dialog?.()}
      </main>`;
  }

  /** In the list again: the focus is where the user left it, or at the top. */
  #comeBack() {
    const left = document.querySelector(`#conversations a[href="#/c/${this.#openId}"]`);
    (left ?? document.getElementById("my-name")).focus({ preventScroll: !left });
  }
}

function logOut(chat) {
  if (chat.outbox.size === 0) return chat.logOut();
  const unsent = count(chat.outbox.size, "message");
  chat.ask(() => html`<${Confirm} chat=${chat} title="Log out?" act="Log out" onYes=${() => chat.logOut()}>
    ${unsent} that you wrote ${chat.outbox.size === 1 ? "is" : "are"} not sent yet, and will be lost.<//>`);
}

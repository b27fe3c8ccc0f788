// The list of conversations.

import { avatar, Component, html, icon, isSame } from "./html.js";
import { inShort, systemWords, whenOf } from "./words.js";

export class List extends Component {
  state = { isArchive: false };

  render({ chat }, { isArchive }) {
    const items = chat.store.sorted.map((held) => item(held, chat));
    const unread = items.reduce((sum, one) => sum + (one.isMuted ? 0 : one.unread) + Number(one.isMarked), 0);
    document.title = unread ? `(${unread}) GoChat` : "GoChat";
    const archived = items.filter((one) => one.isArchived);
    const isIn = isArchive && archived.length > 0;
    const shown = isIn ? archived : items.filter((one) => !one.isArchived);
    return html`
      <ul id="conversations" aria-label=${isIn ? "Archived" : undefined}>
        ${shown.map((one) => html`<${Item} key=${one.id} ...${one} />`)}
        ${archived.length > 0 && html`<li key="archive"><button class="plain" onClick=${() => this.setState({ isArchive: !isIn })}>
          ${isIn ? "All others" : `Archived (${archived.length})`}</button></li>`}</ul>
      ${items.length === 0 && html`<p class="hint nobody">No conversations yet.<br />Start one: you need the username of
        somebody who has an account here.</p>`}`;
  }
}

function item(held, { people, outbox, drafts, presence, user, currentId }) {
  const waiting = outbox.of(held.id).at(-1);
  const draft = held.id === currentId ? "" : drafts.get(held.id).text;
  const { last } = held;
  const other = people.other(held);
  return {
    id: held.id,
    title: people.title(held),
    online: other !== null && presence.isOnline(other),
    text: draft || (waiting ? `You: ${waiting.content.body}` : last ? preview(held, last, people, user) : "No messages yet"),
    isDraft: draft !== "",
    at: whenOf(waiting?.at ?? last?.created_at ?? held.about.created_at),
    unread: held.unread,
    isMarked: held.side.marked_unread && held.unread === 0,
    isMuted: held.isMuted,
    isPinned: held.side.pinned,
    isArchived: held.side.archived,
    isCurrent: held.id === currentId,
  };
}

function preview(held, last, people, user) {
  if (last.kind === "system") return systemWords(last, (id) => people.name(id));
  const text = inShort(last);
  if (last.sender_id === user.id) return `You: ${text}`;
  return held.about.kind === "group" ? `${people.name(last.sender_id)}: ${text}` : text;
}

class Item extends Component {
  shouldComponentUpdate(next) {
    return !isSame(this.props, next);
  }

  render({ id, title, online, text, isDraft, at, unread, isMarked, isMuted, isPinned, isCurrent }) {
    return html`<li class=${unread > 0 || isMarked ? "unread" : ""}>
      <a href="#/c/${id}" aria-current=${isCurrent ? "page" : undefined}>
        ${avatar(title, id, online)}
        <span class="name" dir="auto">${title}</span>
        <span class="when">${isMuted && sign("mute", "muted")}${isPinned && sign("pin", "pinned")}${at}</span>
        <span class="last" dir="auto">${isDraft && html`<em>Draft: </em>`}${text}</span>
        <span class=${isMuted ? "badge quiet" : "badge"}>${unread > 0 && html`${unread}<span class="unseen"> unread</span>`}${isMarked && html`•<span class="unseen"> marked as unread</span>`}</span>
      </a>
    </li>`;
  }
}

const sign = (name, said) => html`<span class="sign" role="img" aria-label=${said} title=${said}>${icon(name)}</span>`;

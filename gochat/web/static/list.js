// The list of conversations.

import { avatar, byId, fill, make, whenOf } from "./dom.js";

export function showList({ store, people, outbox, user }, currentId) {
  const items = store.sorted.map((held) => item(held, people, outbox, user, currentId));
  fill(byId("conversations"), items, JSON.stringify, build);
  byId("nobody").hidden = items.length > 0;
  const unread = items.reduce((sum, one) => sum + one.unread, 0);
  document.title = unread ? `(${unread}) GoChat` : "GoChat";
}

function item(held, people, outbox, user, currentId) {
  const [waiting] = outbox.of(held.id).slice(-1);
  const { last } = held;
  return {
    id: held.id,
    title: people.title(held),
    text: waiting ? `You: ${waiting.body}` : last ? preview(held, last, people, user) : "No messages yet",
    at: whenOf(waiting?.at ?? last?.created_at ?? held.about.created_at),
    unread: held.unread,
    current: held.id === currentId,
  };
}

function preview(held, { sender_id, body, deleted_at, attachments }, people, user) {
  const text = deleted_at ? "Message deleted" : body || `${attachments.length} attachments`;
  if (sender_id === user.id) return `You: ${text}`;
  return held.about.kind === "group" ? `${people.name(sender_id)}: ${text}` : text;
}

function build({ id, title, text, at, unread, current }) {
  const link = make(
    "a",
    { href: `#/c/${id}` },
    avatar(title, id),
    make("span.name", {}, title),
    make("time", {}, at),
    make("span.last", {}, text),
    make("span.badge", { title: unread ? `${unread} unread` : "" }, unread ? String(unread) : ""),
  );
  if (current) link.ariaCurrent = "page";
  const row = make("li", {}, link);
  row.classList.toggle("unread", unread > 0);
  return row;
}

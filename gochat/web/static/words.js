// What the page says in words: times, numbers, and why something did not work.

const time = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const shortDay = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });
const plural = new Intl.PluralRules("en");

export const timeOf = (when) => time.format(new Date(when));
export const dayOf = (when) => day.format(new Date(when));

/** When something was, as short as a list has room for. */
export function whenOf(when) {
  const date = new Date(when);
  return date.toDateString() === new Date().toDateString() ? time.format(date) : shortDay.format(date);
}

/** `count(2, "member")`: 2 members. */
export const count = (number, noun) => `${number} ${noun}${plural.select(number) === "one" ? "" : "s"}`;

/** A message in short, where there is room for a line. */
export function inShort({ body, deleted_at, attachments }) {
  if (deleted_at) return "Message deleted";
  return body || (attachments.length > 0 ? count(attachments.length, "attachment") : "Message");
}

/** What a message of the server says, by its data; `name(id)` gives the name of a user. */
export function systemWords({ data, body }, name) {
  const by = data?.by && name(data.by);
  const others = (data?.user_ids ?? []).slice(0, 5).map(name).join(", ");
  const users = data?.count > 5 ? `${others} and others` : others;
  switch (data?.event) {
    case "member_added":
      return `${by} added ${users}`;
    case "member_removed":
      return `${by} removed ${users}`;
    case "member_left":
      return `${by} left`;
    case "role_changed":
      return `${by} made ${users} ${data.role}`;
    case "title_changed":
      return `${by} called the group “${data.title}”`;
    default:
      return body;
  }
}

const WORDS = {
  account_disabled: "This account was closed by whoever runs the server.",
  content_refused: "The rules of this server do not allow this text.",
  forbidden: "You may not do this here.",
  idempotency_conflict: "Something else was sent in its place. Write it anew.",
  internal: "The server has a fault. Try again later.",
  invalid_credentials: "The username or the password is wrong.",
  invalid_payload: "The server does not take this as it is.",
  limit_exceeded: "That is more than is allowed.",
  message_deleted: "The message was deleted meanwhile.",
  not_found: "It is not there, or you are no longer in this conversation.",
  overloaded: "The server is busy. Try again in a moment.",
  phone_taken: "Another account has this number.",
  rate_limited: "That was too often. Wait a moment.",
  superseded: "The message was changed meanwhile. Look at what it says now.",
  terms_required: "Accept the terms of this server first.",
  unavailable: "The server does not answer. Try again.",
  username_taken: "Somebody else has this username.",
};
const REASONS = {
  blank: "There is no text in it.",
  blocked: "One of you has blocked the other.",
  characters: "A username has letters, digits, dots and underscores.",
  common: "Many people use this password. Choose another one.",
  length: "A username has 3 to 32 letters.",
  lookalike: "This username can be taken for another one.",
  muted: "You may read here, and not write at the moment.",
  name: "Your password must not be your name.",
  scripts: "A username has letters of one script.",
  too_late: "It is too late for that.",
  too_long: "The text is too long.",
  too_short: "A password has 8 characters or more.",
  who_can_add: "They do not let you bring them into a conversation.",
};

/** What people are told of a Problem. */
export const inWords = ({ code, details }) => REASONS[details?.reason] ?? WORDS[code] ?? "That did not work.";

const BEFORE = 40;
const LOW_SURROGATE = /[\uDC00-\uDFFF]/;

/** A text in parts from a little before the first of `ranges`: strings, and `{mark}` for what is in them. */
export function withMarks(text, ranges) {
  let end = Math.max(0, (ranges[0]?.start ?? 0) - BEFORE);
  if (end > 0 && LOW_SURROGATE.test(text[end])) end -= 1;
  const parts = [end > 0 ? "…" : ""];
  for (const range of ranges) {
    parts.push(text.slice(end, range.start), { mark: text.slice(range.start, range.end) });
    end = range.end;
  }
  return [...parts, text.slice(end)];
}

const LINK = /https?:\/\/[^\s<>"]*[^\s<>"'.,;:!?)\]}]/g;

/** A text in parts: strings, and `{url}` for what is a link. */
export function withLinks(text) {
  const parts = [];
  let end = 0;
  for (const { 0: url, index } of text.matchAll(LINK)) {
    parts.push(text.slice(end, index), { url });
    end = index + url.length;
  }
  return [...parts, text.slice(end)];
}

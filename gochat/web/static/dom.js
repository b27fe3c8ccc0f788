// The little that the page needs of a framework.

export const byId = (id) => document.getElementById(id);

/** A new element: `make("p.hint", {title: "…"}, "text", child)`. Text is text: no markup is ever parsed. */
export function make(name, properties = {}, ...children) {
  const [tag, ...classes] = name.split(".");
  const element = document.createElement(tag);
  element.classList.add(...classes);
  Object.assign(element, properties);
  element.append(...children.filter((child) => child !== null));
  return element;
}

/**
 * Fill `parent` with an element for each item; those whose item says the same as before are kept as they are.
 * `sign` gives a text that changes whenever the element would.
 */
export function fill(parent, items, sign, build) {
  const before = parent.kept ?? new Map();
  const kept = new Map();
  for (const item of items) {
    const text = sign(item);
    kept.set(text, before.get(text) ?? build(item));
  }
  parent.kept = kept;
  const elements = [...kept.values()];
  if (elements.length !== parent.children.length || elements.some((element, n) => element !== parent.children[n])) {
    parent.replaceChildren(...elements);
  }
}

/** A round sign with the first letter of a name, always in the same colour. */
export function avatar(name, id) {
  const hue = [...id].reduce((sum, letter) => sum + letter.codePointAt(0), 0) % 8;
  return make(`span.avatar.hue-${hue}`, { ariaHidden: "true" }, [...name][0] ?? "?");
}

const time = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const day = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const shortDay = new Intl.DateTimeFormat(undefined, { day: "numeric", month: "short" });

export const timeOf = (text) => time.format(new Date(text));
export const dayOf = (text) => day.format(new Date(text));

/** When something was, as short as a list has room for. */
export function whenOf(text) {
  const date = new Date(text);
  return date.toDateString() === new Date().toDateString() ? time.format(date) : shortDay.format(date);
}

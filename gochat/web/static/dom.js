// The little that the pages about the API need of a framework.

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

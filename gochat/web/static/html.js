// Rendering: templates of htm, drawn by preact. Text is text: no markup that anybody wrote is ever parsed.

import htm from "/web/lib/htm/htm.mjs";
import { Component, h, render } from "/web/lib/preact/preact.mjs";

export { Component, h, render };
export const html = htm.bind(h);

/** Whether two objects have the same properties. */
export function isSame(one, other) {
  const names = Object.keys(one);
  return names.length === Object.keys(other).length && names.every((name) => one[name] === other[name]);
}

const PATHS = {
  back: "M15 5l-7 7 7 7",
  close: "M6 6l12 12M18 6L6 18",
  down: "M12 5v14M6 13l6 6 6-6",
  find: "M11 4a7 7 0 1 0 0 14a7 7 0 0 0 0-14zM16 16l5 5",
  info: "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM12 11v5M12 7.6v.1",
  logout: "M14 4H6v16h8M10 12h11M17 8l4 4-4 4",
  mute: "M6 17h12V11a6 6 0 0 0-12 0zM10 20h4M4 4l16 16",
  more: "M5 12h.01M12 12h.01M19 12h.01",
  pin: "M9 4h6l-1 6 3 3v1H7v-1l3-3zM12 14v6",
  send: "M4 12h15M13 6l6 6-6 6",
  theme: "M12 3a9 9 0 0 0 0 18zM12 3a9 9 0 0 1 0 18",
};

export const icon = (name) => html`<svg viewBox="0 0 24 24" aria-hidden="true"><path d=${PATHS[name]} /></svg>`;

/** The heading of what has just come on screen: it takes the focus, for those who go by keys or hear the page. */
export class Heading extends Component {
  #element;

  componentDidMount() {
    this.#element.focus({ preventScroll: true });
  }

  render({ children, ...rest }) {
    return html`<h2 tabindex="-1" ref=${(element) => (this.#element = element)} ...${rest}>${children}</h2>`;
  }
}

/** A round sign with the first letter of a name, always in the same colour, and a dot for who is online. */
export function avatar(name, id, online = false) {
  const hue = [...id].reduce((sum, letter) => sum + letter.codePointAt(0), 0) % 8;
  return html`<span class="avatar hue-${hue}">
    <span aria-hidden="true">${[...name][0] ?? "?"}</span>
    ${online && html`<span class="dot" role="img" aria-label="online" title="online"></span>`}
  </span>`;
}

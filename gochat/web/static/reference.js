// What the pages about the API share: a contract as one table that a phone can read, and a search over its rows.

import { byId, make } from "./dom.js";

/** The document at a path; null if the server does not give it: that is said. */
export async function load(path) {
  const answer = await fetch(path).catch(() => null);
  if (answer?.ok) return answer.json();
  byId("none").textContent = "The server does not answer. Load the page again in a moment.";
  byId("none").hidden = false;
  return null;
}

/** What a document says of its shapes, and which of them it named. */
export class Shapes {
  #document;
  #named = new Set();

  constructor(document_) {
    this.#document = document_;
  }

  at(reference) {
    return reference.slice(2).split("/").reduce((part, key) => part[key], this.#document);
  }

  plain(schema) {
    return schema.$ref ? this.at(schema.$ref) : schema;
  }

  /** The fields of a shape; what may be left out has a question mark. */
  fields(schema) {
    const { properties = {}, required = [] } = this.plain(schema);
    const rows = Object.entries(properties).map(([name, type]) => this.field(name, type, required.includes(name)));
    return make("div", {}, make("code", {}, nameOf(schema) ?? ""), make("ul", {}, ...rows));
  }

  /** A field and its type, which leads to its shape if it has one. */
  field(name, schema, isRequired) {
    const shape = shapeIn(schema);
    if (shape) this.#named.add(shape);
    const type = shape ? make("a", { href: `#${nameOf({ $ref: shape })}` }, typeOf(schema)) : typeOf(schema);
    return make("li", {}, make("code", {}, isRequired ? name : `${name}?`), make("span.type", {}, " ", type));
  }

  /** A row for each shape that was named so far, and for those that these name. */
  *rows() {
    for (const shape of this.#named) {
      const name = nameOf({ $ref: shape });
      const plain = this.at(shape);
      const made = row(name, name, plain.description ?? "", ["Fields", plain.properties ? this.fields(plain) : typeOf(plain)]);
      made.classList.add("shape");
      made.lastChild.colSpan = 4;
      yield made;
    }
  }
}

const nameOf = (schema) => schema.$ref?.split("/").at(-1);
/** The reference in a type, if it is one to a shape, or a list of it, or may be it. */
const shapeIn = (schema) => schema.$ref ?? (schema.items && shapeIn(schema.items)) ?? schema.anyOf?.map(shapeIn).find(Boolean);

/** A type in a word or two, such as `string or null` or `Message[]`. */
function typeOf(schema) {
  if (schema.$ref) return nameOf(schema);
  if (schema.type === "array") return `${typeOf(schema.items)}[]`;
  if (schema.enum) return schema.enum.join(" | ");
  const known = schema.anyOf?.filter((part) => "const" in part).map((part) => part.const) ?? [];
  if (known.length) return `${known.join(" | ")} | …`;
  if (schema.anyOf) return schema.anyOf.map(typeOf).join(" or ");
  return [schema.type ?? "any"].flat().join(" or ");
}

export const json = (payload) => JSON.stringify(payload, null, 2);

/** An example that opens; null without a text. */
export function example(title, text) {
  if (text === undefined) return null;
  return make("details", {}, make("summary", {}, title), make("pre", { tabIndex: 0 }, make("code", {}, text)));
}

/** What a document says, with what stands in backticks as code. */
const said = (text) => text.split("`").map((piece, n) => (n % 2 ? make("code", {}, piece) : piece));

/** One row: cells are `[label, ...content]`. */
export function row(id, title, summary, ...cells) {
  const link = make("a", { href: `#${id}` }, make("code", {}, title));
  const made = make("tr", { id }, make("th", { scope: "row" }, link, make("p", {}, ...said(summary))), ...cells.map(cell));
  made.dataset.text = made.textContent.toLowerCase();
  return made;
}

function cell([label, ...content]) {
  const made = make("td", {}, ...content);
  made.dataset.label = label;
  return made;
}

/** Error codes, each with what `detail(code)` adds. */
export function codes(known = [], detail = () => "") {
  const rows = known.map((code) => make("li", {}, make("code", {}, code), make("span.type", {}, ` ${detail(code)}`)));
  return rows.length ? make("ul", {}, ...rows) : null;
}

/** Put rows behind those that are there, under a heading. */
export function part(title, rows) {
  const heading = make("tr.part", {}, make("th", { colSpan: 5, scope: "rowgroup" }, title));
  byId("reference").append(make("tbody", {}, heading, ...rows));
}

/** All rows are there: go to the one that the address names, and search from now on. */
export function begin() {
  if (location.hash) byId(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
  byId("search").addEventListener("input", look);
  look(); // typed while this was on its way, or kept by the browser
}

/** Show the rows that say what is searched for, and the headings above any. */
function look() {
  const wanted = byId("search").value.trim().toLowerCase();
  const rows = [...document.querySelectorAll("tbody tr:not(.part)")];
  for (const one of rows) one.hidden = !one.dataset.text.includes(wanted);
  for (const one of document.querySelectorAll("tbody")) one.hidden = !one.querySelector("tr:not(.part):not([hidden])");
  byId("none").hidden = rows.some((one) => !one.hidden);
}

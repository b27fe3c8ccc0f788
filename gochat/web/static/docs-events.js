// The events of asyncapi.json, as one table: what is sent, what is answered, how it may be refused, and an example.

import { byId, make } from "./dom.js";

const document_ = await load();
const at = (reference) => reference.slice(2).split("/").reduce((part, key) => part[key], document_);
const plain = (schema) => (schema.$ref ? at(schema.$ref) : schema);
const name = (schema) => schema.$ref?.split("/").at(-1);
const messageOf = ({ messages: [{ $ref }] }) => at(at($ref).$ref);

/** The document; null if the server does not give it. */
async function load() {
  const answer = await fetch("/api/v1/asyncapi.json").catch(() => null);
  return answer?.ok ? answer.json() : null;
}

/** A type in a word or two, such as `string or null` or `Message[]`. */
function typeOf(schema) {
  if (schema.$ref) return name(schema);
  if (schema.type === "array") return `${typeOf(schema.items)}[]`;
  if (schema.enum) return schema.enum.join(" | ");
  const known = schema.anyOf?.filter((part) => "const" in part).map((part) => part.const) ?? [];
  if (known.length) return `${known.join(" | ")} | …`;
  if (schema.anyOf) return schema.anyOf.map(typeOf).join(" or ");
  return [schema.type ?? "any"].flat().join(" or ");
}

/** The fields of a shape; what may be left out has a question mark. */
function fields(schema) {
  const { properties = {}, required = [] } = plain(schema);
  const rows = Object.entries(properties).map(([field, type]) =>
    make("li", {}, make("code", {}, required.includes(field) ? field : `${field}?`), make("span.type", {}, ` ${typeOf(type)}`)),
  );
  return make("div", {}, make("code", {}, name(schema) ?? ""), make("ul", {}, ...rows));
}

function example(title, payload) {
  if (payload === undefined) return null;
  return make("details", {}, make("summary", {}, title), make("pre", { tabIndex: 0 }, make("code", {}, JSON.stringify(payload, null, 2))));
}

function cell(label, ...content) {
  const made = make("td", {}, ...content);
  made.dataset.label = label;
  return made;
}

function row(operation) {
  const message = messageOf(operation);
  const ack = operation.reply && operation.title !== "connect" ? messageOf(operation.reply) : null;
  const done = ack && plain(ack.payload.oneOf[0]).properties.data;
  const codes = operation["x-error-codes"] ?? [];
  const link = make("a", { href: `#${operation.title}` }, make("code", {}, operation.title));
  const made = make(
    "tr",
    { id: operation.title },
    make("th", { scope: "row" }, link, make("p", {}, operation.summary)),
    cell(operation.action === "send" ? "Request" : "You hear", fields(message.payload)),
    cell("Ack", ack && fields(done)),
    cell("Errors", codes.length ? make("ul", {}, ...codes.map((code) => make("li", {}, make("code", {}, code)))) : null),
    cell("Example", example(ack ? "Request" : "Payload", message.examples?.[0].payload), ack && example("Ack", ack.examples?.[0].payload)),
  );
  made.dataset.text = made.textContent.toLowerCase();
  return made;
}

function part(id, title, action) {
  const heading = make("tr.part", {}, make("th", { colSpan: 5, scope: "rowgroup" }, title));
  const operations = Object.values(document_.operations).filter((operation) => operation.action === action);
  byId(id).append(heading, ...operations.map(row));
}

function look() {
  const wanted = byId("search").value.trim().toLowerCase();
  const rows = [...document.querySelectorAll("tbody tr:not(.part)")];
  for (const one of rows) one.hidden = !one.dataset.text.includes(wanted);
  byId("none").hidden = rows.some((one) => !one.hidden);
}

if (document_) {
  part("emitted", "What you emit", "send");
  part("heard", "What you hear", "receive");
  if (location.hash) byId(decodeURIComponent(location.hash.slice(1)))?.scrollIntoView();
  byId("search").addEventListener("input", look);
  look(); // typed while this was on its way, or kept by the browser
} else {
  byId("none").textContent = "The server does not answer. Load the page again in a moment.";
  byId("none").hidden = false;
}

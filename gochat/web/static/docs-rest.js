// The operations of openapi.json: what is asked, what is answered, how it may be refused, and an example.

import { make } from "./dom.js";
import { begin, codes, example, json, load, part, row, Shapes } from "./reference.js";

const document_ = await load("/api/v1/openapi.json");
const shapes = new Shapes(document_);

/** What a request or an answer holds: its schema and an example; undefined without any. */
const contentOf = (said) => said && Object.values(said.content)[0];

/** The address with the examples of what stands in it. */
function addressOf(path, parameters) {
  const told = parameters.filter((one) => one.example !== undefined);
  const query = told.filter((one) => one.in === "query").map(({ name, example: value }) => `${name}=${encodeURIComponent(value)}`);
  const filled = told.reduce((text, { name, example: value }) => text.replace(`{${name}}`, value), path);
  return [filled, ...(query.length ? [query.join("&")] : [])].join("?");
}

/** The status that comes with a code. */
const statusOf = (responses, code) => Object.entries(responses).find(([, said]) => code in (contentOf(said)?.examples ?? {}))?.[0] ?? "";

function rowOf(path, method, { operationId, summary, security, parameters, requestBody, responses, "x-error-codes": known }) {
  const title = `${method.toUpperCase()} ${path}`;
  const body = contentOf(requestBody);
  const answer = contentOf(Object.entries(responses).find(([status]) => status.startsWith("2"))[1]);
  const asked = `${method.toUpperCase()} ${addressOf(path, parameters)}`;
  return row(
    operationId,
    title,
    security.length ? summary : `${summary} Without a token.`,
    [
      "Request",
      parameters.length ? make("ul", {}, ...parameters.map((one) => shapes.field(one.name, one.schema, one.required))) : null,
      body ? shapes.fields(body.schema) : null,
    ],
    ["Answer", shapes.fields(answer.schema)],
    ["Errors", codes(known, (code) => statusOf(responses, code))],
    ["Example", example("Request", body ? `${asked}\n\n${json(body.example)}` : asked), example("Answer", json(answer.example))],
  );
}

if (document_) {
  const parts = new Map();
  for (const [path, operations] of Object.entries(document_.paths)) {
    for (const [method, operation] of Object.entries(operations)) {
      const [tag] = operation.tags;
      parts.set(tag, [...(parts.get(tag) ?? []), rowOf(path, method, operation)]);
    }
  }
  for (const [tag, rows] of parts) part(tag[0].toUpperCase() + tag.slice(1), rows);
  part("Shapes", [...shapes.rows()]);
  begin();
}

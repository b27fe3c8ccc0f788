// The events of asyncapi.json: what is sent, what is answered, how it may be refused, and an example.

import { begin, codes, example, json, load, part, row, Shapes } from "./reference.js";

const document_ = await load("/api/v1/asyncapi.json");
const shapes = new Shapes(document_);
const messageOf = ({ messages: [{ $ref }] }) => shapes.at(shapes.at($ref).$ref);

function rowOf(operation) {
  const message = messageOf(operation);
  const ack = operation.reply && operation.title !== "connect" ? messageOf(operation.reply) : null;
  const done = ack && shapes.plain(ack.payload.oneOf[0]).properties.data;
  const shown = (title, { examples }) => example(title, examples && json(examples[0].payload));
  return row(
    operation.title,
    operation.title,
    operation.summary,
    [operation.action === "send" ? "Request" : "You hear", shapes.fields(message.payload)],
    ["Ack", ack && shapes.fields(done)],
    ["Errors", codes(operation["x-error-codes"])],
    ["Example", shown(ack ? "Request" : "Payload", message), ack && shown("Ack", ack)],
  );
}

if (document_) {
  const rows = (action) => Object.values(document_.operations).filter((one) => one.action === action).map(rowOf);
  part("What you emit", rows("send"));
  part("What you hear", rows("receive"));
  part("Shapes", [...shapes.rows()]);
  begin();
}

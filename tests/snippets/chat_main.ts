// Drives the class of docs/quickstart/web.md by lines of JSON.
import { createInterface } from "node:readline";
import { Chat } from "./chat.js";

const [url = "", username = "", password = ""] = process.argv.slice(2);
const chat = await Chat.open(url, username, password);
chat.onEnd = (code) => console.error(code);
for await (const line of createInterface(process.stdin)) {
  const order = JSON.parse(line);
  if (order.do === "send") chat.send(order.conversation_id, order.body);
  else if (order.do === "older") while (await chat.older(order.conversation_id));
  else {
    const held = chat.conversations.map((id) => [id, chat.messages(id).map(({ seq, body }) => [seq, body])]);
    console.log(JSON.stringify(Object.fromEntries(held)));
  }
}
chat.close();

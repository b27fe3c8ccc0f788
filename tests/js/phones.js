// Phones on the official client, driven by lines of JSON:
//   {connect: [{name, url, path, token, transports}]}            -> {connected: [names]}
//   {send: [{phone, conversations, count, window}]}              -> {acks: {name: [[conversation, key, seq, dup]]}}
//   {emit: {phone, event, payload}}                              -> {ack}
//   {try: {phone, event, payload}}                               -> {ack or null}
//   {report: {samples}}                                          -> {heard: {name: [[event, payload]]}, transports}
import { randomUUID } from "node:crypto";
import { createInterface } from "node:readline";
import { io } from "socket.io-client";

const ACK_TIMEOUT_MS = 60_000;
const phones = new Map();

class Phone {
  constructor({ name, url, path, token, transports }) {
    this.name = name;
    this.heard = [];
    this.socket = io(url, { path, transports, auth: { token }, forceNew: true, reconnectionDelay: 100 });
    this.socket.onAny((event, payload) => this.heard.push([event, payload]));
  }

  connected() {
    return new Promise((resolve, reject) => {
      this.socket.once("connect", resolve);
      this.socket.once("connect_error", (error) => reject(new Error(JSON.stringify(error.data ?? error.message))));
    });
  }

  emit(event, payload) {
    return this.socket.timeout(ACK_TIMEOUT_MS).emitWithAck(event, payload);
  }

  // The same again, as an app does, while the server has too much to do.
  async insist(event, payload) {
    for (;;) {
      const ack = await this.emit(event, payload);
      if (ack.ok || ack.error.code !== "overloaded") return ack;
      await new Promise((resolve) => setTimeout(resolve, ack.error.retry_after_ms));
    }
  }

  // Sends `count` messages with at most `window` unanswered, in turn to each conversation.
  async send({ conversations, count, window }) {
    const acks = [];
    let next = 0;
    const lane = async () => {
      while (next < count) {
        const n = next++;
        const conversation_id = conversations[n % conversations.length];
        const client_message_id = randomUUID();
        const body = `${this.name} says ${n} 👋`;
        const ack = await this.insist("message:send", { conversation_id, client_message_id, body });
        if (!ack.ok) throw new Error(JSON.stringify(ack));
        acks.push([conversation_id, client_message_id, ack.data.message.seq, ack.data.duplicate]);
      }
    };
    await Promise.all(Array.from({ length: window }, lane));
    return acks;
  }
}

const actions = {
  async connect(list) {
    for (const options of list) phones.set(options.name, new Phone(options));
    await Promise.all(list.map(({ name }) => phones.get(name).connected()));
    return { connected: list.map(({ name }) => name) };
  },
  async send(plans) {
    const acks = await Promise.all(plans.map((plan) => phones.get(plan.phone).send(plan)));
    return { acks: Object.fromEntries(plans.map((plan, n) => [plan.phone, acks[n]])) };
  },
  async emit({ phone, event, payload }) {
    return { ack: await phones.get(phone).emit(event, payload) };
  },
  async try({ phone, event, payload }) {
    return { ack: await phones.get(phone).socket.timeout(3_000).emitWithAck(event, payload).catch(() => null) };
  },
  async report() {
    const all = [...phones.values()];
    return {
      heard: Object.fromEntries(all.map(({ name, heard }) => [name, heard])),
      transports: Object.fromEntries(all.map(({ name, socket }) => [name, socket.io.engine?.transport?.name])),
    };
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const [[action, argument]] = Object.entries(JSON.parse(line));
  try {
    console.log(JSON.stringify(await actions[action](argument)));
  } catch (error) {
    console.log(JSON.stringify({ error: String(error.message) }));
  }
}
for (const { socket } of phones.values()) socket.disconnect();

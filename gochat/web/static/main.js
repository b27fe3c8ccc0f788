// The demo page: an app on the official client library that keeps docs/protocol.md. It holds the chats in memory, and
// the login and the outbox in localStorage.

import { Connection, CONNECTING, FORBIDDEN, ONLINE, SYNCING } from "./connection.js";
import { openDialog } from "./dialog.js";
import { byId } from "./dom.js";
import { showList } from "./list.js";
import { Outbox } from "./outbox.js";
import { People } from "./people.js";
import { Receipts } from "./receipts.js";
import { Session } from "./session.js";
import { Store } from "./store.js";
import { Thread } from "./thread.js";

const LIBRARY = "/web/lib/socket.io-client/socket.io.esm.min.js";
const NO_LIBRARY = "The chat needs the Socket.IO client, which this server has not: run scripts/web.py there, with npm.";
const SECRETLY = "This browser keeps no data for this page, so it can't log in.";
const STATUS = {
  [CONNECTING]: "Connecting… What you write waits until then.",
  [FORBIDDEN]: `The server lets no pages of ${location.origin} in. Whoever runs it can add that to ALLOWED_ORIGINS.`,
  [SYNCING]: "",
  [ONLINE]: "",
};
const WHY_OUT = { logout: "", session_revoked: "This login was ended. Log in again." };

const welcome = byId("welcome");
const login = byId("login");

function tell(text) {
  byId("notice").textContent = text;
  byId("notice").hidden = !text;
}

/** The chat of whoever is logged in, until he is not. */
function chat(io, session) {
  const { user } = session;
  const store = new Store(user.id);
  const people = new People(session);
  const connection = new Connection(io, session, store);
  const outbox = new Outbox(user.id, async ({ key, conversation_id, body }) => {
    const { message } = await connection.emit("message:send", { conversation_id, client_message_id: key, body });
    store.keep(conversation_id, [message]);
  });
  const app = { store, people, outbox, connection, session, user };
  const thread = new Thread(app);
  const receipts = new Receipts(connection, store, (id) => id === thread.id && document.hasFocus());
  const lifetime = new AbortController();
  const on = (target, event, act) => target.addEventListener(event, act, { signal: lifetime.signal });

  let isDue = false;
  const show = () => {
    isDue = false;
    showList(app, thread.id);
    thread.show();
  };
  const showSoon = () => {
    if (!isDue) requestAnimationFrame(show);
    isDue = true;
  };
  const route = () => {
    const id = /^#\/c\/(\w+)$/.exec(location.hash)?.[1] ?? null;
    byId("chat").toggleAttribute("data-open", id !== null);
    thread.open(id);
    if (id) receipts.check(id);
    showSoon();
  };
  const create = async (memberIds, title) => {
    const kind = memberIds.length > 1 ? "group" : "direct";
    const named = kind === "group" && title ? { title } : {};
    const { conversation } = await connection.emit("conversation:create", { kind, member_ids: memberIds, ...named });
    await connection.join(conversation.id);
    location.hash = `#/c/${conversation.id}`;
  };
  const connected = () => {
    byId("status").textContent = STATUS[connection.state];
    if (connection.state !== ONLINE) return;
    if (thread.id) connection.join(thread.id);
    for (const id of store.conversations.keys()) receipts.check(id);
    outbox.maxPayload = connection.maxPayload;
    outbox.flush();
  };

  for (const source of [store, people, outbox]) on(source, "change", showSoon);
  on(connection, "state", connected);
  on(window, "hashchange", route);
  on(window, "focus", () => thread.id && receipts.check(thread.id));
  byId("new").onclick = () => openDialog(people, create);
  byId("logout").onclick = () => session.close();
  byId("my-name").textContent = user.display_name;
  byId("chat").hidden = false;
  welcome.hidden = true;
  route();
  return () => {
    lifetime.abort();
    connection.close();
    byId("dialog").close();
    byId("chat").hidden = true;
    welcome.hidden = false;
  };
}

function offerLogin(session, begin) {
  const error = login.querySelector(".error");
  login.hidden = false;
  login.onsubmit = async (event) => {
    event.preventDefault();
    const how = event.submitter?.name ?? "login";
    error.textContent = "";
    for (const button of login.querySelectorAll("button")) button.disabled = true;
    try {
      await session.open(how, login.username.value, login.password.value);
      login.reset();
      begin();
    } catch (problem) {
      error.textContent = problem.message;
    } finally {
      for (const button of login.querySelectorAll("button")) button.disabled = false;
    }
  };
}

function offerThemes() {
  const root = document.documentElement;
  const kept = localStorage.getItem("gochat.theme");
  if (kept) root.dataset.theme = kept;
  byId("theme").onclick = () => {
    const isDark = (root.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
    root.dataset.theme = isDark ? "light" : "dark";
    localStorage.setItem("gochat.theme", root.dataset.theme);
  };
}

async function main() {
  let io;
  try {
    ({ io } = await import(LIBRARY));
  } catch {
    return tell(NO_LIBRARY);
  }
  try {
    offerThemes();
  } catch {
    return tell(SECRETLY);
  }
  const session = new Session();
  let end = () => null;
  const begin = () => {
    tell("");
    end = chat(io, session);
  };
  session.addEventListener("end", ({ detail }) => {
    end();
    tell(WHY_OUT[detail] ?? "Log in again.");
  });
  offerLogin(session, begin);
  if (session.user) begin();
}

main();

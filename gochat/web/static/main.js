// The demo page: an app on the official client library that keeps docs/protocol.md. It holds the chats in memory; the
// login, the outbox and the drafts in localStorage, which the user's tabs share.

import { offerLogin } from "./login.js";
import { Session } from "./session.js";

const NO_LIBRARY = "The chat needs libraries from npm, which this server has not: run scripts/web.py there, with npm.";
const SECRETLY = "This browser keeps no data for this page, so it can't log in.";
const WHY_OUT = { logout: "", session_revoked: "This login was ended. Log in again." };

const welcome = document.getElementById("welcome");
const chat = document.getElementById("chat");

function tell(text) {
  const notice = document.getElementById("notice");
  notice.textContent = text;
  notice.hidden = !text;
}

async function main() {
  let openChat, session;
  try {
    ({ openChat } = await import("./chat.js"));
  } catch {
    return tell(NO_LIBRARY);
  }
  try {
    session = new Session();
  } catch {
    return tell(SECRETLY);
  }
  let close = () => null;
  const begin = () => {
    tell("");
    chat.hidden = false;
    welcome.hidden = true;
    close = openChat(session, chat);
  };
  session.addEventListener("end", ({ detail }) => {
    close();
    chat.hidden = true;
    welcome.hidden = false;
    tell(WHY_OUT[detail] ?? "Log in again.");
  });
  offerLogin(session, begin);
  if (session.user) begin();
}

main();

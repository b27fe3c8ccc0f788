// The dialog for a new conversation: one person makes it direct, more a group.

import { avatar, byId, make } from "./dom.js";

const SEARCH_AFTER_MS = 200;

/** `start(people, title)` resolves when the conversation is there, and rejects with a Problem. */
export function openDialog(people, start) {
  const dialog = byId("dialog");
  const form = dialog.querySelector("form");
  const error = form.querySelector(".error");
  const chosen = new Map();
  let timer = 0;

  const show = () => {
    byId("chosen").replaceChildren(...[...chosen.values()].map((user) => make("li", {}, chip(user))));
    form.groupname.hidden = chosen.size < 2;
    form.start.disabled = chosen.size === 0;
  };
  const chip = (user) => {
    const title = `Take ${user.display_name} out`;
    return make("button", { type: "button", title, onclick: () => (chosen.delete(user.id), show()) }, `${user.display_name} ×`);
  };
  const choose = (user) => {
    chosen.set(user.id, user);
    form.search.value = "";
    byId("found").replaceChildren();
    form.search.focus();
    show();
  };
  const find = async () => {
    const prefix = form.search.value.trim();
    error.textContent = "";
    if (!/^[\w.]+$/.test(prefix)) return byId("found").replaceChildren();
    try {
      const users = await people.search(prefix);
      if (form.search.value.trim() !== prefix) return; // typed on meanwhile
      byId("found").replaceChildren(...users.filter(({ id }) => !chosen.has(id)).map((user) => make("li", {}, found(user))));
      if (users.length === 0) error.textContent = "Nobody has such a username.";
    } catch (problem) {
      error.textContent = problem.message;
    }
  };
  const found = (user) => {
    const name = make("span", {}, user.display_name, " ", make("small", {}, `@${user.username}`));
    return make("button", { type: "button", onclick: () => choose(user) }, avatar(user.display_name, user.id), name);
  };
  const submit = async () => {
    if (chosen.size === 0) return;
    form.start.disabled = true;
    try {
      await start([...chosen.keys()], form.groupname.value.trim());
      dialog.close();
    } catch (problem) {
      error.textContent = problem.message;
      show();
    }
  };

  form.reset();
  error.textContent = "";
  byId("found").replaceChildren();
  show();
  form.search.oninput = () => {
    clearTimeout(timer);
    timer = setTimeout(find, SEARCH_AFTER_MS);
  };
  form.onkeydown = (event) => {
    if (event.key !== "Enter" || event.target.tagName === "BUTTON") return;
    event.preventDefault();
    const first = byId("found").querySelector("button");
    if (first) first.click();
    else if (!form.search.value) submit();
  };
  form.start.onclick = submit;
  form.cancel.onclick = () => dialog.close();
  dialog.showModal();
}

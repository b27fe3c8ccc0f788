// The form to log in, or to make an account.

import { inWords } from "./words.js";

const WAYS = {
  login: { submit: "Log in", other: "Create an account", password: "current-password" },
  register: { submit: "Create the account", other: "I have an account", password: "new-password" },
};

/** Show the form; `begin` is called when somebody is logged in. */
export function offerLogin(session, begin) {
  const form = document.getElementById("login");
  const error = form.querySelector(".error");
  const { username, display_name, password, submit, other } = form.elements;
  let how;

  const become = (way) => {
    how = way;
    submit.textContent = WAYS[how].submit;
    other.textContent = WAYS[how].other;
    password.autocomplete = WAYS[how].password;
    document.getElementById("own-name").hidden = how === "login";
    error.textContent = "";
  };
  other.onclick = () => {
    become(how === "login" ? "register" : "login");
    username.focus();
  };
  form.onsubmit = async (event) => {
    event.preventDefault();
    const name = display_name.value.trim();
    const named = how === "register" && name ? { display_name: name } : {};
    error.textContent = "";
    submit.disabled = other.disabled = true;
    try {
      await session.open(how, { username: username.value, password: password.value, ...named });
      form.reset();
      become("login");
      begin();
    } catch (problem) {
      error.textContent = inWords(problem);
    } finally {
      submit.disabled = other.disabled = false;
    }
  };
  become("login");
  form.hidden = false;
}

// Who is logged in: tokens, and REST. Tokens are kept in localStorage; other tabs share them.

const API = "/api/v1";
const KEY = "gochat.session";
const DEVICE = { name: "Browser", platform: "web" };

/** What a request was refused with, or that nobody answered. */
export class Problem extends Error {
  constructor({ code, message, retryable, retry_after_ms, details }) {
    super(message);
    Object.assign(this, { code, retryable, retryAfter: retry_after_ms ?? null, details: details ?? null });
  }
}

export const UNANSWERED = { code: "unavailable", message: "The server does not answer.", retryable: true };

async function request(method, path, token, body) {
  const headers = body === undefined ? {} : { "content-type": "application/json" };
  if (token) headers.authorization = `Bearer ${token}`;
  let response, answer;
  try {
    response = await fetch(API + path, { method, headers, body: JSON.stringify(body) });
    answer = await response.json();
  } catch {
    throw new Problem(UNANSWERED);
  }
  if (!response.ok) throw new Problem(answer);
  return answer;
}

/** Fires `end`, with a code, when the login is over. */
export class Session extends EventTarget {
  #tokens = JSON.parse(localStorage.getItem(KEY));
  #refreshing = null;

  constructor() {
    super();
    addEventListener("storage", ({ key }) => (key === KEY || key === null) && this.#heard());
  }

  get user() {
    return this.#tokens?.user ?? null;
  }

  get accessToken() {
    return this.#tokens.access_token;
  }

  /** `how`: login or register; `fields`: what that takes beside the device. */
  async open(how, fields) {
    this.#keep(await request("POST", `/auth/${how}`, null, { ...fields, device: DEVICE }));
  }

  /** Ask REST, with a fresh token if need be. */
  async ask(method, path, body) {
    try {
      return await request(method, path, this.accessToken, body);
    } catch (problem) {
      if (problem.code !== "token_expired") throw problem;
      await this.refresh();
      return request(method, path, this.accessToken, body);
    }
  }

  /** Get fresh tokens, once for all who ask meanwhile. */
  refresh() {
    this.#refreshing ??= this.#refresh().finally(() => (this.#refreshing = null));
    return this.#refreshing;
  }

  /** Log out here and at the server. */
  async close() {
    await request("POST", "/auth/logout", this.accessToken).catch(() => null);
    this.end("logout");
  }

  /** Forget who was logged in. */
  end(code) {
    if (this.#tokens === null) return;
    this.#tokens = null;
    localStorage.removeItem(KEY);
    this.dispatchEvent(new CustomEvent("end", { detail: code }));
  }

  /** Another tab logged in or out, or has fresh tokens. */
  #heard() {
    const shared = JSON.parse(localStorage.getItem(KEY));
    if (shared?.user.id !== this.#tokens?.user.id) location.reload();
    this.#tokens = shared;
  }

  async #refresh() {
    // A refresh token works once: another tab may have used ours.
    const shared = JSON.parse(localStorage.getItem(KEY));
    if (shared && shared.access_token !== this.#tokens.access_token) {
      this.#tokens = shared;
      return;
    }
    try {
      this.#keep(await request("POST", "/auth/refresh", null, { refresh_token: this.#tokens.refresh_token }));
    } catch (problem) {
      if (problem.code !== "unavailable" && !(problem.retryable && problem.code !== "token_expired")) this.end(problem.code);
      throw problem;
    }
  }

  #keep(tokens) {
    this.#tokens = tokens;
    localStorage.setItem(KEY, JSON.stringify(tokens));
  }
}

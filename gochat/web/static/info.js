// About a conversation: who is in it, and what one may change.

import { Confirm, Dialog } from "./dialog.js";
import { Find } from "./find.js";
import { avatar, Component, html } from "./html.js";
import { Report } from "./report.js";
import { Search } from "./search.js";
import { count, inWords, whenOf } from "./words.js";

const HOUR_MS = 3_600_000;
const MUTES = { hour: ["For an hour", HOUR_MS], day: ["For a day", 24 * HOUR_MS], forever: ["Always", null] };
const RANK = { member: 0, admin: 1, owner: 2 };

export class Info extends Component {
  state = { chosen: [], error: "", listed: [], cursor: null };

  componentDidMount() {
    if (this.props.chat.store.conversations.get(this.props.id)?.isHidden) this.#list();
  }

  componentDidUpdate() {
    const { chat, id } = this.props;
    if (!chat.store.conversations.has(id)) chat.ask(null); // the user is in it no more
  }

  render({ chat, id }, { error }) {
    const held = chat.store.conversations.get(id);
    if (!held) return null;
    return html`<${Dialog} chat=${chat} title=${chat.people.title(held)}>
      ${this.#side(held)}
      ${held.about.kind === "group" ? this.#group(held) : this.#person(chat.people.other(held))}
      <p class="error" role="alert">${error}</p>
      <div class="buttons">
        <button class="primary" onClick=${() => chat.ask(null)}>Done</button>
      </div>
    <//>`;
  }

  #person(id) {
    const { chat } = this.props;
    const user = chat.people.user(id);
    const isBlocked = chat.blocked.has(id);
    return html`
      <p>${user && `@${user.username}`} ${chat.presence.isOnline(id) && "· online"}</p>
      ${user?.about && html`<p dir="auto">${user.about}</p>`}
      <div><button class="plain danger" onClick=${() => this.#do(() => chat.block(id, !isBlocked))}>
        ${isBlocked ? "Unblock" : "Block"}</button>
        <button class="plain danger" onClick=${() => chat.ask(() => html`<${Report} chat=${chat} target=${{ user_id: id }} user=${id} />`)}>
          Report</button></div>`;
  }

  /** What nobody else sees: finding, and one's own side of the conversation. */
  #side({ side: { muted, pinned, archived }, isMuted }) {
    const { chat, id } = this.props;
    const turn = (event, payload) => this.#do(() => chat.turn(event, { conversation_id: id, ...payload }));
    const mute = ({ target: { value } }) => {
      const [, ms] = MUTES[value] ?? [];
      turn("conversation:mute", { until: ms ? new Date(Date.now() + ms).toISOString() : value || null });
    };
    const chosen = !isMuted ? "" : muted.until === "forever" ? "forever" : "until";
    return html`<div class="side" role="group" aria-label="For you alone">
      <button onClick=${() => chat.ask(() => html`<${Find} chat=${chat} id=${id} />`)}>Search</button>
      ${this.#switch("Pin to top", pinned, (on) => turn("conversation:pin", { on }))}
      ${this.#switch("Archive", archived, (on) => turn("conversation:archive", { on }))}
      <button onClick=${() => this.#mark()}>Mark as unread</button>
      <label>Mute <select value=${chosen} onChange=${mute}>
        <option value="">No</option>
        ${chosen === "until" && html`<option value="until" disabled>Until ${whenOf(muted.until)}</option>`}
        ${Object.entries(MUTES).map(([key, [words]]) => html`<option key=${key} value=${key}>${words}</option>`)}</select></label>
    </div>`;
  }

  #switch(words, isOn, turn) {
    return html`<button aria-pressed=${isOn ? "true" : "false"} onClick=${() => turn(!isOn)}>${words}</button>`;
  }

  /** In the list: who looks at it has read it. */
  #mark() {
    const { chat, id } = this.props;
    location.hash = "#/";
    chat.attempt(() => chat.turn("conversation:mark", { conversation_id: id, unread: true }));
  }

  #group(held) {
    const { chat, id } = this.props;
    const { chosen, listed, cursor } = this.state;
    const members = [...held.members.values()];
    const known = new Set(members.map(({ user_id }) => user_id));
    members.push(...listed.filter(({ user_id }) => !known.has(user_id)));
    const rank = RANK[held.members.get(chat.user.id)?.role] ?? 0;
    members.sort((one, other) => RANK[other.role] - RANK[one.role]);
    return html`
      ${rank > 0 && html`<form class="inline" onSubmit=${(event) => this.#rename(event)}>
        <label>Name of the group
          <input name="title" defaultValue=${held.about.title ?? ""} maxlength="200" autocomplete="off" /></label>
        <button class="plain">Rename</button></form>`}
      <h3>${count(held.about.member_count, "member")}</h3>
      <ul id="members">${members.map((member) => html`<li key=${member.user_id}>${this.#member(member, rank)}</li>`)}</ul>
      ${cursor && html`<button class="plain" onClick=${() => this.#list()}>More</button>`}
      ${rank > 0 && html`<form onSubmit=${(event) => this.#add(event)}>
        <h3>Add somebody</h3>
        <${Search} chat=${chat} chosen=${chosen} except=${[...held.members.keys()]} onChange=${(chosen) => this.setState({ chosen })} />
        ${chosen.length > 0 && html`<button class="primary">Add</button>`}</form>`}
      <div><button class="plain danger" onClick=${() => this.#leave(id)}>Leave the group</button></div>`;
  }

  #member({ user_id, role }, rank) {
    const { chat, id } = this.props;
    const name = chat.people.name(user_id);
    const isOther = user_id !== chat.user.id;
    const give = ({ target: { value } }) =>
      this.#do(async () => {
        await chat.connection.emit("member:role", { conversation_id: id, user_id, role: value });
        this.#relist((listed) => listed.map((one) => (one.user_id === user_id ? { ...one, role: value } : one)));
      });
    const remove = () =>
      this.#do(async () => {
        await chat.connection.emit("member:remove", { conversation_id: id, user_id });
        this.#relist((listed) => listed.filter((one) => one.user_id !== user_id));
      });
    return html`
      ${avatar(name, user_id, isOther && chat.presence.isOnline(user_id))}
      <span class="name"><bdi>${name}</bdi>${!isOther && " (you)"}</span>
      <span class="acts">${rank === RANK.owner && isOther
        ? html`<select aria-label=${`Role of ${name}`} value=${role} onChange=${give}>
            ${Object.keys(RANK).map((one) => html`<option key=${one} value=${one}>${one}</option>`)}</select>`
        : html`<span class="role">${role === "member" ? "" : role}</span>`}
      ${isOther && rank > RANK[role] && html`<button class="plain" aria-label=${`Remove ${name}`} onClick=${remove}>Remove</button>`}</span>`;
  }

  /** Above 256 members nobody holds them all: they are paged. */
  async #list() {
    const { chat, id } = this.props;
    const { cursor } = this.state;
    const path = `/conversations/${id}/members${cursor ? `?cursor=${encodeURIComponent(cursor)}` : ""}`;
    await this.#do(async () => {
      const page = await chat.session.ask("GET", path);
      if (this.state.cursor !== cursor) return; // asked for twice
      this.#enlist(page.members);
      this.setState({ cursor: page.cursor });
    });
  }

  /** Deltas of so large a group do not tell who is in it: what is listed changes with what the user does. */
  #relist(change) {
    this.setState(({ listed }) => ({ listed: change(listed) }));
  }

  #enlist(members) {
    this.#relist((listed) => [...new Map([...listed, ...members].map((one) => [one.user_id, one])).values()]);
  }

  #rename(event) {
    event.preventDefault();
    const { chat, id } = this.props;
    const title = event.target.elements.title.value.trim();
    this.#do(() => chat.connection.emit("conversation:update", { conversation_id: id, title }));
  }

  #add(event) {
    event.preventDefault();
    const { chat, id } = this.props;
    const user_ids = this.state.chosen.map((user) => user.id);
    this.#do(async () => {
      await chat.connection.emit("member:add", { conversation_id: id, user_ids });
      this.setState({ chosen: [] });
      if (!chat.store.conversations.get(id)?.isHidden) return;
      this.#enlist(user_ids.map((user_id) => ({ user_id, role: "member" })));
    });
  }

  #leave(id) {
    const { chat } = this.props;
    const leave = async () => {
      await chat.connection.emit("member:remove", { conversation_id: id, user_id: chat.user.id });
      location.hash = "#/";
    };
    chat.ask(() => html`<${Confirm} chat=${chat} title="Leave the group?" act="Leave" onYes=${leave}>
      You will not see its messages any more.<//>`);
  }

  async #do(act) {
    this.setState({ error: "" });
    try {
      await act();
    } catch (problem) {
      this.setState({ error: inWords(problem) });
    }
  }
}

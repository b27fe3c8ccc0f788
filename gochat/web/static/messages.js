// The messages of a conversation: which are drawn, where the view stands, and what of them was seen.

import { Component, h, html, icon, isSame } from "./html.js";
import { Row } from "./row.js";
import { dayOf, inShort, systemWords, timeOf } from "./words.js";

const NEAR_PX = 120;
const PAGE = 50;
const LONG_PAGE = 100;
const PAGES_TO_LINE = 5;
const LINE_FROM_TOP_PX = 72;

/** Times and days in words: making those of thousands of messages for each new one would take a while. */
const formatted = new WeakMap();

function when(message, at) {
  if (!formatted.has(message)) formatted.set(message, { time: timeOf(at), day: dayOf(at) });
  return formatted.get(message);
}

/** `compose({reply})` answers a message, `compose({editing})` changes one. */
export class Messages extends Component {
  state = { far: false, openSeq: null, at: null, found: null }; // at: a seq far from the newest, which is shown with what is around it
  #line = null; // messages after this seq were new when the user came; null: none were
  #newest; // what was there when the user came is not read out
  #settled = false;
  #loading = false;
  #atEnd = true;
  #drawn = new Map(); // rows by key, each as {props, row}: one that says the same is not even compared
  #box;
  #sizes = new ResizeObserver(() => this.#atEnd && this.#toEnd());

  constructor(props) {
    super(props);
    const { held } = props;
    if (held.unread > 0) this.#line = held.read;
    this.#newest = held.lastSeq;
  }

  componentDidMount() {
    this.#sizes.observe(this.#box);
    this.#settle();
  }

  componentWillUnmount() {
    this.#sizes.disconnect();
  }

  getSnapshotBeforeUpdate() {
    return { fromEnd: this.#box.scrollHeight - this.#box.scrollTop, oldest: this.#box.firstElementChild };
  }

  componentDidUpdate(_props, _state, { fromEnd, oldest }) {
    if (this.#atEnd && this.#at === null) this.#toEnd();
    else if (this.#box.firstElementChild !== oldest) this.#box.scrollTop = this.#box.scrollHeight - fromEnd;
    if (this.#settled) this.#follow();
    this.#look();
  }

  render({ chat, held, compose }, { far, openSeq, found }) {
    const isHere = document.hasFocus() && !document.hidden && this.#atEnd;
    if (this.#line === null && held.unread > 0 && this.#settled && !isHere) this.#line = held.read;
    if (this.#line !== null && held.unread === 0 && !document.hasFocus()) this.#line = null;
    const rows = this.#rows(chat, held, compose, openSeq, found);
    return html`
      <div id="messages" role="log" aria-live="off" aria-label="Messages" tabindex="0" ref=${(box) => (this.#box = box)}
        onScroll=${() => this.#scrolled()}>${rows}</div>
      ${rows.length === 0 && html`<p class="hint empty">No messages yet.</p>`}
      ${far && html`<div class="below"><button class="icon newest" onClick=${() => this.#toNewest()} title="To the newest message"
        aria-label="To the newest message">${icon("down")}${held.unread > 0 && html`<span class="badge">${held.unread}</span>`}</button></div>`}
      <div class="unseen" role="status">${this.#spoken(chat, held)}</div>`;
  }

  /** The newest message of another, for screen readers: once, when it comes. */
  #spoken({ user, people }, { last, about }) {
    if (!last || last.seq <= this.#newest || last.sender_id === user.id || last.deleted_at || last.kind === "system") return null;
    const text = inShort(last);
    return html`<p key=${last.seq}>${about.kind === "group" ? `${people.name(last.sender_id)}: ${text}` : text}</p>`;
  }

  /** Days, the line above what is new, messages, and what waits to be sent; each with a key of its own for ever. */
  #rows(chat, held, compose, openSeq, found) {
    const { people, user, outbox } = chat;
    const [delivered, read] = ["delivered_seq", "read_seq"].map((field) => held.others(field, user.id));
    const isGroup = held.about.kind === "group";
    const mayLead = isGroup && (held.members.get(user.id)?.role ?? "member") !== "member";
    const pinned = new Set(held.about.pinned_seqs);
    const page = this.#page;
    const stored = new Set();
    const rows = [];
    const drawn = new Map();
    let day = "";
    let sender = null;
    let isLineDrawn = this.#line === null || this.#at !== null;
    const add = (message, at, senderId, key, rest) => {
      const { time, day: itsDay } = when(message, at);
      if (itsDay !== day) {
        rows.push(html`<p class="day" key=${`day ${itsDay}`}>${itsDay}</p>`);
        [day, sender] = [itsDay, null];
      }
      const own = senderId === user.id;
      if (!isLineDrawn && !own && message.seq > this.#line) {
        rows.push(html`<p class="line" key="line"><span>New messages</span></p>`);
        [isLineDrawn, sender] = [true, null];
      }
      const first = senderId !== sender;
      sender = senderId;
      const name = !own && first && isGroup ? people.name(senderId) : "";
      const props = { key: key + senderId, chat, own, first, time, name, ...rest };
      const before = this.#drawn.get(props.key);
      const kept = before && isSame(before.props, props) ? before : { props, row: h(Row, props) };
      drawn.set(props.key, kept);
      rows.push(kept.row);
    };
    for (const message of page) {
      if (message.kind === "system") {
        const said = systemWords(message, (id) => people.name(id));
        rows.push(html`<p class="day" dir="auto" key=${`system ${message.seq}`} data-seq=${message.seq}>${said}</p>`);
        sender = null;
        continue;
      }
      const { seq, sender_id, client_message_id, reply_to_seq } = message;
      const own = sender_id === user.id;
      if (own) stored.add(client_message_id);
      add(message, message.created_at, sender_id, client_message_id, {
        message,
        ticks: own ? (seq <= read ? "read" : seq <= delivered ? "delivered" : "stored") : null,
        isOpen: openSeq === seq,
        isFound: found === seq,
        onOpen: this.#open,
        compose,
        mayDelete: own || mayLead,
        mayPin: !isGroup || mayLead,
        isPinned: pinned.has(seq),
        reactors: message.reactions.map((one) => one.user_ids.map((id) => people.name(id)).join(", ")).join("\n"),
        ...this.#quote(people, held, reply_to_seq),
      });
    }
    for (const entry of this.#at === null ? outbox.of(held.id) : []) {
      if (stored.has(entry.key)) continue;
      const quote = this.#quote(people, held, entry.content.reply_to_seq ?? null);
      add(entry, entry.at, user.id, entry.key, { entry, ticks: "waiting", ...quote });
    }
    this.#drawn = drawn;
    return rows;
  }

  /** What a message answers, as its properties: the texts, so that it is drawn again only if they change. */
  #quote(people, held, seq) {
    if (seq === null) return null;
    const quoted = held.messages.get(seq);
    if (!quoted) return { quote: "An earlier message", quoteName: "", quoteSeq: seq < held.visibleFrom ? null : seq };
    return { quote: inShort(quoted), quoteName: people.name(quoted.sender_id), quoteSeq: seq };
  }

  #open = (openSeq) => this.setState({ openSeq });

  /** Where the user left off: at the line if there is one, loading what is missing down to there; else at the end. */
  async #settle() {
    const { chat, held } = this.props;
    const isAbove = () => !chat.target && this.#oldest() > Math.max((this.#line ?? Infinity) + 1, held.visibleFrom);
    for (let n = 0; n < PAGES_TO_LINE && isAbove() && (await this.#load(LONG_PAGE)); n++);
    if (!this.#box) return;
    await new Promise((drawn) => this.forceUpdate(drawn));
    this.#settled = true;
    if (await this.#follow()) return;
    if (!this.#box) return;
    const line = this.#box.querySelector(".line");
    if (line) this.#box.scrollTop = line.offsetTop - LINE_FROM_TOP_PX;
    else this.#toEnd();
    this.#scrolled();
  }

  #scrolled() {
    const { scrollHeight, scrollTop, clientHeight } = this.#box;
    const isLow = scrollHeight - scrollTop - clientHeight < NEAR_PX;
    this.#atEnd = isLow && this.#at === null;
    if (isLow && !this.#atEnd) this.#loadAfter();
    this.#look();
  }

  /** Tell what is seen, and load what is nearly in view. */
  #look() {
    const { chat, held } = this.props;
    if (!this.#settled) return;
    if (this.state.far === this.#atEnd) this.setState({ far: !this.#atEnd });
    if (this.#box.scrollTop < NEAR_PX) this.#load(PAGE);
    if (document.hidden || !document.hasFocus() || chat.dialog || this.#at !== null) return;
    const seq = this.#lowestInView();
    chat.receipts.see(held.id, seq);
  }

  /** The seq of the last message whose end is in view or above; rows stand in order, so halving finds it. */
  #lowestInView() {
    const rows = this.#box.children;
    const end = this.#box.getBoundingClientRect().bottom + 2;
    let [low, high] = [0, rows.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (rows[middle].getBoundingClientRect().bottom <= end) low = middle + 1;
      else high = middle;
    }
    while (low > 0 && !rows[low - 1].dataset.seq) low--;
    return low > 0 ? Number(rows[low - 1].dataset.seq) : 0;
  }

  #toEnd() {
    this.#box.scrollTop = this.#box.scrollHeight;
  }

  /** The newest ones again, from wherever. */
  #toNewest() {
    this.#atEnd = true;
    this.props.chat.stay(null);
    this.setState({ at: null }, () => this.#toEnd());
  }

  /** `state.at`, while that is held. */
  get #at() {
    return this.props.held.messages.has(this.state.at) ? this.state.at : null;
  }

  get #page() {
    const { held } = this.props;
    return this.#at === null ? held.page : held.island(this.#at);
  }

  #oldest() {
    return Math.min(this.#page[0]?.seq ?? Infinity, this.props.held.lastSeq + 1);
  }

  /** Go where the user wants to, if they do; resolve with whether they are there, or on the way. */
  async #follow() {
    const seq = this.props.chat.arrive();
    return seq !== null && this.#goTo(seq);
  }

  /** Bring a message into view, fetching what is around it if need be; it gets the focus. Resolve with false if it is not there. */
  async #goTo(seq) {
    const { chat, held } = this.props;
    const isHere = () => held.page.some((message) => message.seq === seq);
    if (!isHere()) {
      const path = `/messages?conversation_id=${held.id}&around_seq=${seq}&limit=${PAGE}`;
      const isFetched = await chat.attempt(async () => chat.store.keep(held.id, (await chat.session.ask("GET", path)).messages));
      if (!this.#box) return true;
      if (isFetched && !held.messages.has(seq)) chat.tell("This message is not here: you may not see it, or the link is wrong.");
      if (!held.messages.has(seq)) {
        chat.stay(null);
        return false;
      }
    }
    this.#atEnd = false;
    await new Promise((drawn) => this.setState({ at: isHere() ? null : seq, found: seq }, drawn));
    const row = this.#box?.querySelector(`[data-seq="${seq}"]`);
    if (!row) return true;
    row.scrollIntoView({ block: "center" });
    row.focus({ preventScroll: true });
    this.#scrolled();
    return true;
  }

  /** Load older messages; resolve with whether some came. */
  #load(limit) {
    const oldest = this.#oldest();
    return oldest > this.props.held.visibleFrom && this.#fetch(`before_seq=${oldest}&limit=${limit}`);
  }

  /** Load what came after the island that is shown, until it meets the newest. */
  async #loadAfter() {
    await this.#fetch(`after_seq=${this.#page.at(-1).seq}&limit=${PAGE}`);
    if (this.#at !== null && this.#page.at(-1).seq >= this.props.held.lastSeq) this.setState({ at: null }, () => this.#scrolled());
  }

  async #fetch(query) {
    const { chat, held } = this.props;
    if (this.#loading) return false;
    this.#loading = true;
    try {
      const { messages } = await chat.session.ask("GET", `/messages?conversation_id=${held.id}&${query}`);
      chat.store.keep(held.id, messages);
      return messages.length > 0;
    } catch {
      return false; // the next scroll asks again
    } finally {
      this.#loading = false;
    }
  }
}

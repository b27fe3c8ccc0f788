// What the page holds of the chats, and the whole rule by which that changes: docs/protocol.md, "Deltas".

const deleted = (message) => message.deleted_at !== null;
/** Messages of the server about the group are never unread. */
const isSystem = (message) => message.kind === "system";
/** How far its sender had read: up to it, if it says nothing else. */
const readWith = (message) => message.read_up_to ?? message.seq;

/** Reactions as told by `message`, where it leaves out what only its reader knows: docs/protocol.md, "Reactions". */
function reactionsOf(message, held, userId) {
  return message.reactions.map((reaction) => {
    if (reaction.mine !== undefined) return reaction;
    const before = held?.reactions.find(({ emoji }) => emoji === reaction.emoji)?.mine ?? false;
    const isWhole = reaction.count <= reaction.user_ids.length;
    return { ...reaction, mine: reaction.user_ids.includes(userId) || (!isWhole && before) };
  });
}

/** What nobody but the user sees of a conversation: docs/protocol.md, "One's own side of a conversation". */
const sideOf = ({ muted, archived, pinned, marked_unread }) => ({ muted, archived, pinned, marked_unread });

/** One conversation as held, up to `revision`. */
class Conversation {
  revision = 0;
  about = {};
  lastSeq = 0;
  messages = new Map();
  members = new Map();
  isHidden = false; // whether there are too many members to hold: `members` has only the user then
  visibleFrom = 1;
  delivered = 0;
  read = 0;
  skipped = 0; // messages after `read` that are deleted, the server's, or one's own
  side = { muted: null, archived: false, pinned: false, marked_unread: false };
  counted = true; // false: not all after `read` is held, so that only an answer to conversation:join tells

  constructor(id, userId) {
    this.id = id;
    this.userId = userId;
  }

  get unread() {
    return Math.max(0, this.lastSeq - this.read - this.skipped);
  }

  get isMuted() {
    const until = this.side.muted?.until;
    return until === "forever" || Date.parse(until) > Date.now();
  }

  get last() {
    return this.messages.get(this.lastSeq) ?? this.about.last_message ?? null;
  }

  /** The messages to show, ascending: those held without a hole before the newest, and what acks brought since. */
  get page() {
    const early = [...this.messages.values()].filter(({ seq }) => seq > this.lastSeq);
    return [...this.#before(this.lastSeq), ...early.sort((one, other) => one.seq - other.seq)];
  }

  /** Those held without a hole around a message, ascending. */
  island(around) {
    const island = this.#before(around);
    for (let seq = around + 1; this.messages.has(seq); seq++) island.push(this.messages.get(seq));
    return island;
  }

  #before(last) {
    const before = [];
    for (let seq = last; this.messages.has(seq); seq--) before.push(this.messages.get(seq));
    return before.reverse();
  }

  /** How far every other member is, by `field`: what their row says, or their own last message; 0 if there is nobody. */
  others(field, ownId) {
    const wrote = new Map();
    for (const message of this.messages.values()) {
      wrote.set(message.sender_id, Math.max(readWith(message), wrote.get(message.sender_id) ?? 0));
    }
    const others = [...this.members.values()].filter((member) => member.user_id !== ownId);
    if (others.length === 0) return 0;
    return Math.min(...others.map((member) => Math.max(member[field], wrote.get(member.user_id) ?? 0)));
  }

  keep(message) {
    const held = this.messages.get(message.seq);
    if (held && held.revision > message.revision) return;
    this.messages.set(message.seq, { ...message, reactions: reactionsOf(message, held, this.userId) });
  }

  advance({ delivered_seq, read_seq }) {
    this.delivered = Math.max(this.delivered, delivered_seq);
    this.readUpTo(read_seq);
  }

  /** Take in an entry of the user's own log. */
  hear(entry) {
    this.side = sideOf(entry);
    this.advance(entry);
  }

  readUpTo(seq) {
    if (seq <= this.read) return;
    this.read = seq;
    this.delivered = Math.max(this.delivered, seq);
    this.count();
  }

  count() {
    this.skipped = 0;
    this.counted = true;
    for (let seq = this.read + 1; seq <= this.lastSeq; seq++) {
      const message = this.messages.get(seq);
      if (!message) this.counted = false;
      else if (deleted(message) || isSystem(message) || message.sender_id === this.userId) this.skipped++;
    }
  }
}

/** Fires `change`, with the id of a conversation or null, whenever something else is held. */
export class Store extends EventTarget {
  conversations = new Map();
  epoch = null;
  me = null;
  #left = new Map();
  #early = new Map();

  constructor(userId) {
    super();
    this.userId = userId;
  }

  get known() {
    return Object.fromEntries([...this.conversations].map(([id, { revision }]) => [id, revision]));
  }

  /** Conversations whose unread only conversation:join can tell. */
  get uncounted() {
    return [...this.conversations.values()].filter((held) => !held.counted).map((held) => held.id);
  }

  revision(id) {
    return this.conversations.get(id)?.revision ?? 0;
  }

  /** Those pinned to the top, then the others; newest first. */
  get sorted() {
    const when = (one) => one.last?.created_at ?? one.about.created_at;
    const isFirst = (one, other) => (one.side.pinned === other.side.pinned ? when(one) > when(other) : one.side.pinned);
    return [...this.conversations.values()].sort((one, other) => (isFirst(one, other) ? -1 : 1));
  }

  /** Take a delta in. False: ask conversation:join for what is missing. */
  apply(delta) {
    const isWhole = this.#apply(delta);
    this.#changed(delta.conversation_id);
    return isWhole;
  }

  /** Take the user's own log in. False: ask sync for what is missing. */
  applyMe(delta) {
    const mine = this.me ?? 0;
    if (this.me !== null && delta.revision <= mine) return true;
    if (delta.since > mine) return false;
    this.me = delta.revision;
    for (const own of delta.conversations) {
      const held = this.conversations.get(own.conversation_id);
      if (held) held.hear(own);
      else this.#early.set(own.conversation_id, own);
      this.#changed(own.conversation_id);
    }
    return true;
  }

  /** Take a page of a sync in; return the conversations of which something is missing. */
  applySync(answer) {
    if (this.epoch !== null && this.epoch !== answer.epoch) this.forget(); // the server lost history
    this.epoch = answer.epoch;
    const missing = answer.conversations.filter((delta) => !this.apply(delta)).map((delta) => delta.conversation_id);
    if (answer.me) this.applyMe(answer.me);
    this.#changed(null);
    return [...missing, ...this.uncounted];
  }

  /** Take in messages of acks and history pages: those never move a revision. */
  keep(id, messages) {
    const held = this.conversations.get(id);
    if (!held) return;
    for (const message of messages) if (message.body !== null || deleted(message)) held.keep(message);
    this.#changed(id);
  }

  /** Take in the answer to a receipt; one that was read ends a mark. */
  advance(id, receipt, isRead) {
    const held = this.conversations.get(id);
    if (!held) return;
    held.advance(receipt);
    if (isRead) held.side = { ...held.side, marked_unread: false };
    this.#changed(id);
  }

  /** Take in the answer to a change of one's own side; null: one is no longer a member. */
  turn(id, me) {
    if (me) this.conversations.get(id)?.hear(me);
    this.#changed(id);
  }

  /** One is no longer a member. */
  drop(id) {
    this.conversations.delete(id);
    this.#changed(id);
  }

  forget() {
    this.me = null;
    for (const held of [this.conversations, this.#left, this.#early]) held.clear();
  }

  #changed(id) {
    this.dispatchEvent(new CustomEvent("change", { detail: id }));
  }

  #apply(delta) {
    const { conversation_id: id, since, revision } = delta;
    const mine = this.revision(id);
    if (revision < mine || revision <= (this.#left.get(id) ?? 0)) return true;
    if (revision === mine) return this.#applyOwn(this.conversations.get(id), delta);
    if (delta.removed) {
      this.conversations.delete(id);
      this.#left.set(id, revision);
      return true;
    }
    if (since > mine) return false;
    this.#left.delete(id);
    const held = this.conversations.get(id) ?? new Conversation(id, this.userId);
    this.conversations.set(id, held);
    this.#take(held, delta);
    if (this.#early.has(id)) held.hear(this.#early.get(id));
    this.#early.delete(id);
    return this.#applyOwn(held, delta);
  }

  #take(held, { since, revision, conversation, messages = [], members = [], members_hidden }) {
    const before = held.revision;
    const lastBefore = held.lastSeq;
    held.revision = revision;
    if (since === 0) {
      held.messages.clear();
      held.members.clear();
    }
    if (conversation) {
      held.about = conversation;
      if (conversation.revision === revision) held.lastSeq = Math.max(held.lastSeq, conversation.last_seq);
    }
    for (const message of messages) {
      held.keep(message);
      held.lastSeq = Math.max(held.lastSeq, message.seq);
    }
    for (const message of messages) {
      if (message.sender_id === this.userId || message.seq <= held.read) continue;
      if ((deleted(message) && message.revision > before) || (isSystem(message) && message.seq > lastBefore)) held.skipped++;
    }
    if (held.lastSeq > lastBefore && !held.isMuted) held.side = { ...held.side, archived: false }; // archived till then
    if (since === 0) held.count();
    for (const message of messages) {
      if (message.sender_id !== this.userId) continue;
      held.readUpTo(readWith(message));
      if (message.seq > held.read) held.count();
    }
    if (conversation) held.isHidden = members_hidden === true;
    if (members_hidden) {
      for (const id of held.members.keys()) if (id !== this.userId) held.members.delete(id);
    }
    for (const member of members) {
      if (member.active) held.members.set(member.user_id, member);
      else held.members.delete(member.user_id);
    }
  }

  /** One's own side, as answers to sync and conversation:join have it; live deltas have none. */
  #applyOwn(held, { conversation }) {
    if (conversation?.me && conversation.revision === held.revision) {
      const { visible_from_seq, delivered_seq, read_seq, unread } = conversation.me;
      held.side = sideOf(conversation.me);
      held.visibleFrom = visible_from_seq;
      held.delivered = Math.max(held.delivered, delivered_seq);
      if (read_seq >= held.read) {
        held.read = read_seq;
        held.skipped = Math.max(0, conversation.last_seq - read_seq - unread);
        held.counted = true;
      } else if (!held.counted) {
        held.count();
      }
    }
    return held.counted;
  }
}

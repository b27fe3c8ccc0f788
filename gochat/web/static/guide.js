// Search over all guides, in the browser: the texts are fetched when somebody first looks for something.

import { byId, make } from "./dom.js";

const MOST = 20;
const AROUND = 60;
const UNABLE = "The guides can't be searched at the moment. Type on to try again.";
let parts;

/** What stands around the first place where it is said, in whole words. */
function excerpt(text, wanted) {
  const place = Math.max(0, text.toLowerCase().indexOf(wanted));
  const begin = place > AROUND ? text.lastIndexOf(" ", place - AROUND) + 1 : 0;
  const space = text.indexOf(" ", place + wanted.length + AROUND);
  const end = space < 0 ? text.length : space;
  return (begin > 0 ? "…" : "") + text.slice(begin, end) + (end < text.length ? "…" : "");
}

const says = ({ title, text }, wanted) => `${title} ${text}`.toLowerCase().includes(wanted);
const isTitled = ({ title }, wanted) => Number(title.toLowerCase().includes(wanted));

/** All parts of all guides; fetched once, unless that fails. */
async function load() {
  const answer = await fetch("/docs/guides.json");
  if (!answer.ok) throw new Error(`guides.json: ${answer.status}`);
  return answer.json();
}

async function look() {
  const asked = (parts ??= load());
  let all;
  try {
    all = await asked;
  } catch {
    if (parts === asked) parts = undefined;
    show([make("li", {}, UNABLE)]);
    return;
  }
  const wanted = byId("search").value.trim().toLowerCase();
  const found = wanted ? all.filter((part) => says(part, wanted)) : [];
  found.sort((one, other) => isTitled(other, wanted) - isTitled(one, wanted));
  const shown = found.slice(0, MOST).map(({ page, title, href, text }) =>
    make("li", {}, make("a", { href }, title === page ? page : `${page}: ${title}`), make("small", {}, excerpt(text, wanted))),
  );
  if (wanted && !shown.length) shown.push(make("li", {}, "Nothing says that."));
  show(shown);
}

function show(items) {
  byId("found").replaceChildren(...items);
  byId("found").hidden = items.length === 0;
}

byId("search").addEventListener("input", look);
if (byId("search").value) look(); // typed while this was on its way, or kept by the browser

const wide = matchMedia("(min-width: 60rem)").matches;
for (const id of ["list", "contents"]) byId(id).open = wide;

// Light or dark: as the system has it, or as the user chose.

const KEY = "gochat.theme";
const root = document.documentElement;

/** Take up what was chosen before. */
export function keepTheme() {
  const kept = localStorage.getItem(KEY);
  if (kept) root.dataset.theme = kept;
}

export function turnTheme() {
  const now = root.dataset.theme ?? (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  root.dataset.theme = now === "dark" ? "light" : "dark";
  localStorage.setItem(KEY, root.dataset.theme);
}

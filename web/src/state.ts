// What the whole application shares: session, address, theme, language.
import { computed, signal } from "@preact/signals";
import { onSessionEnd, send } from "./api.ts";

export interface Named {
  id: string;
  name: string;
}

export interface Session {
  user: Named;
  project: Named;
  projects: Named[];
  roles: string[];
  rights: string[];
  /** What this server can do beyond Octavia: dry-run, explain, history. */
  features?: string[];
}

/** The session; null without one, undefined while that is not known. */
export const session = signal<Session | null | undefined>(undefined);

onSessionEnd(() => {
  session.value = null;
});

export function may(right: string): boolean {
  return session.value?.rights.includes(right) ?? false;
}

export async function findSession(): Promise<void> {
  try {
    session.value = (await send("/dashboard/session")).session;
  } catch {
    session.value ??= null;
  }
}

export async function logIn(form: { user: string; password: string; domain: string; project: string }): Promise<void> {
  session.value = (await send("/dashboard/session", { method: "POST", body: form })).session;
}

export async function changeProject(id: string): Promise<void> {
  session.value = (await send("/dashboard/session", { method: "PUT", body: { project_id: id } })).session;
}

export async function logOut(): Promise<void> {
  await send("/dashboard/session", { method: "DELETE" }).catch(() => null);
  session.value = null;
}

// --- the address: each view has its own ---------------------------------------------------------------------------

const ROOT = "/dashboard";

export const address = signal(location.pathname + location.search);
addEventListener("popstate", () => {
  address.value = location.pathname + location.search;
});

/** The parts of the path below /dashboard. */
export const route = computed(() => {
  const path = (address.value.split("?")[0] ?? "").slice(ROOT.length);
  return path.split("/").filter(Boolean).map(decodeURIComponent);
});

export const query = computed(() => new URLSearchParams(address.value.split("?")[1] ?? ""));

export function link(...parts: string[]): string {
  return [ROOT, ...parts.map(encodeURIComponent)].join("/");
}

export function go(to: string, replace = false): void {
  if (replace) history.replaceState(null, "", to);
  else history.pushState(null, "", to);
  address.value = to;
  if (!replace) scrollTo(0, 0);
}

/** Change one key of the query; an empty value removes it. */
export function setQuery(key: string, value: string): void {
  const changed = new URLSearchParams(query.value);
  if (value) changed.set(key, value);
  else changed.delete(key);
  const text = changed.toString();
  go(location.pathname + (text ? `?${text}` : ""), true);
}

/** Follow links of the dashboard without loading the page again. */
export function followLinks(event: MouseEvent): void {
  const anchor = (event.target as Element).closest?.("a");
  if (!anchor || event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
  const to = anchor.getAttribute("href") ?? "";
  if (!to.startsWith(ROOT) || to.startsWith(`${ROOT}/assets`) || anchor.target) return;
  event.preventDefault();
  go(to);
}

// --- preferences, kept in the browser ------------------------------------------------------------------------------

function kept(name: string, otherwise: string): string {
  try {
    return localStorage.getItem(`hydria.${name}`) ?? otherwise;
  } catch {
    return otherwise;
  }
}

function keep(name: string, value: string): void {
  try {
    localStorage.setItem(`hydria.${name}`, value);
  } catch {
    // A browser that keeps nothing shows the default next time.
  }
}

export type Theme = "auto" | "light" | "dark";
export const theme = signal(kept("theme", "auto") as Theme);
theme.subscribe((value) => {
  document.documentElement.dataset.theme = value;
  keep("theme", value);
});

export type Language = "en" | "de";
export const language = signal<Language>(
  kept("language", navigator.language.startsWith("de") ? "de" : "en") as Language,
);
language.subscribe((value) => {
  document.documentElement.lang = value;
  keep("language", value);
});

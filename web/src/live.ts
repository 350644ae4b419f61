// Live events of the server: all load balancers, and the numbers of the one that is shown.
import { signal } from "@preact/signals";
import { IDLE, type Rates, type Row, rowOf } from "./rows.ts";
import { findSession, session } from "./state.ts";

/** How many of the last rates are kept for sparklines. */
export const HISTORY = 40;

const ZEROS: number[] = new Array(HISTORY).fill(0);

export const rows = new Map<string, Row>();
export const rates = new Map<string, Rates>();
export const history = new Map<string, number[][]>();

/** Grows with every change, so that views render again. */
export const version = signal(0);
export const connection = signal<"connecting" | "live" | "lost">("connecting");

/** The newest details of one load balancer: rates by the ids of its listeners and members. */
export const details = signal<{ id: string; rates: Record<string, number[]> }>({ id: "", rates: {} });

let source: EventSource | null = null;
let shown = "";
let retry: ReturnType<typeof setTimeout> | undefined;

export function rateOf(id: string): Rates {
  return rates.get(id) ?? IDLE;
}

/** Begin to listen; with an id also to the numbers of that load balancer. */
export function listen(id = ""): void {
  if (source && shown === id) return;
  stop();
  shown = id;
  const from = `/dashboard/events${id ? `?loadbalancer=${encodeURIComponent(id)}` : ""}`;
  const opened = new EventSource(from);
  source = opened;
  opened.addEventListener("all", (event) => {
    rows.clear();
    take(JSON.parse(event.data).rows);
    connection.value = "live";
    version.value += 1;
  });
  opened.addEventListener("change", (event) => {
    const data = JSON.parse(event.data);
    take(data.rows);
    for (const gone of data.gone) rows.delete(gone);
    version.value += 1;
  });
  opened.addEventListener("rates", (event) => {
    const data = JSON.parse(event.data);
    takeRates(data.rates, data.history);
    version.value += 1;
  });
  opened.addEventListener("details", (event) => {
    details.value = JSON.parse(event.data);
  });
  opened.addEventListener("ended", () => {
    void findSession();
  });
  opened.onerror = () => {
    connection.value = "lost";
    if (opened.readyState === EventSource.CLOSED) {
      // The server refused: the session may have ended, or the server is busy.
      clearTimeout(retry);
      retry = setTimeout(async () => {
        await findSession();
        if (session.value && source === opened) {
          source = null;
          listen(shown);
        }
      }, 3000);
    }
  };
}

export function stop(): void {
  clearTimeout(retry);
  source?.close();
  source = null;
}

export function forget(): void {
  stop();
  rows.clear();
  rates.clear();
  history.clear();
  connection.value = "connecting";
  version.value += 1;
}

function take(wire: unknown[][]): void {
  for (const one of wire) {
    const row = rowOf(one);
    rows.set(row.id, row);
  }
}

function takeRates(now: Record<string, Rates>, before?: Record<string, number[][]>): void {
  if (before) {
    history.clear();
    for (const [id, series] of Object.entries(before)) history.set(id, series);
    rates.clear();
  }
  for (const id of rates.keys()) if (!(id in now)) rates.delete(id);
  for (const [id, rate] of Object.entries(now)) rates.set(id, rate);
  if (before) return;
  for (const id of new Set([...history.keys(), ...rates.keys()])) {
    const rate = rateOf(id);
    const series = history.get(id) ?? [ZEROS, ZEROS];
    const next = [0, 1].map((which) => [...(series[which] ?? []), rate[which] ?? 0].slice(-HISTORY));
    if (next.every((values) => values.every((value) => value === 0))) history.delete(id);
    else history.set(id, next);
  }
}

// Calls of the server's APIs, by the session of the cookie.

const MARK = { "x-hydria-dashboard": "1" };
const BASE = "/dashboard/api";
export const LBAAS = "/load-balancer/v2/lbaas";
export const OCTAVIA = "/load-balancer/v2/octavia";
export const NETWORK = "/network/v2.0";

// biome-ignore lint/suspicious/noExplicitAny: bodies have the shapes of Octavia's API
export type Body = any;

/** A refusal of the server, or no answer at all (status 0). */
export class Failure extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

let ended: () => void = () => {};

/** Call `then` when a call shows that the session has ended. */
export function onSessionEnd(then: () => void): void {
  ended = then;
}

export interface Options {
  method?: string;
  body?: Body;
  headers?: Record<string, string>;
  signal?: AbortSignal;
}

/** Return the decoded answer of any path of this server. Throws Failure. */
export async function send(path: string, options: Options = {}): Promise<Body> {
  const headers: Record<string, string> = { ...MARK, accept: "application/json", ...options.headers };
  let body: string | undefined;
  if (options.body !== undefined) {
    headers["content-type"] = "application/json";
    body = JSON.stringify(options.body);
  }
  const method = options.method ?? "GET";
  const ask = (): Promise<Response> => fetch(path, { method, headers, body, signal: options.signal });
  let answer: Response;
  try {
    // Browsers end requests when the machine's network changes, such as by a link: a read is repeated.
    answer = await ask().catch((error) =>
      method === "GET" && !options.signal?.aborted ? later(ask) : Promise.reject(error),
    );
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new Failure(0, "The server cannot be reached.");
  }
  const text = await answer.text();
  let decoded: Body = null;
  try {
    decoded = text ? JSON.parse(text) : null;
  } catch {
    decoded = null;
  }
  if (answer.ok) return decoded;
  if (answer.status === 401 && path !== "/dashboard/session") ended();
  throw new Failure(answer.status, sentence(decoded) ?? `${answer.status} ${answer.statusText}`);
}

async function later<T>(ask: () => Promise<T>): Promise<T> {
  await new Promise((resolve) => setTimeout(resolve, 300));
  return ask();
}

/** Return the sentence of a fault of Octavia, Neutron, Keystone or Barbican. */
export function sentence(body: Body): string | null {
  if (!body || typeof body !== "object") return null;
  return body.faultstring ?? body.NeutronError?.message ?? body.error?.message ?? body.description ?? null;
}

export const get = (path: string, signal?: AbortSignal): Promise<Body> => send(BASE + path, { signal });

export function change(method: string, path: string, body?: Body, headers?: Record<string, string>): Promise<Body> {
  return send(BASE + path, { method, body, headers });
}

/** Return all items of a collection, page by page. */
export async function list(path: string, plural: string): Promise<Body[]> {
  const found: Body[] = [];
  let next: string | null = path;
  while (next) {
    const page: Body = await get(next);
    found.push(...page[plural]);
    next = nextPage(path, page[`${plural}_links`]);
  }
  return found;
}

/** Return the path of the next page, by the links of this one. */
export function nextPage(path: string, links: { rel: string; href: string }[] | undefined): string | null {
  const link = links?.find((one) => one.rel === "next");
  if (!link) return null;
  return path.split("?")[0] + new URL(link.href, "http://localhost").search;
}

// The load balancers of the overview, as the events bring them: filter and sort without the server.

/** Fields in the order of the wire (hydria/dashboard/overview.py). */
export interface Row {
  id: string;
  name: string;
  project: string;
  vip: string;
  provisioning: string;
  operating: string;
  up: boolean;
  changes: number;
  created: string;
  listeners: number;
  members: number;
  membersUp: number;
  membersDown: number;
}

const FIELDS = [
  "id",
  "name",
  "project",
  "vip",
  "provisioning",
  "operating",
  "up",
  "changes",
  "created",
  "listeners",
  "members",
  "membersUp",
  "membersDown",
] as const;

export function rowOf(wire: unknown[]): Row {
  const row: Record<string, unknown> = {};
  FIELDS.forEach((field, index) => {
    row[field] = wire[index];
  });
  return row as unknown as Row;
}

/** Requests, errors, bytes in and out each second, and open connections. */
export type Rates = readonly [number, number, number, number, number];
export const IDLE: Rates = [0, 0, 0, 0, 0];

export type Health = "bad" | "warn" | "pending" | "ok" | "off";

/** Return the one word by which a load balancer is coloured; the worst counts. */
export function healthOf(provisioning: string, operating: string): Health {
  if (provisioning === "ERROR" || operating === "ERROR") return "bad";
  if (operating === "DEGRADED") return "warn";
  if (provisioning.startsWith("PENDING")) return "pending";
  if (operating === "OFFLINE" || operating === "DRAINING" || operating === "NO_MONITOR") {
    return operating === "NO_MONITOR" ? "ok" : "off";
  }
  return "ok";
}

const RANK: Record<Health, number> = { bad: 0, warn: 1, pending: 2, off: 3, ok: 4 };

export type SortKey = "status" | "name" | "vip" | "requests" | "errors" | "members" | "created";

export interface Wanted {
  text: string;
  health: string;
  sort: SortKey;
  descending: boolean;
}

/** Return the rows that match, in order. */
export function select(rows: Iterable<Row>, wanted: Wanted, rates: (id: string) => Rates): Row[] {
  const words = wanted.text.toLowerCase().split(/\s+/).filter(Boolean);
  const found: Row[] = [];
  for (const row of rows) {
    if (wanted.health && healthOf(row.provisioning, row.operating) !== wanted.health) continue;
    if (words.length > 0) {
      const text = `${row.name} ${row.vip} ${row.id} ${row.operating} ${row.provisioning}`.toLowerCase();
      if (!words.every((word) => text.includes(word))) continue;
    }
    found.push(row);
  }
  const value = VALUES[wanted.sort];
  const sign = wanted.descending ? -1 : 1;
  const keyed = found.map((row) => ({ row, key: value(row, rates) }));
  keyed.sort((a, b) => sign * order(a.key, b.key) || order(a.row.name, b.row.name) || order(a.row.id, b.row.id));
  return keyed.map((one) => one.row);
}

const VALUES: Record<SortKey, (row: Row, rates: (id: string) => Rates) => string | number> = {
  status: (row) => RANK[healthOf(row.provisioning, row.operating)],
  name: (row) => row.name.toLowerCase(),
  vip: (row) => row.vip,
  requests: (row, rates) => rates(row.id)[0],
  errors: (row, rates) => rates(row.id)[1],
  members: (row) => row.membersDown * 1_000_000 + row.members,
  created: (row) => row.created,
};

function order(a: string | number, b: string | number): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Return which rows of a long list are in sight: the first one and how many. */
export function inSight(scroll: number, height: number, rowHeight: number, total: number, more = 6): [number, number] {
  const first = Math.max(0, Math.min(total, Math.floor(scroll / rowHeight) - more));
  const last = Math.min(total, Math.ceil((scroll + height) / rowHeight) + more);
  return [first, Math.max(0, last - first)];
}

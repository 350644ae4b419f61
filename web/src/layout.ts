// Where the picture of a load balancer puts its nodes: five columns, without overlaps, edges as level as possible.
import type { Body } from "./api.ts";
import type { Tree } from "./tree.ts";

export type NodeKind = "vip" | "listener" | "l7policy" | "pool" | "member" | "more";

export interface Node {
  key: string;
  kind: NodeKind;
  item: Body;
  x: number;
  y: number;
  width: number;
  height: number;
}

export interface Edge {
  key: string;
  from: Node;
  to: Node;
  /** The ids whose rates add up to the traffic of this edge. */
  traffic: string[];
}

export interface Picture {
  nodes: Node[];
  edges: Edge[];
  width: number;
  height: number;
}

const WIDTHS: Record<NodeKind, number> = { vip: 128, listener: 138, l7policy: 144, pool: 156, member: 166, more: 166 };
const HEIGHTS: Record<NodeKind, number> = { vip: 56, listener: 56, l7policy: 56, pool: 56, member: 42, more: 34 };
const GAP_X = 32;
const GAP_Y = 10;
const GAP_POOLS = 18;
/** How many members of a pool are shown; those in trouble come first. */
const MOST_MEMBERS = 12;

const WORST: Record<string, number> = { ERROR: 0, DEGRADED: 1, OFFLINE: 2, DRAINING: 3 };

export function layout(tree: Tree): Picture {
  const columns: NodeKind[] =
    tree.policies.length > 0
      ? ["vip", "listener", "l7policy", "pool", "member"]
      : ["vip", "listener", "pool", "member"];
  const left: Partial<Record<NodeKind, number>> = {};
  let x = 0;
  for (const column of columns) {
    left[column] = x;
    x += WIDTHS[column] + GAP_X;
  }
  const nodes = new Map<string, Node>();
  const edges: Edge[] = [];
  const place = (kind: NodeKind, key: string, item: Body, y: number): Node => {
    const column = kind === "more" ? "member" : kind;
    const node = { key, kind, item, x: left[column] ?? 0, y, width: WIDTHS[kind], height: HEIGHTS[kind] };
    nodes.set(key, node);
    return node;
  };
  const join = (from: Node | undefined, to: Node | undefined, traffic: string[]): void => {
    if (from && to) edges.push({ key: `${from.key}-${to.key}`, from, to, traffic });
  };

  let bottom = 0;
  const placePool = (pool: Body): void => {
    const all = tree.members.filter((member) => member.pool_id === pool.id);
    const shown = sorted(all).slice(0, all.length > MOST_MEMBERS ? MOST_MEMBERS - 1 : MOST_MEMBERS);
    const top = bottom;
    const own: Node[] = [];
    for (const member of shown) {
      own.push(place("member", member.id, member, bottom));
      bottom += HEIGHTS.member + GAP_Y;
    }
    if (all.length > shown.length) {
      const rest = { pool_id: pool.id, number: all.length - shown.length };
      own.push(place("more", `more-${pool.id}`, rest, bottom));
      bottom += HEIGHTS.more + GAP_Y;
    }
    const height = Math.max(HEIGHTS.pool, bottom - top - GAP_Y);
    const node = place("pool", pool.id, pool, top + (height - HEIGHTS.pool) / 2);
    for (const member of own) join(node, member, member.kind === "member" ? [member.key] : []);
    bottom = top + height + GAP_POOLS;
  };
  const placeOnce = (id: string | null): void => {
    const pool = tree.pools.find((one) => one.id === id);
    if (pool && !nodes.has(pool.id)) placePool(pool);
  };

  const trafficOf = (poolId: string): string[] =>
    tree.members.filter((member) => member.pool_id === poolId).map((member) => member.id);
  const policies = new Column();
  for (const listener of tree.listeners) {
    for (const policy of tree.policies.filter((one) => isBelow(one, listener))) {
      placeOnce(policy.redirect_pool_id);
      const pool = nodes.get(policy.redirect_pool_id);
      const y = policies.take(pool ? pool.y : policies.bottom, HEIGHTS.l7policy);
      const node = place("l7policy", policy.id, policy, y);
      join(node, pool, pool ? trafficOf(pool.key) : []);
    }
    // Below the policies, so that the edge to it crosses none of them.
    if (policies.bottom > 0) bottom = Math.max(bottom, policies.bottom);
    placeOnce(listener.default_pool_id);
    policies.bottom = Math.max(policies.bottom, policies.bottom > 0 ? bottom : 0);
  }
  for (const pool of tree.pools) placeOnce(pool.id);
  const listeners = new Column();
  for (const listener of tree.listeners) {
    const below = tree.policies.filter((one) => isBelow(one, listener)).map((one) => nodes.get(one.id));
    const pool = nodes.get(listener.default_pool_id);
    const y = listeners.take(middle([...below, pool], listeners.bottom), HEIGHTS.listener);
    const node = place("listener", listener.id, listener, y);
    for (const policy of below) join(node, policy, policy ? trafficOf(policy.item.redirect_pool_id) : []);
    join(node, pool, pool ? trafficOf(pool.key) : []);
  }
  const vips = new Column();
  const own = tree.listeners.map((one) => nodes.get(one.id));
  const all = [{ ip_address: tree.lb.vip_address, subnet_id: tree.lb.vip_subnet_id }, ...tree.lb.additional_vips];
  for (const [index, vip] of all.entries()) {
    const wanted = middle(own, 0) - ((all.length - 1) / 2 - index) * (HEIGHTS.vip + GAP_Y);
    const node = place("vip", `vip-${index}`, vip, vips.take(wanted, HEIGHTS.vip));
    // The counters are by listener, not by VIP: only the first one shows them.
    for (const listener of own) join(node, listener, index === 0 && listener ? [listener.key] : []);
  }
  const placed = [...nodes.values()];
  return {
    nodes: placed,
    edges,
    width: x - GAP_X,
    height: Math.max(HEIGHTS.pool, ...placed.map((node) => node.y + node.height)),
  };
}

/** A column that is filled from top to bottom. */
class Column {
  bottom = 0;

  take(wanted: number, height: number): number {
    const y = Math.max(wanted, this.bottom);
    this.bottom = y + height + GAP_Y;
    return y;
  }
}

function isBelow(policy: Body, listener: Body): boolean {
  return policy.listener_id === listener.id;
}

function middle(nodes: (Node | undefined)[], otherwise: number): number {
  const found = nodes.filter((node) => node !== undefined);
  if (found.length === 0) return otherwise;
  return found.reduce((sum, node) => sum + node.y, 0) / found.length;
}

function sorted(members: Body[]): Body[] {
  const rank = (member: Body): number => WORST[member.operating_status] ?? 9;
  return [...members].sort((a, b) => rank(a) - rank(b) || String(a.name).localeCompare(String(b.name)));
}

/** Return the path of an edge: level at both ends, and past a column that lies between. */
export function curve(edge: Edge): string {
  const [x1, y1] = [edge.from.x + edge.from.width, edge.from.y + edge.from.height / 2];
  const [x2, y2] = [edge.to.x, edge.to.y + edge.to.height / 2];
  const bent = x1 + GAP_X;
  const middle = (x1 + bent) / 2;
  return `M${x1},${y1} C${middle},${y1} ${middle},${y2} ${bent},${y2}${x2 > bent ? ` L${x2},${y2}` : ""}`;
}

/** Return the width of an edge with this many requests each second. */
export function thickness(rate: number): number {
  return rate > 0 ? Math.min(8, 1.6 + Math.log10(1 + rate) * 1.6) : 1.4;
}

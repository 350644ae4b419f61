// One load balancer with everything below it.
import { type Body, get, LBAAS, list } from "./api.ts";
import type { KindName } from "./kinds.ts";

export interface Tree {
  lb: Body;
  listeners: Body[];
  pools: Body[];
  members: Body[];
  monitors: Body[];
  policies: Body[];
  rules: Body[];
  /** Why a resource is in trouble, by its id. */
  reasons: Record<string, string>;
}

/** Return the whole tree. Throws Failure. */
export async function loadTree(id: string): Promise<Tree> {
  const of = `?loadbalancer_id=${id}`;
  const [lb, listeners, pools, monitors, policies, statuses] = await Promise.all([
    get(`${LBAAS}/loadbalancers/${id}`),
    list(`${LBAAS}/listeners${of}`, "listeners"),
    list(`${LBAAS}/pools${of}`, "pools"),
    list(`${LBAAS}/healthmonitors${of}`, "healthmonitors"),
    list(`${LBAAS}/l7policies${of}`, "l7policies"),
    get(`${LBAAS}/loadbalancers/${id}/status`),
  ]);
  const members = await Promise.all(
    pools.map(async (pool) => {
      const found = pool.members.length > 0 ? await list(`${LBAAS}/pools/${pool.id}/members`, "members") : [];
      return found.map((member) => ({ ...member, pool_id: pool.id }));
    }),
  );
  const rules = await Promise.all(
    policies.map(async (policy) => {
      const found = policy.rules.length > 0 ? await list(`${LBAAS}/l7policies/${policy.id}/rules`, "rules") : [];
      return found.map((rule) => ({ ...rule, l7policy_id: policy.id }));
    }),
  );
  return {
    lb: lb.loadbalancer,
    listeners: listeners.sort((a, b) => a.protocol_port - b.protocol_port),
    pools,
    members: members.flat(),
    monitors: monitors.map((one) => ({ ...one, pool_id: one.pools[0]?.id })),
    policies: policies.sort((a, b) => a.position - b.position),
    rules: rules.flat(),
    reasons: reasonsOf(statuses.statuses.loadbalancer),
  };
}

/** Return the reasons in a status tree, by id. */
export function reasonsOf(node: Body, found: Record<string, string> = {}): Record<string, string> {
  const reason = node.provisioning_status_reason ?? node.operating_status_reason;
  if (reason) found[node.id] = reason;
  for (const value of Object.values(node)) {
    if (Array.isArray(value)) for (const child of value) reasonsOf(child, found);
    else if (value && typeof value === "object") reasonsOf(value, found);
  }
  return found;
}

/** Return a resource of the tree by its kind and id. */
export function find(tree: Tree, kind: string, id: string): Body | undefined {
  const lists: Record<KindName, Body[]> = {
    loadbalancer: [tree.lb],
    listener: tree.listeners,
    pool: tree.pools,
    member: tree.members,
    healthmonitor: tree.monitors,
    l7policy: tree.policies,
    rule: tree.rules,
  };
  return lists[kind as KindName]?.find((one) => one.id === id);
}

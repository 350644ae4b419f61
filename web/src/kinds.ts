// The kinds of resources below a load balancer, as the API names them.
import { type Body, LBAAS } from "./api.ts";
import { tr } from "./i18n.ts";
import type { IconName } from "./icons.tsx";

export type KindName = "loadbalancer" | "listener" | "pool" | "member" | "healthmonitor" | "l7policy" | "rule";

export interface Kind {
  root: KindName;
  /** The schema of the API's description is this name with Create or Update. */
  schema: string;
  title: string;
  add: string;
  icon: IconName;
  /** The collection's path; members and rules are below their parent. */
  collection: (parent: string) => string;
  /** The attribute that names the parent. */
  parent: string;
  /** The fields that a form shows first. */
  first: readonly string[];
}

export const KINDS: Record<KindName, Kind> = {
  loadbalancer: {
    root: "loadbalancer",
    schema: "LoadBalancer",
    title: tr("Load balancer"),
    add: tr("Create a load balancer"),
    icon: "balancer",
    collection: () => `${LBAAS}/loadbalancers`,
    parent: "",
    first: ["name", "description", "admin_state_up"],
  },
  listener: {
    root: "listener",
    schema: "Listener",
    title: tr("Listener"),
    add: tr("Add a listener"),
    icon: "balancer",
    collection: () => `${LBAAS}/listeners`,
    parent: "loadbalancer_id",
    first: ["name", "protocol", "protocol_port", "default_pool_id", "default_tls_container_ref", "admin_state_up"],
  },
  pool: {
    root: "pool",
    schema: "Pool",
    title: tr("Pool"),
    add: tr("Add a pool"),
    icon: "flavor",
    collection: () => `${LBAAS}/pools`,
    parent: "loadbalancer_id",
    first: ["name", "protocol", "lb_algorithm", "session_persistence", "admin_state_up"],
  },
  member: {
    root: "member",
    schema: "Member",
    title: tr("Member"),
    add: tr("Add a member"),
    icon: "host",
    collection: (parent) => `${LBAAS}/pools/${parent}/members`,
    parent: "pool_id",
    first: ["name", "address", "protocol_port", "weight", "subnet_id", "admin_state_up"],
  },
  healthmonitor: {
    root: "healthmonitor",
    schema: "HealthMonitor",
    title: tr("Health monitor"),
    add: tr("Add a health monitor"),
    icon: "check",
    collection: () => `${LBAAS}/healthmonitors`,
    parent: "pool_id",
    first: ["name", "type", "delay", "timeout", "max_retries", "http_method", "url_path", "expected_codes"],
  },
  l7policy: {
    root: "l7policy",
    schema: "L7Policy",
    title: tr("L7 policy"),
    add: tr("Add an L7 policy"),
    icon: "right",
    collection: () => `${LBAAS}/l7policies`,
    parent: "listener_id",
    first: ["name", "action", "redirect_pool_id", "redirect_url", "redirect_prefix", "position"],
  },
  rule: {
    root: "rule",
    schema: "L7Rule",
    title: tr("L7 rule"),
    add: tr("Add an L7 rule"),
    icon: "check",
    collection: (parent) => `${LBAAS}/l7policies/${parent}/rules`,
    parent: "l7policy_id",
    first: ["type", "compare_type", "key", "value", "invert"],
  },
};

/** Return the path of one resource. */
export function pathOf(kind: KindName, item: Body): string {
  const one = KINDS[kind];
  return `${one.collection(item[one.parent] ?? "")}/${item.id}`;
}

export function titleOf(kind: KindName, item: Body): string {
  if (item.name) return item.name;
  if (kind === "member") return `${item.address}:${item.protocol_port}`;
  if (kind === "listener") return `${item.protocol} ${item.protocol_port}`;
  if (kind === "rule") return `${item.type} ${item.value}`;
  if (kind === "l7policy") return item.action;
  if (kind === "healthmonitor") return item.type;
  return item.id;
}

// What the wizard asks for, and the load balancer that it stands for.
import type { Body } from "./api.ts";

export type CertificateFrom = "acme" | "reference" | "pem";

export interface Draft {
  name: string;
  description: string;
  network: string;
  address: string;
  flavor: string;
  zone: string;
  protocol: string;
  port: number;
  certificateFrom: CertificateFrom;
  certificate: string;
  pemCertificate: string;
  pemKey: string;
  redirect: boolean;
  algorithm: string;
  persistence: string;
  members: string;
  memberPort: number;
  monitor: string;
  monitorPath: string;
}

export const EMPTY: Draft = {
  name: "",
  description: "",
  network: "",
  address: "",
  flavor: "",
  zone: "",
  protocol: "HTTP",
  port: 80,
  certificateFrom: "acme",
  certificate: "",
  pemCertificate: "",
  pemKey: "",
  redirect: true,
  algorithm: "ROUND_ROBIN",
  persistence: "",
  members: "",
  memberPort: 80,
  monitor: "HTTP",
  monitorPath: "/",
};

/** The usual port of a protocol. */
export const PORTS: Record<string, number> = {
  HTTP: 80,
  TERMINATED_HTTPS: 443,
  HTTPS: 443,
  TCP: 3306,
  UDP: 53,
  SCTP: 5060,
};

/** The protocol of the pool behind a listener. */
export const POOLS: Record<string, string> = {
  HTTP: "HTTP",
  TERMINATED_HTTPS: "HTTP",
  HTTPS: "HTTPS",
  TCP: "TCP",
  UDP: "UDP",
  SCTP: "SCTP",
};

/** The checks that fit a listener's protocol, the usual one first. */
export const MONITORS: Record<string, string[]> = {
  HTTP: ["HTTP", "TCP", "PING", ""],
  TERMINATED_HTTPS: ["HTTP", "TCP", "PING", ""],
  HTTPS: ["TLS-HELLO", "HTTPS", "TCP", ""],
  TCP: ["TCP", "HTTP", "PING", ""],
  UDP: ["UDP-CONNECT", "HTTP", "TCP", ""],
  SCTP: ["SCTP", "HTTP", "TCP", ""],
};

/** Return the members of a text: one on each line, `address`, `address:port` or `name address:port`. */
export function membersOf(text: string, port: number): Body[] {
  return text
    .split(/[\n,;]+/)
    .map((line) => line.trim())
    .filter(Boolean)
    .map((line) => {
      const words = line.split(/\s+/);
      const place = words[words.length - 1] ?? "";
      const bracketed = /^\[([^\]]+)\](?::(\d+))?$/.exec(place);
      const plain = /^([^:]+):(\d+)$/.exec(place);
      const [, address = place, own] = bracketed ?? plain ?? [];
      const member: Body = { address, protocol_port: own ? Number(own) : port };
      if (words.length > 1) member.name = words.slice(0, -1).join(" ");
      return member;
    });
}

/** Return the body that creates the load balancer; `reference` is that of its certificate. */
export function bodyOf(draft: Draft, reference: string): Body {
  const pool: Body = {
    name: named(draft, "pool"),
    protocol: POOLS[draft.protocol] ?? "TCP",
    lb_algorithm: draft.algorithm,
    members: membersOf(draft.members, draft.memberPort),
  };
  if (draft.persistence) pool.session_persistence = { type: draft.persistence };
  if (draft.monitor) {
    pool.healthmonitor = {
      name: named(draft, "check"),
      type: draft.monitor,
      delay: 5,
      timeout: 3,
      max_retries: 3,
      max_retries_down: 3,
    };
    if (draft.monitor === "HTTP" || draft.monitor === "HTTPS") pool.healthmonitor.url_path = draft.monitorPath || "/";
  }
  const sort = draft.protocol === "TERMINATED_HTTPS" ? "https" : draft.protocol.toLowerCase();
  const listener: Body = {
    name: named(draft, sort),
    protocol: draft.protocol,
    protocol_port: draft.port,
    default_pool: pool,
  };
  const listeners = [listener];
  if (draft.protocol === "TERMINATED_HTTPS") {
    listener.default_tls_container_ref = reference;
    if (draft.redirect && draft.port !== 80) listeners.push(redirecting(draft));
  }
  const lb: Body = { name: draft.name, description: draft.description, listeners };
  const [kind, id] = draft.network.split(":");
  if (kind && id) lb[`vip_${kind}_id`] = id;
  if (draft.address) lb.vip_address = draft.address;
  if (draft.flavor) lb.flavor_id = draft.flavor;
  if (draft.zone) lb.availability_zone = draft.zone;
  return { loadbalancer: lb };
}

/** Return a name that says what a part of the load balancer is; nothing where that has none. */
function named(draft: Draft, part: string): string {
  return draft.name ? `${draft.name}-${part}` : "";
}

function redirecting(draft: Draft): Body {
  const names = draft.certificateFrom === "acme" ? draft.certificate.replace(/^acme:/, "").split(",") : [];
  const host = names[0]?.trim();
  const rule = { type: "PATH", compare_type: "STARTS_WITH", value: "/" };
  const policy = host
    ? { action: "REDIRECT_PREFIX", redirect_prefix: `https://${host}`, redirect_http_code: 308, rules: [rule] }
    : { action: "REJECT", rules: [rule] };
  return { name: named(draft, "redirect"), protocol: "HTTP", protocol_port: 80, l7policies: [policy] };
}

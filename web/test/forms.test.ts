import assert from "node:assert/strict";
import { test } from "node:test";
import { bodyOf, EMPTY, membersOf } from "../src/draft.ts";
import { difference, read, shown, specs } from "../src/schema.ts";

const SCHEMAS = {
  ListenerCreate: {
    required: ["protocol"],
    properties: {
      name: { anyOf: [{ type: "string", maxLength: 255 }, { type: "null" }] },
      protocol: { enum: ["HTTP", "TCP"] },
      connection_limit: { anyOf: [{ type: "integer", minimum: -1 }, { type: "null" }] },
      allowed_cidrs: { anyOf: [{ type: "array", items: { type: "string" } }, { type: "null" }] },
      insert_headers: { anyOf: [{ type: "object", additionalProperties: { type: "string" } }, { type: "null" }] },
      alpn_protocols: { anyOf: [{ type: "array", items: { enum: ["h2"] } }, { type: "null" }] },
      session: { anyOf: [{ $ref: "#/components/schemas/Session" }, { type: "null" }] },
      address: { anyOf: [{ anyOf: [{ format: "ipv4" }, { format: "ipv6" }], type: "string" }, { type: "null" }] },
    },
  },
  Session: { properties: { type: { enum: ["SOURCE_IP"] } } },
};

test("fields follow the API's description", () => {
  const found = Object.fromEntries(specs(SCHEMAS, "ListenerCreate").map((field) => [field.name, field]));
  const types = Object.fromEntries(Object.entries(found).map(([name, field]) => [name, field.type]));
  assert.deepEqual(types, {
    name: "text",
    protocol: "choice",
    connection_limit: "number",
    allowed_cidrs: "lines",
    insert_headers: "map",
    alpn_protocols: "choices",
    session: "group",
    address: "text",
  });
  assert.equal(found.protocol?.required, true);
  assert.equal(found.connection_limit?.min, -1);
});

test("texts become values and values texts", () => {
  const headers = { name: "h", type: "map", required: false } as const;
  assert.deepEqual(read(headers, "X-Forwarded-For: true\n"), { "X-Forwarded-For": "true" });
  assert.equal(shown(headers, { A: "1" }), "A: 1");
  assert.deepEqual(read({ name: "c", type: "lines", required: false }, " a \n\n b"), ["a", "b"]);
  assert.equal(read({ name: "n", type: "number", required: false }, "7"), 7);
  assert.equal(read({ name: "n", type: "number", required: false }, ""), null);
});

test("only what differs is sent", () => {
  const before = { name: "a", tags: ["x"], limit: null };
  assert.deepEqual(difference(before, { ...before, name: "b", tags: ["x"] }), { name: "b" });
});

test("members are written one on each line", () => {
  assert.deepEqual(membersOf("10.0.0.5\nweb one 10.0.0.6:8080, [2001:db8::1]:81; 2001:db8::2", 80), [
    { address: "10.0.0.5", protocol_port: 80 },
    { address: "10.0.0.6", protocol_port: 8080, name: "web one" },
    { address: "2001:db8::1", protocol_port: 81 },
    { address: "2001:db8::2", protocol_port: 80 },
  ]);
});

test("a draft becomes one load balancer with everything below it", () => {
  const draft = { ...EMPTY, name: "shop", network: "subnet:s", members: "10.0.0.5", persistence: "HTTP_COOKIE" };
  const { loadbalancer } = bodyOf(draft, "");
  assert.equal(loadbalancer.vip_subnet_id, "s");
  const [listener] = loadbalancer.listeners;
  assert.equal(listener.default_pool.members.length, 1);
  assert.equal(listener.default_pool.healthmonitor.url_path, "/");
  assert.deepEqual(listener.default_pool.session_persistence, { type: "HTTP_COOKIE" });
});

test("HTTPS redirects port 80 to the certificate's first name", () => {
  const draft = {
    ...EMPTY,
    network: "subnet:s",
    protocol: "TERMINATED_HTTPS",
    port: 443,
    certificate: "a.test, b.test",
  };
  const [secure, plain] = bodyOf(draft, "acme:a.test,b.test").loadbalancer.listeners;
  assert.equal(secure.default_tls_container_ref, "acme:a.test,b.test");
  assert.equal(plain.protocol_port, 80);
  assert.equal(plain.l7policies[0].redirect_prefix, "https://a.test");
});

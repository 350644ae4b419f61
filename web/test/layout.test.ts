import assert from "node:assert/strict";
import { test } from "node:test";
import { layout, thickness } from "../src/layout.ts";
import type { Tree } from "../src/tree.ts";

function tree(members: number, policies = 0): Tree {
  return {
    lb: { id: "lb", vip_address: "10.0.0.1", vip_subnet_id: "s", additional_vips: [] },
    listeners: [{ id: "l", default_pool_id: "p", protocol_port: 80 }],
    pools: [{ id: "p" }, ...Array.from({ length: policies }, (_, index) => ({ id: `q${index}` }))],
    members: Array.from({ length: members }, (_, index) => ({
      id: `m${index}`,
      pool_id: "p",
      operating_status: index === members - 1 ? "ERROR" : "ONLINE",
    })),
    monitors: [],
    policies: Array.from({ length: policies }, (_, index) => ({
      id: `x${index}`,
      listener_id: "l",
      redirect_pool_id: index % 2 ? `q${index}` : null,
      position: index + 1,
    })),
    rules: [],
    reasons: {},
  };
}

test("no two boxes overlap", () => {
  for (const [members, policies] of [
    [0, 0],
    [1, 0],
    [5, 3],
    [40, 6],
  ] as const) {
    const { nodes } = layout(tree(members, policies));
    for (const one of nodes) {
      for (const other of nodes) {
        const apart =
          one === other ||
          one.x + one.width <= other.x ||
          other.x + other.width <= one.x ||
          one.y + one.height <= other.y ||
          other.y + other.height <= one.y;
        assert.ok(apart, `${one.key} and ${other.key}`);
      }
    }
  }
});

test("of many members those in trouble are shown", () => {
  const { nodes } = layout(tree(40));
  const members = nodes.filter((node) => node.kind === "member");
  assert.equal(members.length, 11);
  assert.equal(members[0]?.key, "m39");
  assert.equal(nodes.find((node) => node.kind === "more")?.item.number, 29);
});

test("edges lead from VIP to member", () => {
  const { edges } = layout(tree(1));
  assert.deepEqual(
    edges.map((edge) => [edge.from.key, edge.to.key]),
    [
      ["p", "m0"],
      ["l", "p"],
      ["vip-0", "l"],
    ],
  );
});

test("more traffic is a thicker edge, up to a limit", () => {
  assert.ok(thickness(0) < thickness(1));
  assert.ok(thickness(10) < thickness(1000));
  assert.equal(thickness(1e12), 8);
});

// The live picture of a load balancer: what sends to what, how much, and how healthy it is.
import { useMemo } from "preact/hooks";
import { short } from "./format.ts";
import { t } from "./i18n.ts";
import { titleOf } from "./kinds.ts";
import { curve, type Picture as Drawn, layout, type Node, thickness } from "./layout.ts";
import { details } from "./live.ts";
import { healthOf } from "./rows.ts";
import type { Tree } from "./tree.ts";
import { Empty, word } from "./ui.tsx";

const MARGIN = 4;

export function Picture({ tree, onChoose }: { tree: Tree; onChoose: (kind: string, id: string) => void }) {
  const picture = useMemo(() => layout(tree), [tree]);
  const rates = details.value.id === tree.lb.id ? details.value.rates : {};
  if (tree.listeners.length === 0 && tree.pools.length === 0) {
    return <Empty title={t("Nothing is below this load balancer yet. Add a listener.")} />;
  }
  return (
    <div class="picture scroll">
      <div
        class="picture-all"
        style={{ width: `${picture.width + 2 * MARGIN}px`, height: `${picture.height + 2 * MARGIN}px` }}
      >
        <svg width={picture.width} height={picture.height} aria-hidden="true">
          {picture.edges.map((edge) => {
            const rate = edge.traffic.reduce((sum, id) => sum + (rates[id]?.[0] ?? 0), 0);
            const errors = edge.traffic.reduce((sum, id) => sum + (rates[id]?.[1] ?? 0), 0);
            const state = edge.to.item.operating_status === "ERROR" || errors > rate / 20 ? "bad" : "";
            return (
              <g key={edge.key} class={`edge ${rate > 0 ? "flows" : ""} ${state}`}>
                <path d={curve(edge)} style={{ strokeWidth: `${thickness(rate)}px` }} />
              </g>
            );
          })}
        </svg>
        {picture.nodes.map((node) => (
          <Box key={node.key} node={node} rate={rateOf(node, picture, rates)} onChoose={onChoose} />
        ))}
      </div>
    </div>
  );
}

/** Return the requests each second that go through a node: its own, or those of the edges behind it. */
function rateOf(node: Node, picture: Drawn, rates: Record<string, number[]>): number {
  if (node.kind === "listener" || node.kind === "member") return rates[node.key]?.[0] ?? 0;
  const behind = picture.edges.filter((edge) => edge.from === node).flatMap((edge) => edge.traffic);
  return behind.reduce((sum, id) => sum + (rates[id]?.[0] ?? 0), 0);
}

function Box({ node, rate, onChoose }: { node: Node; rate: number; onChoose: (kind: string, id: string) => void }) {
  const { item, kind } = node;
  const place = { left: `${node.x}px`, top: `${node.y}px`, width: `${node.width}px`, height: `${node.height}px` };
  if (kind === "vip") {
    return (
      <div class="node vip" style={place}>
        <strong class="mono">{item.ip_address}</strong>
        <small>{t("VIP")}</small>
      </div>
    );
  }
  if (kind === "more") {
    return (
      <button type="button" class="node more" style={place} onClick={() => onChoose("pool", item.pool_id)}>
        {t("{number} more members", { number: item.number })}
      </button>
    );
  }
  const shown = rate > 0 && <span class="rate number">{short(rate)}/s</span>;
  // In the row that has room for it.
  const above = kind === "pool" || kind === "l7policy";
  const off = item.admin_state_up === false ? "off" : "";
  const health = off || healthOf(item.provisioning_status, item.operating_status);
  return (
    <button
      type="button"
      class={`node ${kind} ${health}`}
      style={place}
      onClick={() => onChoose(kind, node.key)}
      title={`${titleOf(kind, item)}: ${word(item.operating_status)}`}
    >
      <span class="node-title">
        <span class="dot" aria-hidden="true" />
        <strong>{titleOf(kind, item)}</strong>
        {above && shown}
      </span>
      <span class="node-title">
        <small>{under(kind, item)}</small>
        {!above && shown}
      </span>
      <span class="sr-only">{word(item.operating_status)}</span>
    </button>
  );
}

function under(kind: string, item: Node["item"]): string {
  if (kind === "listener") return `${item.protocol} · ${item.protocol_port}`;
  if (kind === "pool") return `${item.protocol} · ${item.lb_algorithm.toLowerCase().replace(/_/g, " ")}`;
  if (kind === "l7policy") return `${item.position}. ${item.action.toLowerCase().replace(/_/g, " ")}`;
  return item.name ? `${item.address}:${item.protocol_port}` : t("weight {weight}", { weight: item.weight });
}

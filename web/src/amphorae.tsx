// Amphorae, for operators: which load balancer each serves, and where.
import { useState } from "preact/hooks";
import { list, OCTAVIA } from "./api.ts";
import { Ask, type Asked } from "./ask.tsx";
import { when } from "./format.ts";
import { t } from "./i18n.ts";
import { rows, version } from "./live.ts";
import { language, link } from "./state.ts";
import { Badge, Button, Card, Empty, Loading, Problem, Table, Text, useLoaded } from "./ui.tsx";

export function Amphorae() {
  const loaded = useLoaded(() => list(`${OCTAVIA}/amphorae`, "amphorae"), [version.value]);
  const [asked, setAsked] = useState<Asked | null>(null);
  const [text, setText] = useState("");
  const found = (loaded.data ?? []).filter((one) => JSON.stringify(one).toLowerCase().includes(text.toLowerCase()));
  return (
    <>
      <header class="page-head">
        <h1>{t("Amphorae")}</h1>
        <span class="muted number">{found.length}</span>
      </header>
      <div class="toolbar">
        <div class="search">
          <Text value={text} type="search" placeholder={t("Filter")} onText={setText} />
        </div>
      </div>
      <Problem error={loaded.error} retry={loaded.again} />
      {!loaded.data && !loaded.error && <Loading />}
      {loaded.data && found.length === 0 && <Empty title={t("There are no amphorae.")} />}
      {found.length > 0 && (
        <Card>
          <Table heads={[t("Amphora"), t("Load balancer"), t("Status"), t("Role"), t("Host"), t("Created")]} actions>
            {found.slice(0, 500).map((one) => (
              <tr key={one.id}>
                <th scope="row" class="mono">
                  {one.id.slice(0, 8)}
                </th>
                <td>
                  <a href={link("loadbalancers", one.loadbalancer_id)}>
                    {rows.get(one.loadbalancer_id)?.name || one.loadbalancer_id}
                  </a>
                </td>
                <td>
                  <Badge health={one.status === "ALLOCATED" ? "ok" : one.status === "ERROR" ? "bad" : "pending"}>
                    {one.status}
                  </Badge>
                </td>
                <td>{one.role}</td>
                <td>{one.compute_id ?? one.cached_zone ?? "–"}</td>
                <td>{when(one.created_at, language.value)}</td>
                <td class="actions">
                  <Button
                    icon="swap"
                    onClick={() =>
                      setAsked({
                        title: t("Fail over {name}", { name: one.id.slice(0, 8) }),
                        text: t("A new amphora takes its place; connections are handed over."),
                        action: t("Fail over"),
                        change: { method: "PUT", path: `${OCTAVIA}/amphorae/${one.id}/failover` },
                      })
                    }
                  >
                    {t("Fail over")}
                  </Button>
                </td>
              </tr>
            ))}
          </Table>
        </Card>
      )}
      <Ask asked={asked} onClose={() => setAsked(null)} again={loaded.again} />
    </>
  );
}

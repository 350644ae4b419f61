// The certificates of listeners and pools, and when they expire.
import { type Body, send } from "./api.ts";
import { age, parse, when } from "./format.ts";
import { t, tr } from "./i18n.ts";
import { titleOf } from "./kinds.ts";
import { said } from "./sentences.ts";
import { language } from "./state.ts";
import type { Tree } from "./tree.ts";
import { Badge, Card, Empty, Loading, Problem, Table, useLoaded } from "./ui.tsx";
import { explained } from "./why.tsx";

const SOON = 21;

const PURPOSES: Record<string, string> = {
  certificate: tr("Certificate"),
  ca: tr("Certificate authority of the other side"),
};

export function Certificates({ tree }: { tree: Tree }) {
  const path = `/dashboard/api/dashboard/v1/loadbalancers/${tree.lb.id}/certificates`;
  const loaded = useLoaded(() => send(path), [tree]);
  const why = useLoaded(() => explained(tree.lb.id), [tree]);
  const ordered: Record<string, Body> = {};
  for (const one of why.data?.certificates ?? []) ordered[one.reference] = one;
  if (loaded.error) return <Problem error={loaded.error} retry={loaded.again} />;
  if (!loaded.data) return <Loading />;
  const found: Body[] = loaded.data.certificates;
  if (found.length === 0) return <Empty title={t("No listener and no pool has a certificate.")} />;
  const all = [...tree.listeners, ...tree.pools];
  return (
    <Card title={t("Certificates")}>
      <Table heads={[t("Names"), t("Used by"), t("Expires"), t("Issuer")]}>
        {found.map((one, index) => (
          <tr key={`${one.resource_id}-${one.reference}-${index}`}>
            <th scope="row">
              {one.names?.join(", ") || "–"}
              <small class="mono muted">{one.reference}</small>
              {one.doubt && <small class="bad-text">{one.doubt}</small>}
              {ordered[one.reference] && <small>{said(ordered[one.reference])}</small>}
            </th>
            <td>
              {nameOf(all, one.resource_id)}
              <small class="muted">{t(PURPOSES[one.purpose] ?? one.purpose)}</small>
            </td>
            <td>{one.reason ? <span class="bad-text">{one.reason}</span> : <Expiry stamp={one.not_after} />}</td>
            <td>{one.issuer}</td>
          </tr>
        ))}
      </Table>
    </Card>
  );
}

function nameOf(all: Body[], id: string): string {
  const found = all.find((one) => one.id === id);
  return found ? titleOf(found.protocol_port ? "listener" : "pool", found) : id;
}

function Expiry({ stamp }: { stamp: string }) {
  const seconds = (parse(stamp) - Date.now()) / 1000;
  const days = Math.floor(seconds / 86_400);
  const health = days < 0 ? "bad" : days < SOON ? "warn" : "ok";
  const text =
    days < 0 ? t("expired") : days < 2 ? t("in {age}", { age: age(seconds) }) : t("in {days} days", { days });
  return (
    <>
      <Badge health={health}>{text}</Badge>
      <small class="muted">{when(stamp, language.value)}</small>
    </>
  );
}

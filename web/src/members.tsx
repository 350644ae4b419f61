// The members of all pools: why each is as it is, its weight, its traffic; drain one and watch it become empty.
import { useState } from "preact/hooks";
import { type Body, LBAAS } from "./api.ts";
import { bytes, short } from "./format.ts";
import { ResourceForm, Weight } from "./forms.tsx";
import { t } from "./i18n.ts";
import { titleOf } from "./kinds.ts";
import { details } from "./live.ts";
import { type Change, Review } from "./plan.tsx";
import { said } from "./sentences.ts";
import type { Tree } from "./tree.ts";
import { Button, Card, Empty, note, Status, Table, useLoaded } from "./ui.tsx";
import { explained } from "./why.tsx";

/** The place of `response_p95` among the rates (hydria/model/numbers.py: Count). */
const P95 = 13;

interface MembersProps {
  tree: Tree;
  again: () => void;
  onChoose: (kind: string, id: string) => void;
}

export function Members({ tree, again, onChoose }: MembersProps) {
  const [adding, setAdding] = useState<string | null>(null);
  const [changing, setChanging] = useState<{ change: Change; title: string; text: string } | null>(null);
  const why = useLoaded(() => explained(tree.lb.id), [tree]);
  const reasons: Record<string, Body> = {};
  for (const one of why.data?.members ?? []) reasons[one.id] = one;
  if (tree.pools.length === 0) return <Empty title={t("There are no pools yet.")} />;
  const weigh = (member: Body, weight: number, title: string, text: string): void => {
    const path = `${LBAAS}/pools/${member.pool_id}/members/${member.id}`;
    setChanging({ change: { method: "PUT", path, body: { member: { weight } } }, title, text });
  };
  return (
    <>
      {tree.pools.map((pool) => (
        <Card
          key={pool.id}
          title={
            <>
              {pool.name || pool.id} <span class="muted small">{pool.protocol}</span>
            </>
          }
          actions={
            <Button icon="plus" onClick={() => setAdding(pool.id)}>
              {t("Member")}
            </Button>
          }
        >
          <Pool tree={tree} pool={pool} reasons={reasons} onWeigh={weigh} onChoose={onChoose} />
        </Card>
      ))}
      {adding && (
        <ResourceForm
          kind="member"
          item={null}
          given={{ pool_id: adding }}
          tree={tree}
          onClose={() => setAdding(null)}
          onDone={() => {
            setAdding(null);
            note(t("{kind} added.", { kind: t("Member") }));
            again();
          }}
        />
      )}
      {changing && (
        <Review
          title={changing.title}
          change={changing.change}
          action={t("Apply")}
          onClose={() => setChanging(null)}
          onDone={() => {
            setChanging(null);
            again();
          }}
        >
          <p>{changing.text}</p>
        </Review>
      )}
    </>
  );
}

interface PoolProps {
  tree: Tree;
  pool: Body;
  reasons: Record<string, Body>;
  onWeigh: (member: Body, weight: number, title: string, text: string) => void;
  onChoose: (kind: string, id: string) => void;
}

function Pool({ tree, pool, reasons, onWeigh, onChoose }: PoolProps) {
  const members = tree.members
    .filter((member) => member.pool_id === pool.id)
    .sort((a, b) => titleOf("member", a).localeCompare(titleOf("member", b), undefined, { numeric: true }));
  if (members.length === 0) return <p class="muted">{t("This pool has no members yet.")}</p>;
  const all = members.reduce((sum, member) => sum + member.weight, 0);
  return (
    <Table
      class="members"
      heads={[t("Member"), t("Status"), t("Requests/s"), t("Open"), t("Response time"), t("Weight")]}
      actions
    >
      {members.map((member) => (
        <Line
          key={member.id}
          tree={tree}
          member={member}
          share={all > 0 ? member.weight / all : 0}
          reason={reasons[member.id]}
          onWeigh={onWeigh}
          onChoose={onChoose}
        />
      ))}
    </Table>
  );
}

interface LineProps extends Omit<PoolProps, "pool" | "reasons"> {
  member: Body;
  share: number;
  reason?: Body;
}

function Line({ tree, member, share, reason, onWeigh, onChoose }: LineProps) {
  const [weight, setWeight] = useState<number | null>(null);
  const rates = details.value.id === tree.lb.id ? details.value.rates[member.id] : undefined;
  const name = titleOf("member", member);
  const drained = member.weight === 0;
  const text = reason ? said(reason) : tree.reasons[member.id];
  const code = reason?.checks?.[0];
  return (
    <tr>
      <th scope="row">
        <button type="button" class="link" onClick={() => onChoose("member", member.id)}>
          {name}
        </button>
        {member.name && (
          <small class="mono muted">
            {member.address}:{member.protocol_port}
          </small>
        )}
      </th>
      <td>
        <Status provisioning={member.provisioning_status} operating={member.operating_status} />
        {text && <small class="reason">{text}</small>}
        {code?.latency_ms > 0 && (
          <small class="muted">{t("The check took {number} ms.", { number: code.latency_ms })}</small>
        )}
      </td>
      <td class="number">
        {short(rates?.[0] ?? 0)}
        {rates && (rates[3] ?? 0) > 0 && <small class="muted">{bytes(rates[3] ?? 0)}/s</small>}
      </td>
      <td class="number">
        {rates?.[4] ?? "–"}
        {drained && rates && <small class={rates[4] ? "muted" : "good"}>{rates[4] ? t("draining") : t("empty")}</small>}
      </td>
      <td class="number">
        {rates?.[5] ? `${short(rates[5])} ms` : "–"}
        {(rates?.[P95] ?? 0) > 0 && (
          <small class="muted">{t("95 % within {number} ms", { number: short(rates?.[P95] ?? 0) })}</small>
        )}
      </td>
      <td class="weigh">
        <Weight value={weight ?? member.weight} onValue={setWeight} />
        <small class="muted number">{Math.round(share * 100)} %</small>
      </td>
      <td class="actions">
        {weight !== null && weight !== member.weight ? (
          <>
            <Button
              kind="primary"
              onClick={() => {
                onWeigh(member, weight, t("Weight of {name}", { name }), `${member.weight} → ${weight}`);
                setWeight(null);
              }}
            >
              {t("Apply")}
            </Button>
            <Button kind="quiet" icon="close" title={t("Cancel")} onClick={() => setWeight(null)} />
          </>
        ) : drained ? (
          <Button
            icon="up"
            onClick={() => onWeigh(member, 1, t("Use {name} again", { name }), t("It gets new connections again."))}
          >
            {t("Use again")}
          </Button>
        ) : (
          <Button
            icon="drain"
            onClick={() =>
              onWeigh(
                member,
                0,
                t("Drain {name}", { name }),
                t("It gets no new connections; those that are open go on until they end."),
              )
            }
          >
            {t("Drain")}
          </Button>
        )}
      </td>
    </tr>
  );
}

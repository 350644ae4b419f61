// What changed, when, by whom, how it reached the hosts; compare two revisions, and go back to one.
import { useState } from "preact/hooks";
import { type Body, get, LBAAS } from "./api.ts";
import { age, since, when } from "./format.ts";
import { t, tr } from "./i18n.ts";
import { Changes, Review, Way } from "./plan.tsx";
import { language, query, session, setQuery } from "./state.ts";
import { Badge, Button, Card, Dialog, Empty, Loading, note, Problem, Select, useLoaded } from "./ui.tsx";

const SERVED: Record<string, [string, "ok" | "bad" | "pending"]> = {
  served: [tr("served"), "ok"],
  pending: [tr("pending"), "pending"],
  failed: [tr("failed"), "bad"],
};

export function History({ lb, again }: { lb: Body; again: () => void }) {
  const path = `${LBAAS}/loadbalancers/${lb.id}`;
  const [limit, setLimit] = useState(50);
  const kept = session.value?.features?.includes("history");
  const loaded = useLoaded(async () => (kept ? get(`${path}/revisions?limit=${limit}`) : null), [lb, limit]);
  const [back, setBack] = useState<number | null>(null);
  if (!kept) return <Empty title={t("This server keeps no history.")} />;
  if (loaded.error) return <Problem error={loaded.error} retry={loaded.again} />;
  if (!loaded.data) return <Loading />;
  const revisions: Body[] = loaded.data.revisions;
  if (revisions.length === 0) return <Empty title={t("Nothing has changed yet.")} />;
  const newest = revisions[0].revision;
  const compared = query.value.get("compare");
  return (
    <>
      <Card title={t("History")}>
        <ol class="history">
          {revisions.map((one) => (
            <Revision
              key={one.revision}
              revision={one}
              newest={one.revision === newest}
              onCompare={() => setQuery("compare", `${one.revision}-${newest}`)}
              onBack={() => setBack(one.revision)}
            />
          ))}
        </ol>
        {loaded.data.revisions_links?.length > 0 && (
          <Button onClick={() => setLimit(limit + 100)}>{t("Show older ones")}</Button>
        )}
      </Card>
      {compared && <Compare path={path} numbers={compared} revisions={revisions} />}
      {back !== null && (
        <Review
          title={t("Go back to revision {number}", { number: back })}
          change={{ method: "PUT", path: `${path}/rollback`, body: { rollback: { to: back } } }}
          action={t("Go back")}
          onClose={() => setBack(null)}
          onDone={(answer) => {
            setBack(null);
            note(t("Revision {number} has what revision {to} had.", answerOf(answer)));
            again();
          }}
        >
          <p>{t("The load balancer becomes as it was then, as one new change.")}</p>
        </Review>
      )}
    </>
  );
}

function answerOf(answer: Body): { number: number; to: number } {
  return { number: answer.rollback.revision, to: answer.rollback.to };
}

/** Return the name of the user of this session; of others only the id is known. */
function userOf(id: string): string {
  const own = session.value?.user;
  return own?.id === id ? own.name : id;
}

interface RevisionProps {
  revision: Body;
  newest: boolean;
  onCompare: () => void;
  onBack: () => void;
}

function Revision({ revision, newest, onCompare, onBack }: RevisionProps) {
  const served = revision.served;
  const [text, health] = SERVED[served?.state] ?? ["", "pending"];
  return (
    <li>
      <div class="history-head">
        <strong class="number">#{revision.revision}</strong>
        <span title={when(revision.created_at, language.value)}>
          {t("{age} ago", { age: age(since(revision.created_at)) })}
        </span>
        <code>{revision.cause}</code>
        {served && <Badge health={health}>{t(text)}</Badge>}
        <Way way={served?.way} />
        {served?.seconds !== null && served?.seconds !== undefined && (
          <span class="muted number">{served.seconds.toFixed(2)} s</span>
        )}
        <span class="actions">
          {!newest && (
            <>
              <Button onClick={onCompare}>{t("Compare")}</Button>
              <Button icon="back" onClick={onBack}>
                {t("Go back")}
              </Button>
            </>
          )}
        </span>
      </div>
      <p class="muted small">
        {revision.user_id && t("by user {user}", { user: userOf(revision.user_id) })}{" "}
        {revision.request_id && <span class="mono">{revision.request_id}</span>}
      </p>
      {served?.reason && <p class="bad-text">{served.reason}</p>}
      {served?.failure && !served.reason && (
        <p class="muted">
          {t("It failed once, {age} ago: {reason}", { age: age(since(served.failed_at)), reason: served.failure })}
        </p>
      )}
      {(served?.lost_requests > 0 || served?.lost_connections > 0) && (
        <p class="bad-text">
          {t("Lost: {requests} requests, {connections} connections.", {
            requests: served.lost_requests ?? 0,
            connections: served.lost_connections ?? 0,
          })}
        </p>
      )}
      <Changes changes={revision.changes} />
    </li>
  );
}

function Compare({ path, numbers, revisions }: { path: string; numbers: string; revisions: Body[] }) {
  const [from = "", to = ""] = numbers.split("-");
  const loaded = useLoaded(() => get(`${path}/revisions/${from}/diff?to=${to}`), [numbers]);
  const choices = revisions.map((one) => ({ value: String(one.revision), text: `#${one.revision} ${one.cause}` }));
  return (
    <Dialog title={t("Compare two revisions")} wide onClose={() => setQuery("compare", "")}>
      <div class="pair">
        <Select
          label={t("From")}
          value={from}
          choices={choices}
          onChoose={(one) => setQuery("compare", `${one}-${to}`)}
        />
        <span aria-hidden="true">→</span>
        <Select
          label={t("To")}
          value={to}
          choices={choices}
          onChoose={(one) => setQuery("compare", `${from}-${one}`)}
        />
      </div>
      <Problem error={loaded.error} />
      {loaded.data?.diff.changes.length === 0 && <p class="muted">{t("Nothing differs.")}</p>}
      <Changes changes={loaded.data?.diff.changes} />
    </Dialog>
  );
}

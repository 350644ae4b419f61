// Why a load balancer is as it is: shown only when something is wrong or being waited for.
import { type Body, get, LBAAS } from "./api.ts";
import { age, since } from "./format.ts";
import { t } from "./i18n.ts";
import { Icon } from "./icons.tsx";
import { healthOf } from "./rows.ts";
import { said } from "./sentences.ts";
import { session } from "./state.ts";
import type { Tree } from "./tree.ts";
import { useLoaded } from "./ui.tsx";

export function canExplain(): boolean {
  return session.value?.features?.includes("explain") ?? false;
}

/** Return the server's explanation of a load balancer's status, or null where it has none. */
export async function explained(id: string): Promise<Body | null> {
  if (!canExplain()) return null;
  return (await get(`${LBAAS}/loadbalancers/${id}/explain`)).explain;
}

/** Return for how many seconds it is as it is: what is waited for, the failure, or the checks that fail. */
function lasting(why: Body): number | undefined {
  const checks: Body[] = why.members.flatMap((member: Body) => member.checks);
  const failing = checks.map((check) => check.seconds).filter((one) => one !== null);
  if (why.waiting_for.length === 0 && !why.failure && failing.length > 0) return Math.max(...failing);
  const begun = why.waiting_for.length > 0 || why.failure ? why.since : null;
  return begun ? since(begun) : undefined;
}

export function Why({ tree }: { tree: Tree }) {
  const { lb } = tree;
  const health = healthOf(lb.provisioning_status, lb.operating_status);
  const wrong = health !== "ok" && health !== "off";
  const loaded = useLoaded(async () => (wrong ? explained(lb.id) : null), [lb.id, wrong, tree]);
  if (!wrong) return null;
  const why = loaded.data;
  const reasons = why ? [] : [...new Set(Object.values(tree.reasons))];
  if (!why && reasons.length === 0) return null;
  const seconds = why ? lasting(why) : undefined;
  // The summary says why a single member fails.
  const failing: Body[] = why?.members?.length > 1 ? why.members : [];
  return (
    <section class={`why ${health}`} aria-label={t("Why")}>
      <Icon name={health === "pending" ? "clock" : "warn"} />
      <div>
        {why && (
          <p>
            <strong>{said(why, why.summary)}</strong>
            {seconds !== undefined && <span class="muted"> {t("For {age}.", { age: age(seconds) })}</span>}
          </p>
        )}
        <ul>
          {reasons.map((reason) => (
            <li key={reason}>{reason}</li>
          ))}
          {why?.waiting_for?.map((one: Body) => (
            <li key={one.sentence}>{said(one)}</li>
          ))}
          {why?.troubles?.map((one: Body) => (
            <li key={one.id}>
              {one.name || one.id}: {one.reason}
            </li>
          ))}
          {failing.slice(0, 8).map((one) => (
            <li key={one.id}>
              {one.name || `${one.address}:${one.protocol_port}`}: {said(one)}
            </li>
          ))}
        </ul>
      </div>
    </section>
  );
}

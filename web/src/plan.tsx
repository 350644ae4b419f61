// Try a change dry, show what it would do, then do it.
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { type Body, change } from "./api.ts";
import { label, t, tr } from "./i18n.ts";
import { KINDS, type KindName } from "./kinds.ts";
import { said } from "./sentences.ts";
import { session } from "./state.ts";
import { Badge, Button, Dialog, Loading, messageOf, note, Problem } from "./ui.tsx";

export interface Change {
  method: "POST" | "PUT" | "DELETE";
  path: string;
  body?: Body;
}

const WAYS: Record<string, [string, "ok" | "warn" | "bad" | "pending"]> = {
  nothing: [tr("Nothing changes on the hosts"), "ok"],
  runtime: [tr("Applied in the running HAProxy"), "ok"],
  nftables: [tr("Rules of the kernel are replaced"), "ok"],
  reload: [tr("A new HAProxy process takes over"), "pending"],
  start: [tr("New amphorae are started"), "pending"],
  remove: [tr("Everything is removed"), "bad"],
};

export function Way({ way }: { way: string | null | undefined }) {
  if (!way) return null;
  const [text, health] = WAYS[way] ?? [way, "pending"];
  return <Badge health={health}>{t(text)}</Badge>;
}

/** Whether this server can try a change without doing it. */
export function canTry(): boolean {
  return session.value?.features?.includes("dry-run") ?? false;
}

/** Return the plan of a change, or null where the server makes none. Throws Failure. */
export async function planOf(wanted: Change): Promise<Body | null> {
  if (!canTry()) return null;
  const answer = await change(wanted.method, wanted.path, wanted.body, { "dry-run": "true" });
  return answer?.plan ?? null;
}

interface ReviewProps {
  title: string;
  change: Change;
  /** What the button says. */
  action: string;
  danger?: boolean;
  onClose: () => void;
  onDone: (answer: Body) => void;
  onBack?: () => void;
  children?: ComponentChildren;
}

/** A dialog with the plan of a change and the button that does it. */
export function Review({ title, change: wanted, action, danger, onClose, onDone, onBack, children }: ReviewProps) {
  const [plan, setPlan] = useState<Body | null>(null);
  const [ready, setReady] = useState(!canTry());
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  useEffect(() => {
    let current = true;
    planOf(wanted).then(
      (found) => {
        if (!current) return;
        setPlan(found);
        setReady(true);
      },
      (failure) => current && setError(failure),
    );
    return () => {
      current = false;
    };
  }, []);
  const act = async (): Promise<void> => {
    setBusy(true);
    setError(null);
    try {
      onDone(await change(wanted.method, wanted.path, wanted.body));
    } catch (failure) {
      setError(failure);
      setBusy(false);
    }
  };
  return (
    <Dialog
      title={title}
      wide={Boolean(plan)}
      onClose={onClose}
      footer={
        <>
          {onBack && (
            <Button icon="back" onClick={onBack}>
              {t("Back")}
            </Button>
          )}
          <Button onClick={onClose}>{t("Cancel")}</Button>
          <Button kind={danger ? "danger" : "primary"} busy={busy} disabled={!ready} onClick={act}>
            {action}
          </Button>
        </>
      }
    >
      {children}
      <Problem error={error} />
      {!ready && !error && <Loading label={t("Trying it dry…")} />}
      {plan && <Plan plan={plan} />}
    </Dialog>
  );
}

export function Plan({ plan }: { plan: Body }) {
  return (
    <div class="plan">
      <div class="plan-way">
        <Way way={plan.way} />
      </div>
      {plan.steps?.length > 0 && (
        <ol class="steps">
          {plan.steps.map((step: string, index: number) => (
            <li key={step}>{said({ words: plan.step_words?.[index] }, step)}</li>
          ))}
        </ol>
      )}
      {plan.cut?.length > 0 && (
        <div class="warning">
          <h3>{t("Connections that would be cut")}</h3>
          <ul>
            {plan.cut.map((one: Body) => (
              <li key={one.id}>
                {t("{name}: {number} connections.", { name: one.name || one.id, number: one.connections ?? "?" })}{" "}
                {said(one, one.reason)}
              </li>
            ))}
          </ul>
        </div>
      )}
      {plan.notes?.map((text: string, index: number) => (
        <p key={text} class="muted">
          {said({ words: plan.note_words?.[index] }, text)}
        </p>
      ))}
      <Changes changes={plan.changes} />
      <Difference title={t("Configuration of HAProxy")} text={plan.haproxy} />
      <Difference title={t("Rules of nftables")} text={plan.nftables} />
    </div>
  );
}

const ACTIONS: Record<string, string> = {
  created: tr("created"),
  changed: tr("changed"),
  deleted: tr("deleted"),
};

/** What changed, attribute by attribute. */
export function Changes({ changes }: { changes: Body[] | null | undefined }) {
  if (!changes || changes.length === 0) return null;
  return (
    <div class="scroll">
      <table class="grid changes">
        <tbody>
          {changes.map((one, index) => (
            <tr key={`${one.id}-${one.attribute}-${index}`}>
              <th scope="row">
                <span class="muted">{t(KINDS[resourceOf(one)]?.title ?? one.resource)}</span> {one.name || one.id}
              </th>
              {one.attribute ? (
                <>
                  <td>{label(one.attribute)}</td>
                  <td>
                    <del>{textOf(one.before)}</del> <span aria-hidden="true">→</span> <ins>{textOf(one.after)}</ins>
                  </td>
                </>
              ) : (
                <td colSpan={2}>{t(ACTIONS[one.action] ?? one.action)}</td>
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** Revisions name rules as policies do: `l7rule`. */
function resourceOf(change: Body): KindName {
  return change.resource === "l7rule" ? "rule" : change.resource;
}

export function textOf(value: unknown): string {
  if (value === null || value === undefined || value === "") return "–";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** A unified diff. */
export function Difference({ title, text }: { title: string; text: string | null | undefined }) {
  if (!text) return null;
  const classes: Record<string, string> = { "+": "added", "-": "removed", "@": "place" };
  return (
    <details class="diff" open={text.length < 4000}>
      <summary>{title}</summary>
      <pre>
        {text.split("\n").map((line, index) => (
          <span
            key={`${index}-${line}`}
            class={/^(---|\+\+\+) /.test(line) ? "place" : (classes[line.charAt(0)] ?? "")}
          >
            {line}
            {"\n"}
          </span>
        ))}
      </pre>
    </details>
  );
}

/** Do a change at once, and say when it fails. */
export async function doNow(wanted: Change, done?: string): Promise<boolean> {
  try {
    await change(wanted.method, wanted.path, wanted.body);
    if (done) note(done);
    return true;
  } catch (error) {
    note(messageOf(error), true);
    return false;
  }
}

// The panel of one resource of the picture: what it is, how it is, what can be done with it.
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import type { Body } from "./api.ts";
import { short } from "./format.ts";
import { ResourceForm } from "./forms.tsx";
import { label, t } from "./i18n.ts";
import { Icon } from "./icons.tsx";
import { KINDS, type KindName, pathOf, titleOf } from "./kinds.ts";
import { details } from "./live.ts";
import { Review } from "./plan.tsx";
import type { Tree } from "./tree.ts";
import { Button, Dialog, Facts, note, Status } from "./ui.tsx";

/** What the list of attributes leaves out: it is shown elsewhere, or is only for machines. */
const HIDDEN = new Set([
  "id",
  "name",
  "tenant_id",
  "project_id",
  "provisioning_status",
  "operating_status",
  "loadbalancers",
  "listeners",
  "members",
  "pools",
  "l7policies",
  "rules",
  "l7policy_id",
  "created_at",
  "updated_at",
]);

/** What can be added below a kind. */
const BELOW: Partial<Record<KindName, KindName[]>> = {
  listener: ["l7policy"],
  pool: ["member", "healthmonitor"],
  l7policy: ["rule"],
};

interface PanelProps {
  tree: Tree;
  kind: KindName;
  item: Body;
  again: () => void;
  onChoose: (kind: string, id: string) => void;
  onClose: () => void;
}

export function Panel({ tree, kind, item, again, onChoose, onClose }: PanelProps) {
  const [open, setOpen] = useState<"edit" | "delete" | KindName | null>(null);
  const one = KINDS[kind];
  const close = (): void => setOpen(null);
  const done = (text: string, leave = false): void => {
    close();
    note(text);
    if (leave) onClose();
    again();
  };
  if (open === "edit") {
    return <ResourceForm kind={kind} item={item} tree={tree} onClose={close} onDone={() => done(t("Changed."))} />;
  }
  if (open === "delete") {
    return (
      <Review
        title={t("Delete {name}", { name: titleOf(kind, item) })}
        change={{ method: "DELETE", path: pathOf(kind, item) }}
        action={t("Delete")}
        danger
        onClose={close}
        onDone={() => done(t("{name} is being deleted.", { name: titleOf(kind, item) }), true)}
      />
    );
  }
  if (open) {
    return (
      <ResourceForm
        kind={open}
        item={null}
        given={{ [KINDS[open].parent]: item.id }}
        tree={tree}
        onClose={close}
        onDone={() => done(t("{kind} added.", { kind: t(KINDS[open].title) }))}
      />
    );
  }
  const possible = (BELOW[kind] ?? []).filter(
    (below) => below !== "healthmonitor" || !tree.monitors.some((monitor) => monitor.pool_id === item.id),
  );
  return (
    <Dialog
      side
      title={
        <>
          <span class="muted small">{t(one.title)}</span>
          <br />
          {titleOf(kind, item)}
        </>
      }
      onClose={onClose}
      footer={
        <>
          <Button kind="danger" icon="trash" onClick={() => setOpen("delete")}>
            {t("Delete")}
          </Button>
          {possible.map((below) => (
            <Button key={below} icon="plus" onClick={() => setOpen(below)}>
              {t(KINDS[below].title)}
            </Button>
          ))}
          <Button kind="primary" icon="edit" onClick={() => setOpen("edit")}>
            {t("Change")}
          </Button>
        </>
      }
    >
      <p class="panel-status">
        <Status provisioning={item.provisioning_status} operating={item.operating_status} />
        <Rates id={item.id} lb={tree.lb.id} />
      </p>
      {tree.reasons[item.id] && (
        <p class="problem">
          <Icon name="warn" />
          {tree.reasons[item.id]}
        </p>
      )}
      <Facts facts={factsOf(item)} />
      <Below tree={tree} kind={kind} item={item} onChoose={onChoose} />
    </Dialog>
  );
}

function Rates({ id, lb }: { id: string; lb: string }) {
  const rates = details.value.id === lb ? details.value.rates[id] : undefined;
  if (!rates) return null;
  return (
    <span class="muted number">
      {t("{requests} requests/s, {open} open connections", { requests: short(rates[0] ?? 0), open: rates[4] ?? 0 })}
    </span>
  );
}

function factsOf(item: Body): [string, ComponentChildren][] {
  return [["id", item.id], ...Object.entries(item)]
    .filter(([key, value], index) => (index === 0 || !HIDDEN.has(key as string)) && !isEmpty(value))
    .map(([key, value]) => [label(key as string), <span class="mono">{textOf(value)}</span>]);
}

function isEmpty(value: unknown): boolean {
  if (value === null || value === undefined || value === "") return true;
  return typeof value === "object" && Object.keys(value as object).length === 0;
}

function textOf(value: unknown): string {
  if (value === true) return t("yes");
  if (value === false) return t("no");
  if (Array.isArray(value)) return value.map(textOf).join(", ");
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

function Below({ tree, kind, item, onChoose }: Omit<PanelProps, "again" | "onClose">) {
  const found: [KindName, Body[]][] = [];
  if (kind === "pool") {
    found.push(["healthmonitor", tree.monitors.filter((one) => one.pool_id === item.id)]);
    found.push(["member", tree.members.filter((one) => one.pool_id === item.id)]);
  } else if (kind === "listener") {
    found.push(["pool", tree.pools.filter((one) => one.id === item.default_pool_id)]);
    found.push(["l7policy", tree.policies.filter((one) => one.listener_id === item.id)]);
  } else if (kind === "l7policy") {
    found.push(["rule", tree.rules.filter((one) => one.l7policy_id === item.id)]);
    found.push(["pool", tree.pools.filter((one) => one.id === item.redirect_pool_id)]);
  }
  return (
    <>
      {found
        .filter(([, items]) => items.length > 0)
        .map(([below, items]) => (
          <section key={below} class="below">
            <h3>{t(KINDS[below].title)}</h3>
            <ul>
              {items.map((one) => (
                <li key={one.id}>
                  <button type="button" class="line" onClick={() => onChoose(below, one.id)}>
                    <span>{titleOf(below, one)}</span>
                    <Status provisioning={one.provisioning_status} operating={one.operating_status} />
                  </button>
                </li>
              ))}
            </ul>
          </section>
        ))}
    </>
  );
}

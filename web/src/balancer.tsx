// One load balancer: its picture, traffic, members, certificates, history, and what can be done with it.
import { useEffect, useRef, useState } from "preact/hooks";
import { type Body, LBAAS } from "./api.ts";
import { Certificates } from "./certificates.tsx";
import { Explain } from "./explain.tsx";
import { since, when } from "./format.ts";
import { ResourceForm } from "./forms.tsx";
import { History } from "./history.tsx";
import { label, t, tr } from "./i18n.ts";
import { KINDS, type KindName } from "./kinds.ts";
import { rows, version } from "./live.ts";
import { Log } from "./log.tsx";
import { Members } from "./members.tsx";
import { Panel } from "./panel.tsx";
import { Picture } from "./picture.tsx";
import { Review } from "./plan.tsx";
import { go, language, link, may, query, route, setQuery } from "./state.ts";
import { Traffic } from "./traffic.tsx";
import { find, loadTree, type Tree } from "./tree.ts";
import { Button, Card, Empty, Facts, Loading, note, Problem, Status, Tabs, useLoaded } from "./ui.tsx";
import { Why } from "./why.tsx";

const TABS: [string, string][] = [
  ["picture", tr("Picture")],
  ["traffic", tr("Traffic")],
  ["members", tr("Members")],
  ["certificates", tr("Certificates")],
  ["log", tr("Log")],
  ["history", tr("History")],
  ["explain", tr("Explain a request")],
];

export function Balancer({ id }: { id: string }) {
  const seen = version.value;
  const row = rows.get(id);
  const [known, setKnown] = useState(false);
  const deleted = known && !row;
  // What the events tell of this load balancer: something new means that the tree has changed. One that is being
  // deleted is not read again, because it may be gone by then.
  const print = useRef("");
  if (row && row.provisioning !== "PENDING_DELETE") print.current = JSON.stringify(row);
  const loaded = useLoaded(() => loadTree(id), [id, print.current]);
  useEffect(() => {
    if (row) setKnown(true);
    else if (known && seen) note(t("The load balancer was deleted."));
  }, [row === undefined]);
  const tree = loaded.data;
  if (deleted || (loaded.error && !(tree && row))) {
    return (
      <div>
        <Back />
        {deleted ? (
          <Empty title={t("The load balancer was deleted.")} />
        ) : (
          <Problem error={loaded.error} retry={loaded.again} />
        )}
      </div>
    );
  }
  if (!tree) return <Loading />;
  return <Shown tree={tree} again={loaded.again} />;
}

function Back() {
  return (
    <a class="back" href={link()}>
      ← {t("All load balancers")}
    </a>
  );
}

function Shown({ tree, again }: { tree: Tree; again: () => void }) {
  const { lb } = tree;
  const tab = route.value[2] ?? "picture";
  const [open, setOpen] = useState<"edit" | "delete" | "failover" | "listener" | "pool" | null>(null);
  const close = (): void => setOpen(null);
  const done = (text: string) => (): void => {
    close();
    note(text);
    again();
  };
  const [kind, key] = (query.value.get("item") ?? "").split(":");
  const item = kind && key ? find(tree, kind, key) : undefined;
  const choose = (chosen: string, chosenId: string): void => setQuery("item", `${chosen}:${chosenId}`);
  const path = `${LBAAS}/loadbalancers/${lb.id}`;
  return (
    <div class="balancer">
      <Back />
      <header class="page-head">
        <h1>{lb.name || lb.id}</h1>
        <Status provisioning={lb.provisioning_status} operating={lb.operating_status} />
        <div class="actions">
          <Button icon="plus" onClick={() => setOpen("listener")}>
            {t("Listener")}
          </Button>
          <Button icon="plus" onClick={() => setOpen("pool")}>
            {t("Pool")}
          </Button>
          <Button icon="edit" onClick={() => setOpen("edit")}>
            {t("Change")}
          </Button>
          {may("loadbalancer:put_failover") && (
            <Button icon="swap" onClick={() => setOpen("failover")}>
              {t("Fail over")}
            </Button>
          )}
          <Button icon="trash" kind="danger" onClick={() => setOpen("delete")}>
            {t("Delete")}
          </Button>
        </div>
      </header>
      <Why tree={tree} />
      <Tabs
        active={tab}
        tabs={TABS.map(([name, text]) => ({ key: name, text: t(text), href: link("loadbalancers", lb.id, name) }))}
      />
      {tab === "picture" && (
        <>
          <Card>
            <Picture tree={tree} onChoose={choose} />
          </Card>
          <About lb={lb} />
        </>
      )}
      {tab === "traffic" && <Traffic tree={tree} />}
      {tab === "members" && <Members tree={tree} again={again} onChoose={choose} />}
      {tab === "certificates" && <Certificates tree={tree} />}
      {tab === "log" && <Log tree={tree} />}
      {tab === "history" && <History lb={lb} again={again} />}
      {tab === "explain" && <Explain tree={tree} />}
      {item && kind && (
        <Panel
          key={key}
          tree={tree}
          kind={kind as KindName}
          item={item}
          again={again}
          onChoose={choose}
          onClose={() => setQuery("item", "")}
        />
      )}
      {open === "edit" && (
        <ResourceForm kind="loadbalancer" item={lb} tree={tree} onClose={close} onDone={done(t("Changed."))} />
      )}
      {(open === "listener" || open === "pool") && (
        <ResourceForm
          kind={open}
          item={null}
          given={{ loadbalancer_id: lb.id }}
          tree={tree}
          onClose={close}
          onDone={done(t("{kind} added.", { kind: t(KINDS[open].title) }))}
        />
      )}
      {open === "failover" && (
        <Review
          title={t("Fail over {name}", { name: lb.name || lb.id })}
          change={{ method: "PUT", path: `${path}/failover` }}
          action={t("Fail over")}
          onClose={close}
          onDone={done(t("The amphorae are being replaced."))}
        >
          <p>{t("Every amphora is replaced by a new one. Connections are handed over.")}</p>
        </Review>
      )}
      {open === "delete" && (
        <Review
          title={t("Delete {name}", { name: lb.name || lb.id })}
          change={{ method: "DELETE", path: `${path}?cascade=true` }}
          action={t("Delete")}
          danger
          onClose={close}
          onDone={() => {
            note(t("{name} is being deleted.", { name: lb.name || lb.id }));
            go(link());
          }}
        >
          <p>{t("The load balancer and everything below it is deleted. This cannot be taken back.")}</p>
        </Review>
      )}
    </div>
  );
}

function About({ lb }: { lb: Body }) {
  const age = since(lb.created_at);
  const facts: [string, string][] = [
    [label("id"), lb.id],
    [label("project_id"), lb.project_id],
    [label("provider"), lb.provider],
    [label("flavor_id"), lb.flavor_id ?? "–"],
    [label("availability_zone"), lb.availability_zone ?? "–"],
    [label("vip_subnet_id"), lb.vip_subnet_id ?? "–"],
    [label("description"), lb.description || "–"],
    [label("tags"), lb.tags.join(", ") || "–"],
    [label("created_at"), Number.isNaN(age) ? "–" : when(lb.created_at, language.value)],
    [label("updated_at"), when(lb.updated_at, language.value)],
  ];
  return (
    <Card title={t("Details")}>
      <Facts facts={facts} />
    </Card>
  );
}

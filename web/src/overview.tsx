// All load balancers, live: filter, sort, and only the rows in sight are drawn.
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { short } from "./format.ts";
import { t, tr } from "./i18n.ts";
import { Icon } from "./icons.tsx";
import { connection, history, rateOf, rows, version } from "./live.ts";
import { type Health, healthOf, inSight, type Row, type SortKey, select } from "./rows.ts";
import { Spark } from "./spark.tsx";
import { go, link, may, query, setQuery } from "./state.ts";
import { Badge, Empty, Loading, Select, Status } from "./ui.tsx";

const HEALTHS: [Health, string][] = [
  ["bad", tr("Error")],
  ["warn", tr("Degraded")],
  ["pending", tr("Being changed")],
  ["off", tr("Offline")],
  ["ok", tr("Online")],
];

const COLUMNS: [SortKey, string][] = [
  ["status", tr("Status")],
  ["name", tr("Name")],
  ["vip", tr("VIP")],
  ["requests", tr("Requests/s")],
  ["errors", tr("Errors/s")],
  ["members", tr("Members")],
];

export function Overview() {
  const text = query.value.get("q") ?? "";
  const health = query.value.get("status") ?? "";
  const sort = (query.value.get("sort") ?? "status") as SortKey;
  const descending = query.value.get("order") === "desc";
  const turn = version.value;
  const found = useMemo(
    () => select(rows.values(), { text, health, sort, descending }, rateOf),
    [turn, text, health, sort, descending],
  );
  const search = useRef<HTMLInputElement>(null);
  useEffect(() => {
    const focus = (event: KeyboardEvent): void => {
      const writing = (event.target as HTMLElement).closest("input, textarea, select, dialog");
      if (event.key === "/" && !writing) {
        event.preventDefault();
        search.current?.focus();
      }
    };
    addEventListener("keydown", focus);
    return () => removeEventListener("keydown", focus);
  }, []);
  if (connection.value === "connecting" && rows.size === 0) return <Loading />;
  return (
    <div class="overview">
      <header class="page-head">
        <h1>{t("Load balancers")}</h1>
        {may("loadbalancer:post") && (
          <a class="button primary" href={link("new")}>
            <Icon name="plus" />
            {t("Create")}
          </a>
        )}
      </header>
      <Summary chosen={health} />
      <div class="toolbar">
        <div class="search">
          <Icon name="search" />
          <input
            ref={search}
            class="input"
            type="search"
            placeholder={t("Filter by name, address or id")}
            aria-label={t("Filter")}
            aria-keyshortcuts="/"
            value={text}
            onInput={(event) => setQuery("q", event.currentTarget.value)}
            onKeyDown={(event) => {
              if (event.key === "ArrowDown") document.querySelector<HTMLElement>(".row a")?.focus();
            }}
          />
        </div>
        <div class="sorting">
          <Select
            label={t("Sort by")}
            value={sort}
            choices={COLUMNS.map(([key, name]) => ({ value: key, text: t(name) }))}
            onChoose={(key) => setQuery("sort", key === "status" ? "" : key)}
          />
        </div>
        <span class="muted count">{t("{shown} of {all}", { shown: found.length, all: rows.size })}</span>
      </div>
      {rows.size === 0 ? (
        <Empty title={t("There are no load balancers yet.")}>
          {may("loadbalancer:post") && (
            <a class="button primary" href={link("new")}>
              {t("Create the first one")}
            </a>
          )}
        </Empty>
      ) : found.length === 0 ? (
        <Empty title={t("No load balancer matches the filter.")}>
          <button type="button" class="button plain" onClick={() => go(link())}>
            {t("Show all")}
          </button>
        </Empty>
      ) : (
        <Table rows={found} sort={sort} descending={descending} />
      )}
    </div>
  );
}

function Summary({ chosen }: { chosen: string }) {
  const counts: Record<Health, number> = { bad: 0, warn: 0, pending: 0, off: 0, ok: 0 };
  for (const row of rows.values()) counts[healthOf(row.provisioning, row.operating)] += 1;
  return (
    <fieldset class="summary">
      <legend class="sr-only">{t("Filter by status")}</legend>
      {HEALTHS.filter(([key]) => counts[key] > 0 || key === chosen).map(([key, name]) => (
        <button
          key={key}
          type="button"
          class="summary-item"
          aria-pressed={key === chosen}
          onClick={() => setQuery("status", key === chosen ? "" : key)}
        >
          <Badge health={key}>{t(name)}</Badge>
          <strong>{counts[key]}</strong>
        </button>
      ))}
    </fieldset>
  );
}

const ROW_HEIGHT = 56;

function Table({ rows: found, sort, descending }: { rows: Row[]; sort: SortKey; descending: boolean }) {
  const box = useRef<HTMLDivElement>(null);
  const [view, setView] = useState({ scroll: 0, height: 600 });
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const measure = (): void => setView({ scroll: element.scrollTop, height: element.clientHeight });
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    element.addEventListener("scroll", measure, { passive: true });
    return () => {
      observer.disconnect();
      element.removeEventListener("scroll", measure);
    };
  }, []);
  const [first, shown] = inSight(view.scroll, view.height, ROW_HEIGHT, found.length);
  const choose = (key: SortKey): void => {
    setQuery("order", key === sort && !descending ? "desc" : "");
    setQuery("sort", key === "status" ? "" : key);
  };
  const move = (event: KeyboardEvent): void => {
    const step = event.key === "ArrowDown" ? 1 : event.key === "ArrowUp" ? -1 : 0;
    if (!step) return;
    const all = [...(box.current?.querySelectorAll<HTMLElement>(".row a") ?? [])];
    const next = all[all.indexOf(document.activeElement as HTMLElement) + step];
    if (next) {
      event.preventDefault();
      next.focus();
    }
  };
  return (
    <div class="table" role="table" aria-rowcount={found.length + 1} aria-label={t("Load balancers")}>
      <div class="row-head" role="row">
        {COLUMNS.map(([key, name]) => (
          <div
            key={key}
            role="columnheader"
            class={`cell ${key}`}
            aria-sort={key === sort ? (descending ? "descending" : "ascending") : "none"}
          >
            <button type="button" onClick={() => choose(key)}>
              {t(name)}
              {key === sort && <Icon name={descending ? "down" : "up"} size={14} />}
            </button>
          </div>
        ))}
      </div>
      {/* biome-ignore lint/a11y/noStaticElementInteractions: arrow keys move between the links inside */}
      <div class="rows" ref={box} onKeyDown={move}>
        <div class="rows-all" style={{ height: `${found.length * ROW_HEIGHT}px` }}>
          <div style={{ transform: `translateY(${first * ROW_HEIGHT}px)` }}>
            {found.slice(first, first + shown).map((row, index) => (
              <Line key={row.id} row={row} index={first + index + 2} />
            ))}
          </div>
        </div>
      </div>
    </div>
  );
}

function Line({ row, index }: { row: Row; index: number }) {
  const rate = rateOf(row.id);
  const series = history.get(row.id);
  return (
    <div class="row" role="row" aria-rowindex={index}>
      <div class="cell status" role="cell">
        <Status provisioning={row.provisioning} operating={row.operating} />
      </div>
      <div class="cell name" role="cell">
        <a href={link("loadbalancers", row.id)}>{row.name || row.id}</a>
        {row.name && <small class="mono">{row.id}</small>}
      </div>
      <div class="cell vip mono" role="cell">
        {row.vip}
      </div>
      <div class="cell requests" role="cell">
        <span class="number">{short(rate[0])}</span>
        <Spark values={series?.[0] ?? []} />
      </div>
      <div class="cell errors" role="cell">
        <span class={`number ${rate[1] > 0 ? "bad" : ""}`}>{short(rate[1])}</span>
        <Spark values={series?.[1] ?? []} kind="bad" />
      </div>
      <div class="cell members" role="cell">
        <Members row={row} />
      </div>
    </div>
  );
}

function Members({ row }: { row: Row }) {
  if (row.members === 0) return <span class="muted">–</span>;
  const share = (count: number): string => `${(100 * count) / row.members}%`;
  return (
    <>
      <span class="number">
        {row.membersUp}/{row.members}
      </span>
      <span class="bar" aria-hidden="true">
        <span class="ok" style={{ width: share(row.membersUp) }} />
        <span class="bad" style={{ width: share(row.membersDown) }} />
      </span>
    </>
  );
}

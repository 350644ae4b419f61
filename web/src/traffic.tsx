// Graphs of a load balancer's traffic, from the last minutes to a day.
import { useEffect } from "preact/hooks";
import { type Body, send } from "./api.ts";
import { Chart, type Series } from "./chart.tsx";
import { bytes } from "./format.ts";
import { t, tr } from "./i18n.ts";
import { titleOf } from "./kinds.ts";
import { query, setQuery } from "./state.ts";
import type { Tree } from "./tree.ts";
import { Card, Empty, Loading, Problem, useLoaded } from "./ui.tsx";

const RANGES: [string, string][] = [
  ["600", tr("10 minutes")],
  ["3600", tr("1 hour")],
  ["21600", tr("6 hours")],
  ["86400", tr("1 day")],
];

/** How many members have lines of their own; the busiest ones. */
const MOST_LINES = 8;

/** Within these times so many of the responses came. */
const SHARES: [string, string][] = [
  ["response_p50", tr("Response time by member, 50 %")],
  ["response_p95", tr("Response time by member, 95 %")],
  ["response_p99", tr("Response time by member, 99 %")],
];

type Values = (number | null)[];

interface Samples {
  times: number[];
  series: Record<string, Record<string, Values>>;
}

export function Traffic({ tree }: { tree: Tree }) {
  const range = query.value.get("range") ?? "600";
  const path = `/dashboard/api/dashboard/v1/loadbalancers/${tree.lb.id}/samples?seconds=${range}`;
  const loaded = useLoaded(async () => (await send(path)).samples as Samples, [path]);
  useEffect(() => {
    const timer = setInterval(loaded.again, range === "600" ? 10_000 : 60_000);
    return () => clearInterval(timer);
  }, [range]);
  if (loaded.error && !loaded.data) return <Problem error={loaded.error} retry={loaded.again} />;
  if (!loaded.data) return <Loading />;
  return (
    <>
      <nav class="ranges" aria-label={t("Time")}>
        {RANGES.map(([key, name]) => (
          <button
            key={key}
            type="button"
            class="button small"
            aria-pressed={key === range}
            onClick={() => setQuery("range", key === "600" ? "" : key)}
          >
            {t(name)}
          </button>
        ))}
      </nav>
      {loaded.data.times.length < 2 ? (
        <Empty title={t("There are no numbers yet. The first ones come within a minute.")} />
      ) : (
        <Charts tree={tree} samples={loaded.data} />
      )}
    </>
  );
}

/** Return the sum of several series; null where all are. */
export function sum(all: Values[]): Values {
  const length = Math.max(0, ...all.map((one) => one.length));
  return Array.from({ length }, (_, index) => {
    const known = all.map((one) => one[index]).filter((value) => value !== null && value !== undefined);
    return known.length > 0 ? known.reduce((total, value) => total + value, 0) : null;
  });
}

function Charts({ tree, samples }: { tree: Tree; samples: Samples }) {
  const of = (item: Body, name: string): Values => samples.series[item.id]?.[name] ?? samples.times.map(() => null);
  const total = (name: string): Values => sum(tree.listeners.map((listener) => of(listener, name)));
  const members = busiest(tree.members, (member) => of(member, "requests"));
  const byMember = (name: string): Series[] =>
    members.map((member) => ({ name: titleOf("member", member), values: of(member, name) }));
  const byListener = tree.listeners.map((listener) => ({
    name: titleOf("listener", listener),
    values: of(listener, "requests"),
  }));
  const classes = ["2xx", "3xx", "4xx", "5xx"].map((name) => ({ name, values: total(`responses_${name}`) }));
  const { times } = samples;
  return (
    <div class="charts">
      <Card>
        <Chart title={t("Requests/s")} times={times} series={byListener} />
      </Card>
      <Card>
        <Chart title={t("Responses/s by class")} times={times} series={classes} />
      </Card>
      <Card>
        <Chart
          title={t("Bytes/s")}
          times={times}
          format={bytes}
          series={[
            { name: t("from clients"), values: total("bytes_in") },
            { name: t("to clients"), values: total("bytes_out") },
          ]}
        />
      </Card>
      <Card>
        <Chart
          title={t("Open connections")}
          times={times}
          series={tree.listeners.map((one) => ({ name: titleOf("listener", one), values: of(one, "open") }))}
        />
      </Card>
      {members.length > 0 && (
        <>
          <Card>
            <Chart title={t("Requests/s by member")} times={times} series={byMember("requests")} />
          </Card>
          <Card>
            <Chart
              title={t("Response time by member (mean)")}
              unit="ms"
              times={times}
              series={byMember("response_ms")}
            />
          </Card>
          {SHARES.map(([name, title]) => (
            <Card key={name}>
              <Chart title={t(title)} unit="ms" times={times} series={byMember(name)} />
            </Card>
          ))}
          <Card>
            <Chart title={t("Errors/s by member")} times={times} series={byMember("errors")} />
          </Card>
          <Card>
            <Chart title={t("Retries/s by member")} times={times} series={byMember("retries")} />
          </Card>
        </>
      )}
    </div>
  );
}

function busiest(members: Body[], requests: (member: Body) => Values): Body[] {
  const total = (member: Body): number => requests(member).reduce((all: number, value) => all + (value ?? 0), 0);
  return [...members].sort((a, b) => total(b) - total(a)).slice(0, MOST_LINES);
}

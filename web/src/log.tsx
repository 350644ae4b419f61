// The last lines of the access log: requests, connections, changes of members, with a filter.
import { type Body, send } from "./api.ts";
import { moment, when } from "./format.ts";
import { t, tr } from "./i18n.ts";
import { Icon } from "./icons.tsx";
import { titleOf } from "./kinds.ts";
import { details } from "./live.ts";
import { language, query, setQuery } from "./state.ts";
import type { Tree } from "./tree.ts";
import { Card, Empty, Loading, Problem, Select, Table, Text, useLoaded } from "./ui.tsx";

const KINDS: [string, string][] = [
  ["", tr("All lines")],
  ["failed", tr("Failed requests and connections")],
  ["succeeded", tr("Successful requests and connections")],
  ["health", tr("Changes of members")],
];

export function Log({ tree }: { tree: Tree }) {
  const path = `/dashboard/api/dashboard/v1/loadbalancers/${tree.lb.id}/log`;
  const loaded = useLoaded(async () => (await send(path)).log as Body[], [path, details.value]);
  const kind = query.value.get("kind") ?? "";
  const text = query.value.get("q") ?? "";
  if (loaded.error && !loaded.data) return <Problem error={loaded.error} retry={loaded.again} />;
  if (!loaded.data) return <Loading />;
  const lines = loaded.data.filter((line) => (!kind || line.kind === kind) && has(line, text, tree));
  return (
    <>
      <div class="toolbar">
        <div>
          <Select
            label={t("Kind of lines")}
            value={kind}
            choices={KINDS.map(([value, name]) => ({ value, text: t(name) }))}
            onChoose={(one) => setQuery("kind", one)}
          />
        </div>
        <div class="search">
          <Icon name="search" />
          <Text value={text} type="search" placeholder={t("Filter")} onText={(one) => setQuery("q", one)} />
        </div>
      </div>
      {lines.length === 0 ? (
        <Empty
          title={loaded.data.length === 0 ? t("There was no traffic lately.") : t("No line matches the filter.")}
        />
      ) : (
        <Card>
          <Table class="log" heads={[t("Time"), t("Status"), t("Request"), t("Member"), t("Response time"), t("Why")]}>
            {lines.map((line, index) => (
              <Line key={`${line.at}-${index}`} line={line} tree={tree} />
            ))}
          </Table>
        </Card>
      )}
      <p class="muted small">
        {t(
          "Failures are always kept. Of successful requests some are, twenty a second at most; hydria logs --follow on the host shows all.",
        )}
      </p>
    </>
  );
}

function Line({ line, tree }: { line: Body; tree: Tree }) {
  return (
    <tr>
      <th scope="row" class="number">
        <span title={when(line.at, language.value)}>{moment(line.at, language.value)}</span>
      </th>
      {line.text ? (
        <td colSpan={5}>{named(line.text, tree)}</td>
      ) : (
        <>
          <td class={`number ${line.kind === "failed" ? "bad-text" : ""}`}>{line.status ?? ""}</td>
          <td class="mono">{line.request ?? line.client}</td>
          <td>{nameOf(line.member, tree)}</td>
          <td class="number">{Number(line.response) >= 0 ? `${line.response} ms` : "–"}</td>
          <td class="muted">{line.why}</td>
        </>
      )}
    </tr>
  );
}

function has(line: Body, text: string, tree: Tree): boolean {
  if (!text) return true;
  const shown = `${line.text ?? ""} ${line.status} ${line.request} ${line.client} ${nameOf(line.member, tree)} ${line.why}`;
  return shown.toLowerCase().includes(text.toLowerCase());
}

function nameOf(id: string | undefined, tree: Tree): string {
  const member = tree.members.find((one) => one.id === id);
  return member ? titleOf("member", member) : "–";
}

/** Return a message of HAProxy with names for ids. */
function named(text: string, tree: Tree): string {
  let found = text;
  for (const member of tree.members) found = found.replaceAll(member.id, titleOf("member", member));
  for (const one of [...tree.pools, ...tree.listeners]) found = found.replaceAll(one.id, one.name || one.id);
  return found;
}

// Hosts, for operators: what is on them; drain, enable, forget and invite them.
import { useState } from "preact/hooks";
import { type Body, change, list, OCTAVIA } from "./api.ts";
import { Ask, type Asked } from "./ask.tsx";
import { age, since } from "./format.ts";
import { t, tr } from "./i18n.ts";
import { version } from "./live.ts";
import { Badge, Button, Card, Dialog, Empty, Field, Loading, Problem, Table, Text, useLoaded } from "./ui.tsx";

const STATES: Record<string, [string, "ok" | "bad" | "warn" | "off" | "pending"]> = {
  up: [tr("up"), "ok"],
  silent: [tr("silent"), "bad"],
  draining: [tr("draining"), "pending"],
  drained: [tr("drained"), "warn"],
  disabled: [tr("disabled"), "off"],
};

export function Hosts() {
  const loaded = useLoaded(() => list(`${OCTAVIA}/hosts`, "hosts"), [version.value]);
  const [asked, setAsked] = useState<Asked | null>(null);
  const [inviting, setInviting] = useState(false);
  const act = (host: Body, verb: string, title: string, text: string): void =>
    setAsked({ title, text, action: title, change: { method: "PUT", path: `${OCTAVIA}/hosts/${host.id}/${verb}` } });
  return (
    <>
      <header class="page-head">
        <h1>{t("Hosts")}</h1>
        <Button kind="primary" icon="plus" onClick={() => setInviting(true)}>
          {t("Invite a host")}
        </Button>
      </header>
      <Problem error={loaded.error} retry={loaded.again} />
      {!loaded.data && !loaded.error && <Loading />}
      {loaded.data?.length === 0 && <Empty title={t("No host has asked for work yet.")} />}
      {loaded.data && loaded.data.length > 0 && (
        <Card>
          <Table
            heads={[t("Host"), t("Status"), t("Amphorae"), t("Zone"), t("Networks"), t("Version"), t("Seen")]}
            actions
          >
            {loaded.data.map((host) => {
              const [text, health] = STATES[host.state] ?? [host.state, "off"];
              const usable = host.state === "up" || host.state === "silent";
              return (
                <tr key={host.id}>
                  <th scope="row">
                    {host.name || host.id}
                    {host.home && <small class="muted">{t("has the networks of this machine")}</small>}
                  </th>
                  <td>
                    <Badge health={health}>{t(text)}</Badge>
                  </td>
                  <td class="number">
                    {host.amphorae}
                    {host.capacity > 0 && <span class="muted"> / {host.capacity}</span>}
                  </td>
                  <td>{host.zone || "–"}</td>
                  <td>{host.physical_networks?.join(", ") || "–"}</td>
                  <td>{host.version || "–"}</td>
                  <td>{host.seen_at ? t("{age} ago", { age: age(since(host.seen_at)) }) : "–"}</td>
                  <td class="actions">
                    {usable ? (
                      <Button
                        icon="drain"
                        onClick={() =>
                          act(
                            host,
                            "drain",
                            t("Drain"),
                            t("All amphorae of {name} move to other hosts.", { name: host.name }),
                          )
                        }
                      >
                        {t("Drain")}
                      </Button>
                    ) : (
                      <Button
                        onClick={() =>
                          act(host, "enable", t("Enable"), t("{name} gets amphorae again.", { name: host.name }))
                        }
                      >
                        {t("Enable")}
                      </Button>
                    )}
                    {host.amphorae === 0 && !host.home && (
                      <Button
                        kind="danger"
                        icon="trash"
                        title={t("Forget")}
                        onClick={() =>
                          setAsked({
                            title: t("Forget {name}", { name: host.name }),
                            text: t("The host may not ask for work any more, until it is invited again."),
                            action: t("Forget"),
                            danger: true,
                            change: { method: "DELETE", path: `${OCTAVIA}/hosts/${host.id}` },
                          })
                        }
                      />
                    )}
                  </td>
                </tr>
              );
            })}
          </Table>
        </Card>
      )}
      <Ask asked={asked} onClose={() => setAsked(null)} again={loaded.again} />
      {inviting && <Invite onClose={() => setInviting(false)} />}
    </>
  );
}

function Invite({ onClose }: { onClose: () => void }) {
  const [zone, setZone] = useState("");
  const [url, setUrl] = useState("");
  const [made, setMade] = useState<Body | null>(null);
  const [error, setError] = useState<unknown>(null);
  const invite = async (event: Event): Promise<void> => {
    event.preventDefault();
    try {
      const invitation = { ...(zone ? { zone } : {}), ...(url ? { url } : {}) };
      setMade((await change("POST", `${OCTAVIA}/hosts/invitations`, { invitation })).invitation);
    } catch (failure) {
      setError(failure);
    }
  };
  return (
    <Dialog title={t("Invite a host")} wide onClose={onClose}>
      {made ? (
        <>
          <p>{t("Type this on the new machine, as root:")}</p>
          <pre class="command">{made.command ?? JSON.stringify(made, null, 1)}</pre>
        </>
      ) : (
        <form class="form" onSubmit={invite}>
          <Field label={t("Zone")} hint={t("Empty: none.")}>
            <Text value={zone} onText={setZone} />
          </Field>
          <Field label={t("URL by which it reaches this server")} hint={t("Empty: as in the settings.")}>
            <Text value={url} onText={setUrl} placeholder="https://192.0.2.1:9877" />
          </Field>
          <Problem error={error} />
          <Button kind="primary" type="submit">
            {t("Invite")}
          </Button>
        </form>
      )}
    </Dialog>
  );
}

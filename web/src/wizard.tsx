// Create a load balancer with its listener, pool, members and check: four short questions, then the plan.
import { useState } from "preact/hooks";
import { type Body, change, get, LBAAS, list, NETWORK, send } from "./api.ts";
import { bodyOf, type CertificateFrom, type Draft, EMPTY, MONITORS, membersOf, PORTS } from "./draft.ts";
import { t, tr } from "./i18n.ts";
import { Review } from "./plan.tsx";
import { go, link, session } from "./state.ts";
import { Button, Card, Check, type Choice, Field, note, Problem, Select, Text, useLoaded } from "./ui.tsx";

const PROTOCOLS: [string, string][] = [
  ["HTTP", tr("Web pages over HTTP")],
  ["TERMINATED_HTTPS", tr("Web pages over HTTPS, with a certificate here")],
  ["HTTPS", tr("HTTPS passed through to the members")],
  ["TCP", tr("Any TCP service")],
  ["UDP", tr("Any UDP service")],
  ["SCTP", tr("Any SCTP service")],
];

const ALGORITHMS: [string, string][] = [
  ["ROUND_ROBIN", tr("In turn")],
  ["LEAST_CONNECTIONS", tr("The one with the fewest connections")],
  ["SOURCE_IP", tr("By the client's address")],
];

const CERTIFICATES: [CertificateFrom, string][] = [
  ["acme", tr("Ordered automatically (ACME)")],
  ["reference", tr("In the key manager")],
  ["pem", tr("Paste it here")],
];

type Set = (more: Partial<Draft>) => void;

export function Wizard() {
  const [draft, setDraft] = useState<Draft>(EMPTY);
  const [sent, setSent] = useState<Body | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  const set: Set = (more) => setDraft({ ...draft, ...more });
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    setError(null);
    setBusy(true);
    try {
      const reference = await referenceOf(draft);
      // Another review needs no second upload.
      if (draft.certificateFrom === "pem" && reference) set({ certificateFrom: "reference", certificate: reference });
      setSent(bodyOf(draft, reference));
    } catch (failure) {
      setError(failure);
    }
    setBusy(false);
  };
  return (
    <div class="wizard">
      <a class="back" href={link()}>
        ← {t("All load balancers")}
      </a>
      <header class="page-head">
        <h1>{t("Create a load balancer")}</h1>
      </header>
      <form onSubmit={submit}>
        <Where draft={draft} set={set} />
        <What draft={draft} set={set} />
        <Who draft={draft} set={set} />
        <How draft={draft} set={set} />
        <Problem error={error} />
        <div class="wizard-foot">
          <Button onClick={() => go(link())}>{t("Cancel")}</Button>
          <Button kind="primary" type="submit" busy={busy}>
            {t("Review")}
          </Button>
        </div>
      </form>
      {sent && (
        <Review
          title={t("Create {name}", { name: draft.name || t("a load balancer") })}
          change={{ method: "POST", path: `${LBAAS}/loadbalancers`, body: sent }}
          action={t("Create")}
          onBack={() => setSent(null)}
          onClose={() => setSent(null)}
          onDone={(answer) => {
            note(t("{name} is being created.", { name: draft.name || answer.loadbalancer.id }));
            go(link("loadbalancers", answer.loadbalancer.id));
          }}
        >
          <Summary draft={draft} />
        </Review>
      )}
    </div>
  );
}

function Where({ draft, set }: { draft: Draft; set: Set }) {
  const places = useLoaded(networks, []);
  const offers = useLoaded(async () => {
    const [flavors, zones] = await Promise.all([
      list(`${LBAAS}/flavors`, "flavors"),
      list(`${LBAAS}/availabilityzones`, "availability_zones"),
    ]);
    return { flavors, zones };
  }, []);
  const choices = places.data ?? [];
  const first = choices[0]?.value ?? "";
  if (!draft.network && first) queueMicrotask(() => set({ network: first }));
  return (
    <Card title={`1. ${t("Name and network")}`}>
      <div class="columns">
        <Field label={t("Name")}>
          <Text value={draft.name} name="name" autofocus onText={(name) => set({ name })} />
        </Field>
        {choices.length > 0 ? (
          <Field label={t("Network of the VIP")}>
            <Select value={draft.network} choices={choices} onChoose={(network) => set({ network })} />
          </Field>
        ) : (
          <Field label={t("Subnet of the VIP (id)")}>
            <Text
              value={draft.network.replace(/^\w+:/, "")}
              required
              onText={(id) => set({ network: `subnet:${id.trim()}` })}
            />
          </Field>
        )}
        <Field label={t("Address of the VIP")} hint={t("Empty: a free one is taken.")}>
          <Text value={draft.address} onText={(address) => set({ address: address.trim() })} />
        </Field>
        {offers.data && offers.data.flavors.length > 0 && (
          <Field label={t("Flavor")}>
            <Select
              value={draft.flavor}
              choices={[
                { value: "", text: t("(default)") },
                ...offers.data.flavors
                  .filter((one) => one.enabled)
                  .map((one) => ({
                    value: one.id,
                    text: one.description ? `${one.name}: ${one.description}` : one.name,
                  })),
              ]}
              onChoose={(flavor) => set({ flavor })}
            />
          </Field>
        )}
        {offers.data && offers.data.zones.length > 0 && (
          <Field label={t("Availability zone")}>
            <Select
              value={draft.zone}
              choices={[
                { value: "", text: t("(any)") },
                ...offers.data.zones.filter((one) => one.enabled).map((one) => ({ value: one.name, text: one.name })),
              ]}
              onChoose={(zone) => set({ zone })}
            />
          </Field>
        )}
      </div>
    </Card>
  );
}

function What({ draft, set }: { draft: Draft; set: Set }) {
  const choose = (protocol: string): void => {
    set({ protocol, port: PORTS[protocol] ?? draft.port, monitor: MONITORS[protocol]?.[0] ?? "" });
  };
  return (
    <Card title={`2. ${t("What clients connect to")}`}>
      <div class="columns">
        <Field label={t("Protocol")}>
          <Select value={draft.protocol} choices={choicesOf(PROTOCOLS)} onChoose={choose} />
        </Field>
        <Field label={t("Port")}>
          <Text
            type="number"
            name="port"
            min={1}
            max={65535}
            required
            value={String(draft.port)}
            onText={(text) => set({ port: Number(text) })}
          />
        </Field>
      </div>
      {draft.protocol === "TERMINATED_HTTPS" && <Certificate draft={draft} set={set} />}
    </Card>
  );
}

function Certificate({ draft, set }: { draft: Draft; set: Set }) {
  return (
    <div class="columns certificate">
      <Field label={t("Certificate")}>
        <Select
          value={draft.certificateFrom}
          choices={choicesOf(CERTIFICATES)}
          onChoose={(from) => set({ certificateFrom: from as CertificateFrom })}
        />
      </Field>
      {draft.certificateFrom === "acme" && (
        <Field label={t("Host names")} hint={t("Separated by commas. They must lead to the VIP.")}>
          <Text required value={draft.certificate} onText={(certificate) => set({ certificate })} />
        </Field>
      )}
      {draft.certificateFrom === "reference" && (
        <Field label={t("Reference")}>
          <Text required value={draft.certificate} onText={(certificate) => set({ certificate })} />
        </Field>
      )}
      {draft.certificateFrom === "pem" && (
        <>
          <Field label={t("Certificate and intermediates (PEM)")}>
            <textarea
              class="input mono"
              required
              onInput={(event) => set({ pemCertificate: event.currentTarget.value })}
            >
              {draft.pemCertificate}
            </textarea>
          </Field>
          <Field label={t("Private key (PEM)")}>
            <textarea class="input mono" required onInput={(event) => set({ pemKey: event.currentTarget.value })}>
              {draft.pemKey}
            </textarea>
          </Field>
        </>
      )}
      <Check
        label={t("Port 80 redirects to HTTPS")}
        checked={draft.redirect}
        onCheck={(redirect) => set({ redirect })}
      />
    </div>
  );
}

function Who({ draft, set }: { draft: Draft; set: Set }) {
  const found = membersOf(draft.members, draft.memberPort);
  return (
    <Card title={`3. ${t("Where requests go")}`}>
      <div class="columns">
        <Field
          label={t("Members")}
          hint={t("One on each line: 10.0.0.5, 10.0.0.5:8080 or web1 10.0.0.5. {number} so far.", {
            number: found.length,
          })}
        >
          <textarea class="input mono" name="members" onInput={(event) => set({ members: event.currentTarget.value })}>
            {draft.members}
          </textarea>
        </Field>
        <div class="form">
          <Field label={t("Port of the members")}>
            <Text
              type="number"
              name="memberPort"
              min={1}
              max={65535}
              value={String(draft.memberPort)}
              onText={(text) => set({ memberPort: Number(text) })}
            />
          </Field>
          <Field label={t("Choose a member")}>
            <Select
              value={draft.algorithm}
              choices={choicesOf(ALGORITHMS)}
              onChoose={(algorithm) => set({ algorithm })}
            />
          </Field>
          <Field label={t("Keep a client at its member")}>
            <Select
              value={draft.persistence}
              choices={[
                { value: "", text: t("no") },
                { value: "SOURCE_IP", text: t("by its address") },
                ...(draft.protocol.includes("HTTP") && draft.protocol !== "HTTPS"
                  ? [{ value: "HTTP_COOKIE", text: t("by a cookie") }]
                  : []),
              ]}
              onChoose={(persistence) => set({ persistence })}
            />
          </Field>
        </div>
      </div>
    </Card>
  );
}

function How({ draft, set }: { draft: Draft; set: Set }) {
  const choices = (MONITORS[draft.protocol] ?? [""]).map((one) => ({ value: one, text: one || t("no check") }));
  return (
    <Card title={`4. ${t("How members are checked")}`}>
      <div class="columns">
        <Field label={t("Check")}>
          <Select value={draft.monitor} choices={choices} onChoose={(monitor) => set({ monitor })} />
        </Field>
        {(draft.monitor === "HTTP" || draft.monitor === "HTTPS") && (
          <Field label={t("Path")} hint={t("It must answer with 200.")}>
            <Text value={draft.monitorPath} onText={(monitorPath) => set({ monitorPath })} />
          </Field>
        )}
      </div>
    </Card>
  );
}

function Summary({ draft }: { draft: Draft }) {
  const members = membersOf(draft.members, draft.memberPort);
  return (
    <table class="grid">
      <tbody>
        <tr>
          <th scope="row">{t("Listener")}</th>
          <td>
            {draft.protocol} {draft.port}
          </td>
        </tr>
        <tr>
          <th scope="row">{t("Members")}</th>
          <td class="mono">{members.map((one) => `${one.address}:${one.protocol_port}`).join(", ") || "–"}</td>
        </tr>
        <tr>
          <th scope="row">{t("Check")}</th>
          <td>
            {draft.monitor ? `${draft.monitor} ${draft.monitor.startsWith("HTTP") ? draft.monitorPath : ""}` : "–"}
          </td>
        </tr>
      </tbody>
    </table>
  );
}

function choicesOf(pairs: readonly (readonly [string, string])[]): Choice[] {
  return pairs.map(([value, text]) => ({ value, text: t(text) }));
}

/** Return the subnets that VIPs can be on, where the network API is this server's; else nothing. */
async function networks(): Promise<Choice[]> {
  try {
    const [subnets, found] = await Promise.all([get(`${NETWORK}/subnets`), get(`${NETWORK}/networks`)]);
    const names: Record<string, Body> = {};
    for (const network of found.networks) names[network.id] = network;
    const text = (one: Body): string => {
      const network = names[one.network_id];
      return [network?.name || one.network_id, one.name, one.cidr].filter(Boolean).join(" · ");
    };
    // Own networks first: VIPs are seldom on the external one.
    const external = (one: Body): number => Number(Boolean(names[one.network_id]?.["router:external"]));
    return subnets.subnets
      .sort((a: Body, b: Body) => external(a) - external(b))
      .map((one: Body) => ({ value: `subnet:${one.id}`, text: text(one) }));
  } catch {
    return [];
  }
}

/** Return the reference of a draft's certificate; one that was pasted goes to the key manager first. Throws Failure. */
async function referenceOf(draft: Draft): Promise<string> {
  if (draft.protocol !== "TERMINATED_HTTPS") return "";
  if (draft.certificateFrom === "reference") return draft.certificate.trim();
  if (draft.certificateFrom === "acme") return `acme:${draft.certificate.replace(/^acme:/, "").replace(/\s+/g, "")}`;
  const [certificate, ...intermediates] = draft.pemCertificate
    .split(/(?=-----BEGIN CERTIFICATE-----)/)
    .filter((one) => one.trim());
  const parts: [string, string][] = [
    ["certificate", certificate ?? ""],
    ["private_key", draft.pemKey],
  ];
  if (intermediates.length > 0) parts.push(["intermediates", intermediates.join("")]);
  if (session.value?.features?.includes("paste")) {
    // The key manager is elsewhere: the server stores it there, and lets itself read it.
    const body = { name: draft.name, ...Object.fromEntries(parts) };
    return (await send("/dashboard/certificates", { method: "POST", body })).container_ref;
  }
  const references = await Promise.all(
    parts.map(async ([name, payload]) => {
      const secret = { name: `${draft.name} ${name}`, payload: payload.trim(), payload_content_type: "text/plain" };
      const made = await change("POST", "/key-manager/v1/secrets", secret);
      return { name, secret_ref: made.secret_ref };
    }),
  );
  const container = { type: "certificate", name: draft.name, secret_refs: references };
  return (await change("POST", "/key-manager/v1/containers", container)).container_ref;
}

// Where a request would go: listener, policies and rules in order, pool, members.
import { useState } from "preact/hooks";
import { type Body, change, LBAAS } from "./api.ts";
import { t, tr } from "./i18n.ts";
import { titleOf } from "./kinds.ts";
import { said } from "./sentences.ts";
import type { Tree } from "./tree.ts";
import { Badge, Button, Card, Empty, Field, Problem, Select, Text } from "./ui.tsx";
import { canExplain } from "./why.tsx";

const OUTCOMES: Record<string, string> = {
  pool: tr("reaches a pool"),
  redirect: tr("is redirected"),
  reject: tr("is rejected"),
  no_member: tr("no member takes it"),
  no_pool: tr("there is no pool"),
  refused: tr("is refused"),
  denied: tr("is dropped"),
  wrong_protocol: tr("wrong protocol"),
  metrics: tr("metrics"),
  handshake: tr("TLS handshake fails"),
};

const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];

interface Form {
  method: string;
  url: string;
  headers: string;
  source: string;
  /** The client's certificate (PEM). */
  certificate: string;
}

/** Return the request that a form stands for. */
export function requestOf(form: Form): Body {
  const url = new URL(form.url);
  const scheme = url.protocol.replace(":", "");
  const request: Body = { method: form.method, scheme, host: url.hostname, path: url.pathname + url.search };
  if (url.port) request.port = Number(url.port);
  const headers: Record<string, string> = {};
  const cookies: Record<string, string> = {};
  for (const line of form.headers.split("\n")) {
    const [name = "", ...rest] = line.split(":");
    const value = rest.join(":").trim();
    if (!name.trim()) continue;
    if (name.trim().toLowerCase() === "cookie") {
      for (const cookie of value.split(";")) {
        const [key = "", ...parts] = cookie.split("=");
        if (key.trim()) cookies[key.trim()] = parts.join("=").trim();
      }
    } else headers[name.trim()] = value;
  }
  if (Object.keys(headers).length > 0) request.headers = headers;
  if (Object.keys(cookies).length > 0) request.cookies = cookies;
  if (form.source.trim()) request.source = form.source.trim();
  if (form.certificate.trim()) request.client_certificate = form.certificate.trim();
  return request;
}

function firstUrl(tree: Tree): string {
  const listener = tree.listeners.find((one) => one.protocol.includes("HTTP")) ?? tree.listeners[0];
  const host = tree.lb.vip_address.includes(":") ? `[${tree.lb.vip_address}]` : tree.lb.vip_address;
  if (!listener) return `http://${host}/`;
  const scheme = listener.protocol.includes("HTTPS") ? "https" : "http";
  return `${scheme}://${host}:${listener.protocol_port}/`;
}

export function Explain({ tree }: { tree: Tree }) {
  const [form, setForm] = useState<Form>({
    method: "GET",
    url: firstUrl(tree),
    headers: "",
    source: "",
    certificate: "",
  });
  const [answer, setAnswer] = useState<Body | null>(null);
  const [error, setError] = useState<unknown>(null);
  const [busy, setBusy] = useState(false);
  if (!canExplain()) return <Empty title={t("This server explains no requests.")} />;
  const ask = async (event: Event): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      const request = requestOf(form);
      const found = await change("POST", `${LBAAS}/loadbalancers/${tree.lb.id}/explain`, { request });
      setAnswer(found.explanation);
    } catch (failure) {
      setError(failure instanceof TypeError ? new Error(t("The address is no URL.")) : failure);
    }
    setBusy(false);
  };
  return (
    <>
      <Card title={t("Where would this request go?")}>
        <form class="form" onSubmit={ask}>
          <div class="request">
            <Select
              label={t("Method")}
              value={form.method}
              choices={METHODS.map((one) => ({ value: one, text: one }))}
              onChoose={(method) => setForm({ ...form, method })}
            />
            <Text value={form.url} name="url" required onText={(url) => setForm({ ...form, url })} />
            <Button kind="primary" type="submit" busy={busy}>
              {t("Explain")}
            </Button>
          </div>
          <details class="more-fields">
            <summary>{t("Headers, cookies, source address, client's certificate")}</summary>
            <div class="form">
              <Field label={t("Headers")} hint={t("One on each line, as Name: value.")}>
                <textarea
                  class="input mono"
                  onInput={(event) => setForm({ ...form, headers: event.currentTarget.value })}
                >
                  {form.headers}
                </textarea>
              </Field>
              <Field label={t("Source address")}>
                <Text value={form.source} onText={(source) => setForm({ ...form, source })} />
              </Field>
              <Field label={t("Client's certificate (PEM)")} hint={t("Without its key: only what the client shows.")}>
                <textarea
                  class="input mono"
                  onInput={(event) => setForm({ ...form, certificate: event.currentTarget.value })}
                >
                  {form.certificate}
                </textarea>
              </Field>
            </div>
          </details>
        </form>
        <Problem error={error} />
      </Card>
      {answer && <Answer answer={answer} />}
    </>
  );
}

function Answer({ answer }: { answer: Body }) {
  const good = answer.outcome === "pool" || answer.outcome === "redirect";
  return (
    <Card>
      <p class="explained">
        <Badge health={good ? "ok" : "bad"}>
          {t(OUTCOMES[answer.outcome] ?? answer.outcome)} {answer.status ?? ""}
        </Badge>
        <strong>{said(answer)}</strong>
      </p>
      {answer.location && <p class="mono">{answer.location}</p>}
      <ol class="trace">
        <li>
          <h3>{t("Listener")}</h3>
          {answer.listener ? titleOf("listener", answer.listener) : t("none")}
          {answer.tls && <p>{said(answer.tls)}</p>}
        </li>
        {answer.policies?.map((policy: Body) => (
          <li key={policy.id} class={policy.decides ? "decides" : policy.matched ? "" : "passed"}>
            <h3>
              {t("L7 policy")} {policy.position}: {policy.name || policy.action}
            </h3>
            <p>{said(policy)}</p>
            <ul>
              {policy.rules.map((rule: Body) => (
                <li key={rule.id}>
                  <Badge health={rule.matched ? "ok" : "off"}>
                    {rule.matched ? t("matches") : t("does not match")}
                  </Badge>{" "}
                  {said(rule)}
                </li>
              ))}
            </ul>
          </li>
        ))}
        {answer.pool && (
          <li>
            <h3>
              {t("Pool")} {answer.pool.name || answer.pool.id}
            </h3>
            {answer.persistence && <p>{said(answer.persistence)}</p>}
            <ul>
              {answer.members?.map((member: Body) => (
                <li key={member.id}>
                  <Badge health={member.takes ? "ok" : "off"}>{titleOf("member", member)}</Badge> {said(member)}
                </li>
              ))}
            </ul>
          </li>
        )}
      </ol>
      {answer.notes?.map((text: string) => (
        <p key={text} class="muted">
          {text}
        </p>
      ))}
    </Card>
  );
}

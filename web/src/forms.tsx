// The form of any resource: its fields come from the API's description.
import type { ComponentChildren } from "preact";
import { useId, useState } from "preact/hooks";
import type { Body } from "./api.ts";
import { label, t } from "./i18n.ts";
import { KINDS, type KindName, pathOf } from "./kinds.ts";
import { type Change, Review } from "./plan.tsx";
import { difference, type FieldSpec, fieldsOf, read, shown } from "./schema.ts";
import type { Tree } from "./tree.ts";
import { Button, Check, Dialog, Field, Loading, Problem, Select, Text, useLoaded } from "./ui.tsx";

/** Fields that a form leaves out: ids that are given, and whole resources inside others. */
const LEFT_OUT = new Set([
  "project_id",
  "tenant_id",
  "default_pool",
  "l7policies",
  "rules",
  "listeners",
  "pools",
  "members",
  "healthmonitor",
  "loadbalancer_id",
  "pool_id",
  "l7policy_id",
  "provider",
]);

/** What a new resource has where the form does not say. */
const DEFAULTS: Partial<Record<KindName, Body>> = {
  listener: { protocol: "HTTP", protocol_port: 80, admin_state_up: true },
  pool: { protocol: "HTTP", lb_algorithm: "ROUND_ROBIN", admin_state_up: true },
  member: { protocol_port: 80, weight: 1, admin_state_up: true },
  healthmonitor: { type: "HTTP", delay: 5, timeout: 3, max_retries: 3, admin_state_up: true },
  l7policy: { action: "REDIRECT_TO_POOL", admin_state_up: true },
  rule: { type: "PATH", compare_type: "STARTS_WITH", admin_state_up: true },
};

interface FormProps {
  kind: KindName;
  /** The resource to change, or null for a new one. */
  item: Body | null;
  /** The parents of a new resource, such as its load balancer. */
  given?: Body;
  tree?: Tree;
  onClose: () => void;
  onDone: (answer: Body) => void;
}

/** A dialog to create or change a resource: the form, then its plan. */
export function ResourceForm({ kind, item, given = {}, tree, onClose, onDone }: FormProps) {
  const one = KINDS[kind];
  const loaded = useLoaded(() => fieldsOf(`${one.schema}${item ? "Update" : "Create"}`), [kind]);
  const before: Body = item ?? { ...DEFAULTS[kind], ...given };
  const [values, setValues] = useState<Body>(before);
  const [wanted, setWanted] = useState<Change | null>(null);
  const [error, setError] = useState<unknown>(null);
  const title = item ? t("Change {name}", { name: item.name || t(one.title) }) : t(one.add);
  const submit = (event: Event): void => {
    event.preventDefault();
    const sent = item ? difference(item, values) : values;
    if (Object.keys(sent).length === 0) {
      setError(new Error(t("Nothing has changed.")));
      return;
    }
    if (kind === "member" || kind === "rule") delete sent[one.parent];
    setWanted({
      method: item ? "PUT" : "POST",
      path: item ? pathOf(kind, item) : one.collection(before[one.parent] ?? ""),
      body: { [one.root]: sent },
    });
  };
  if (wanted) {
    return (
      <Review
        title={title}
        change={wanted}
        action={item ? t("Apply") : t("Create")}
        onBack={() => setWanted(null)}
        onClose={onClose}
        onDone={onDone}
      >
        <Given body={wanted.body[one.root]} />
      </Review>
    );
  }
  const fields = (loaded.data ?? []).filter((field) => !LEFT_OUT.has(field.name) && !(field.name in given));
  const first = one.first
    .map((name) => fields.find((field) => field.name === name))
    .filter((field) => field !== undefined);
  const rest = fields.filter((field) => !one.first.includes(field.name));
  const draw = (field: FieldSpec): ComponentChildren => (
    <Input
      key={field.name}
      field={field}
      value={values[field.name]}
      tree={tree}
      onValue={(value) => setValues({ ...values, [field.name]: value })}
    />
  );
  return (
    <Dialog title={title} side onClose={onClose}>
      <Problem error={loaded.error} retry={loaded.again} />
      {!loaded.data && !loaded.error && <Loading />}
      <form class="form" onSubmit={submit}>
        {first.map(draw)}
        {rest.length > 0 && (
          <details class="more-fields">
            <summary>{t("More settings")}</summary>
            <div class="form">{rest.map(draw)}</div>
          </details>
        )}
        <Problem error={error} />
        <div class="dialog-foot inline">
          <Button onClick={onClose}>{t("Cancel")}</Button>
          <Button kind="primary" type="submit" disabled={!loaded.data}>
            {t("Review")}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

function Given({ body }: { body: Body }) {
  return (
    <table class="grid">
      <tbody>
        {Object.entries(body).map(([key, value]) => (
          <tr key={key}>
            <th scope="row">{label(key)}</th>
            <td class="mono">{typeof value === "object" ? JSON.stringify(value) : String(value)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

interface InputProps {
  field: FieldSpec;
  value: Body;
  tree?: Tree;
  onValue: (value: Body) => void;
}

/** The control of one field. */
export function Input({ field, value, tree, onValue }: InputProps) {
  const name = label(field.name);
  if (field.type === "bool") return <Check label={name} checked={value === true} onCheck={onValue} />;
  if (field.name === "weight") return <Weight value={value ?? 1} onValue={onValue} />;
  if (field.type === "group") return <Group field={field} value={value} onValue={onValue} />;
  if (field.type === "choices") return <Several field={field} value={value ?? []} onValue={onValue} />;
  const hint = HINTS[field.name]?.() ?? (field.type === "lines" ? t("One on each line.") : undefined);
  return (
    <Field label={field.required ? `${name} *` : name} hint={hint}>
      <Control field={field} value={value} tree={tree} onValue={onValue} />
    </Field>
  );
}

const HINTS: Record<string, () => string> = {
  insert_headers: () => t("One on each line, as X-Forwarded-For: true."),
  connection_limit: () => t("-1 is without limit."),
  allowed_cidrs: () => t("One network on each line; empty lets everyone in."),
  default_tls_container_ref: () => t("A reference of the key manager, or acme:www.example.org"),
};

function Control({ field, value, tree, onValue }: InputProps) {
  const [bad, setBad] = useState<string | null>(null);
  const id = useId();
  if (field.type === "choice") {
    const choices = (field.choices ?? []).map((one) => ({ value: String(one), text: String(one) }));
    if (!field.required) choices.unshift({ value: "", text: t("(default)") });
    return <Select value={String(value ?? "")} choices={choices} onChoose={(text) => onValue(read(field, text))} />;
  }
  if (tree && (field.name === "default_pool_id" || field.name === "redirect_pool_id")) {
    const choices = tree.pools.map((pool) => ({ value: pool.id, text: pool.name || pool.id }));
    return (
      <Select
        value={value ?? ""}
        choices={[{ value: "", text: t("(none)") }, ...choices]}
        onChoose={(text) => onValue(text || null)}
      />
    );
  }
  const change = (text: string): void => {
    try {
      setBad(null);
      onValue(read(field, text));
    } catch {
      setBad(t("This is no JSON."));
    }
  };
  if (field.type === "lines" || field.type === "map" || field.type === "json") {
    return (
      <>
        <textarea class="input mono" onChange={(event) => change(event.currentTarget.value)}>
          {shown(field, value)}
        </textarea>
        {bad && <span class="field-error">{bad}</span>}
      </>
    );
  }
  return (
    <Text
      value={shown(field, value)}
      type={field.type === "number" ? "number" : "text"}
      name={field.name}
      min={field.min}
      max={field.max}
      required={field.required}
      list={id}
      onText={change}
    />
  );
}

/** The weight of a member: a slider, and the number beside it. */
export function Weight({ value, onValue }: { value: number; onValue: (value: number) => void }) {
  return (
    <Field label={t("Weight")} hint={value === 0 ? t("0 gives it no new connections.") : undefined}>
      <span class="weight">
        <input
          type="range"
          min="0"
          max="256"
          value={value}
          aria-label={t("Weight")}
          onInput={(event) => onValue(Number(event.currentTarget.value))}
        />
        <input
          class="input"
          type="number"
          min="0"
          max="256"
          value={value}
          aria-label={t("Weight")}
          onInput={(event) => onValue(Math.max(0, Math.min(256, Number(event.currentTarget.value))))}
        />
      </span>
    </Field>
  );
}

function Several({ field, value, onValue }: { field: FieldSpec; value: Body[]; onValue: (value: Body) => void }) {
  return (
    <fieldset class="group">
      <legend>{label(field.name)}</legend>
      {(field.choices ?? []).map((one) => (
        <Check
          key={one}
          label={String(one)}
          checked={value.includes(one)}
          onCheck={(on) => onValue(on ? [...value, one] : value.filter((other) => other !== one))}
        />
      ))}
    </fieldset>
  );
}

/** An object inside a resource, such as session persistence: absent, or with fields of its own. */
function Group({ field, value, onValue }: { field: FieldSpec; value: Body; onValue: (value: Body) => void }) {
  const on = value !== null && value !== undefined;
  const start = (): Body => {
    const required = (field.fields ?? []).filter((one) => one.choices);
    return Object.fromEntries(required.map((one) => [one.name, one.choices?.[0]]));
  };
  return (
    <fieldset class="group">
      <legend>{label(field.name)}</legend>
      <Check label={t("Switched on")} checked={on} onCheck={(checked) => onValue(checked ? start() : null)} />
      {on &&
        (field.fields ?? []).map((one) => (
          <Input
            key={one.name}
            field={one}
            value={value[one.name]}
            onValue={(inner) => {
              const { [one.name]: _, ...others } = value;
              onValue(inner === null ? others : { ...others, [one.name]: inner });
            }}
          />
        ))}
    </fieldset>
  );
}

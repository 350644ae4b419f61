// The parts that all views are made of.
import { signal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { Failure } from "./api.ts";
import { t, tr } from "./i18n.ts";
import { Icon, type IconName } from "./icons.tsx";
import { type Health, healthOf } from "./rows.ts";

interface ButtonProps {
  children?: ComponentChildren;
  onClick?: (event: MouseEvent) => void;
  kind?: "primary" | "plain" | "danger" | "quiet";
  icon?: IconName;
  type?: "button" | "submit";
  disabled?: boolean;
  title?: string;
  busy?: boolean;
}

export function Button({
  children,
  onClick,
  kind = "plain",
  icon,
  type = "button",
  disabled,
  title,
  busy,
}: ButtonProps) {
  const only = !children && title ? title : undefined;
  return (
    <button
      type={type}
      class={`button ${kind}${only ? " only" : ""}`}
      onClick={onClick}
      disabled={disabled || busy}
      title={title}
      aria-label={only}
      aria-busy={busy}
    >
      {icon && <Icon name={icon} />}
      {children}
    </button>
  );
}

const WORDS: Record<string, string> = {
  ONLINE: tr("Online"),
  OFFLINE: tr("Offline"),
  DEGRADED: tr("Degraded"),
  ERROR: tr("Error"),
  DRAINING: tr("Draining"),
  NO_MONITOR: tr("Not checked"),
  ACTIVE: tr("Active"),
  PENDING_CREATE: tr("Being created"),
  PENDING_UPDATE: tr("Being changed"),
  PENDING_DELETE: tr("Being deleted"),
  DELETED: tr("Deleted"),
};

export function word(status: string): string {
  return t(WORDS[status] ?? status);
}

/** The status in colour, shape and word: the worse of the two statuses. */
export function Status({ provisioning, operating }: { provisioning: string; operating: string }) {
  const health = healthOf(provisioning, operating);
  const shown = provisioning === "ERROR" || provisioning.startsWith("PENDING") ? provisioning : operating;
  return <Badge health={health}>{word(shown)}</Badge>;
}

export function Badge({ health, children }: { health: Health; children: ComponentChildren }) {
  return (
    <span class={`badge ${health}`}>
      <span class="dot" aria-hidden="true" />
      {children}
    </span>
  );
}

export function Card(props: {
  title?: ComponentChildren;
  actions?: ComponentChildren;
  children: ComponentChildren;
  class?: string;
}) {
  return (
    <section class={`card ${props.class ?? ""}`}>
      {(props.title || props.actions) && (
        <header class="card-head">
          <h2>{props.title}</h2>
          <div class="actions">{props.actions}</div>
        </header>
      )}
      {props.children}
    </section>
  );
}

/** The frame of a table with `<tr>`s as its children; a wide one is scrolled sideways. `actions` adds a column. */
export function Table(props: { heads: string[]; actions?: boolean; class?: string; children: ComponentChildren }) {
  return (
    <div class="scroll">
      <table class={`grid ${props.class ?? ""}`}>
        <thead>
          <tr>
            {props.heads.map((head) => (
              <th key={head} scope="col">
                {head}
              </th>
            ))}
            {props.actions && (
              <th scope="col">
                <span class="sr-only">{t("Actions")}</span>
              </th>
            )}
          </tr>
        </thead>
        <tbody>{props.children}</tbody>
      </table>
    </div>
  );
}

export function Empty({ title, children }: { title: string; children?: ComponentChildren }) {
  return (
    <div class="empty">
      <p class="empty-title">{title}</p>
      {children}
    </div>
  );
}

export function Loading({ label = t("Loading…") }: { label?: string }) {
  return (
    <div class="loading" role="status">
      <span class="spinner" aria-hidden="true" />
      {label}
    </div>
  );
}

export function messageOf(error: unknown): string {
  if (error instanceof Failure) return t(error.message);
  return error instanceof Error ? error.message : String(error);
}

export function Problem({ error, retry }: { error: unknown; retry?: () => void }) {
  if (!error) return null;
  return (
    <div class="problem" role="alert">
      <Icon name="warn" />
      <p>{messageOf(error)}</p>
      {retry && <Button onClick={retry}>{t("Try again")}</Button>}
    </div>
  );
}

// --- short messages -----------------------------------------------------------------------------------------------

const notes = signal<{ id: number; text: string; bad: boolean }[]>([]);
let noteId = 0;

export function note(text: string, bad = false): void {
  noteId += 1;
  const one = { id: noteId, text, bad };
  notes.value = [...notes.value, one].slice(-4);
  setTimeout(() => dismiss(one.id), bad ? 12_000 : 5_000);
}

function dismiss(id: number): void {
  notes.value = notes.value.filter((one) => one.id !== id);
}

export function Notes() {
  return (
    <div class="notes" role="status" aria-live="polite">
      {notes.value.map((one) => (
        <div key={one.id} class={`note ${one.bad ? "bad" : ""}`}>
          <span>{one.text}</span>
          <Button kind="quiet" icon="close" title={t("Close")} onClick={() => dismiss(one.id)} />
        </div>
      ))}
    </div>
  );
}

// --- dialogs ------------------------------------------------------------------------------------------------------

interface DialogProps {
  title: ComponentChildren;
  onClose: () => void;
  children: ComponentChildren;
  footer?: ComponentChildren;
  side?: boolean;
  wide?: boolean;
}

/** A modal dialog, in the middle or at the side; Escape closes it. */
export function Dialog({ title, onClose, children, footer, side, wide }: DialogProps) {
  const element = useRef<HTMLDialogElement>(null);
  // Before the next key can come: an Escape between drawing and opening would be lost.
  useLayoutEffect(() => {
    const shown = element.current;
    if (shown && !shown.open) shown.showModal();
    return () => shown?.close();
  }, []);
  const close = (event: Event): void => {
    event.preventDefault();
    onClose();
  };
  // A browser may close a dialog without asking (a second Escape in a row); one that was removed has no element any more.
  const closed = (): void => {
    if (element.current) onClose();
  };
  return (
    <dialog
      ref={element}
      class={`dialog ${side ? "side" : ""} ${wide ? "wide" : ""}`}
      onCancel={close}
      onClose={closed}
    >
      <header class="dialog-head">
        <h2>{title}</h2>
        <Button kind="quiet" icon="close" title={t("Close")} onClick={onClose} />
      </header>
      <div class="dialog-body">{children}</div>
      {footer && <footer class="dialog-foot">{footer}</footer>}
    </dialog>
  );
}

// --- fields -------------------------------------------------------------------------------------------------------

export function Field(props: { label: string; hint?: string; error?: string; children: ComponentChildren }) {
  return (
    // biome-ignore lint/a11y/noLabelWithoutControl: the control is among the children
    <label class={`field ${props.error ? "wrong" : ""}`}>
      <span class="field-label">{props.label}</span>
      {props.children}
      {props.hint && <span class="hint">{props.hint}</span>}
      {props.error && <span class="field-error">{props.error}</span>}
    </label>
  );
}

interface TextProps {
  value: string;
  onText: (text: string) => void;
  name?: string;
  type?: "text" | "password" | "search" | "number" | "url";
  placeholder?: string;
  autocomplete?: string;
  autofocus?: boolean;
  required?: boolean;
  min?: number;
  max?: number;
  disabled?: boolean;
  list?: string;
}

export function Text({ value, onText, ...rest }: TextProps) {
  const more = rest as Record<string, unknown>;
  return <input class="input" value={value} onInput={(event) => onText(event.currentTarget.value)} {...more} />;
}

export interface Choice {
  value: string;
  text: string;
}

export function Select(props: {
  value: string;
  choices: readonly Choice[];
  onChoose: (value: string) => void;
  label?: string;
  disabled?: boolean;
}) {
  return (
    <select
      class="input"
      aria-label={props.label}
      disabled={props.disabled}
      onChange={(event) => props.onChoose(event.currentTarget.value)}
    >
      {props.choices.map((one) => (
        <option key={one.value} value={one.value} selected={one.value === props.value}>
          {one.text}
        </option>
      ))}
    </select>
  );
}

export function Check(props: { label: string; checked: boolean; onCheck: (checked: boolean) => void }) {
  return (
    <label class="check">
      <input type="checkbox" checked={props.checked} onChange={(event) => props.onCheck(event.currentTarget.checked)} />
      <span>{props.label}</span>
    </label>
  );
}

export function Tabs(props: { tabs: { key: string; text: string; href: string }[]; active: string }) {
  return (
    <nav class="tabs" aria-label={t("Parts of this page")}>
      {props.tabs.map((one) => (
        <a key={one.key} href={one.href} aria-current={one.key === props.active ? "page" : undefined}>
          {one.text}
        </a>
      ))}
    </nav>
  );
}

/** A list of names and values. */
export function Facts({ facts }: { facts: (readonly [string, ComponentChildren])[] }) {
  return (
    <dl class="facts">
      {facts.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}

/** Load something, again when `keys` change; the last result stays until the new one is there. */
export function useLoaded<T>(
  load: () => Promise<T>,
  keys: unknown[],
): { data?: T; error?: unknown; again: () => void } {
  const [state, setState] = useState<{ data?: T; error?: unknown }>({});
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    let current = true;
    load().then(
      (data) => current && setState({ data }),
      (error) => current && setState((before) => ({ data: before.data, error })),
    );
    return () => {
      current = false;
    };
  }, [...keys, turn]);
  return { ...state, again: () => setTurn((number) => number + 1) };
}

// Texts are written in English where they are used; German ones are looked up by them.
import { de } from "./de.ts";
import { language } from "./state.ts";

export type Values = Record<string, string | number>;

/** Return a text in the user's language, with `{names}` filled in. */
export function t(text: string, values: Values = {}): string {
  const found = language.value === "de" ? (de[text] ?? text) : text;
  return fill(found, values);
}

export function fill(text: string, values: Values): string {
  return text.replace(/\{(\w+)\}/g, (whole, name: string) => String(values[name] ?? whole));
}

/** Return an attribute's name as a label: `protocol_port` is "Protocol port". */
export function label(attribute: string): string {
  const words = attribute.replace(/_/g, " ").trim();
  const spelled = words.replace(/\b(vip|id|tls|sni|ca|crl|hsts|alpn|url|http|lb|qos|sg|ip|l7|tcp)\b/g, (word) =>
    word === "qos" ? "QoS" : word.toUpperCase(),
  );
  return t(spelled.charAt(0).toUpperCase() + spelled.slice(1));
}

/** Mark a text that reaches `t` by a variable, so that a test finds it. */
export const tr = (text: string): string => text;

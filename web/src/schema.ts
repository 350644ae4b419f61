// Forms from the API's own description (OpenAPI), so that they have every field that the API has.
import { type Body, send } from "./api.ts";

export type FieldType = "text" | "number" | "bool" | "choice" | "choices" | "lines" | "map" | "group" | "json";

export interface FieldSpec {
  name: string;
  type: FieldType;
  required: boolean;
  choices?: (string | number)[];
  min?: number;
  max?: number;
  longest?: number;
  fields?: FieldSpec[];
  hint?: string;
}

let described: Promise<Body> | null = null;

/** Return the fields of a schema such as `ListenerUpdate`. Throws Failure. */
export async function fieldsOf(schema: string): Promise<FieldSpec[]> {
  described ??= send("/load-balancer/openapi.json");
  try {
    const schemas = (await described).components.schemas;
    return specs(schemas, schema);
  } catch (error) {
    described = null;
    throw error;
  }
}

/** Return the fields of a schema among `schemas`. */
export function specs(schemas: Record<string, Body>, name: string): FieldSpec[] {
  const schema = schemas[name] ?? { properties: {} };
  const required: string[] = schema.required ?? [];
  return Object.entries(schema.properties ?? {}).map(([field, described]) => ({
    ...spec(schemas, field, described as Body),
    required: required.includes(field),
  }));
}

function spec(schemas: Record<string, Body>, name: string, described: Body): FieldSpec {
  const plain = notNull(described);
  const one: FieldSpec = { name, type: "text", required: false, hint: plain.description };
  if (plain.$ref) return { ...one, type: "group", fields: specs(schemas, plain.$ref.split("/").pop()) };
  if (plain.enum) return { ...one, type: "choice", choices: plain.enum };
  if (plain.type === "boolean") return { ...one, type: "bool" };
  if (plain.type === "integer" || plain.type === "number") {
    return { ...one, type: "number", min: plain.minimum, max: plain.maximum };
  }
  if (plain.type === "array") {
    const item = notNull(plain.items ?? {});
    if (item.enum) return { ...one, type: "choices", choices: item.enum };
    return { ...one, type: item.$ref ? "json" : "lines", hint: plain.description ?? item.description };
  }
  if (plain.type === "object") return { ...one, type: plain.additionalProperties ? "map" : "json" };
  return { ...one, longest: plain.maxLength };
}

/** Return a schema without the alternative null. */
function notNull(described: Body): Body {
  const others = described.anyOf?.filter((one: Body) => one.type !== "null");
  if (!others) return described;
  return others.length === 1 ? others[0] : { ...described, anyOf: undefined, type: others[0]?.type };
}

/** Return the text that a field shows for a value. */
export function shown(field: FieldSpec, value: unknown): string {
  if (value === null || value === undefined) return "";
  if (field.type === "lines" && Array.isArray(value)) return value.join("\n");
  if (field.type === "map") {
    return Object.entries(value as Record<string, unknown>)
      .map(([key, one]) => `${key}: ${one}`)
      .join("\n");
  }
  if (field.type === "json") return JSON.stringify(value, null, 1);
  return String(value);
}

/** Return the value of a typed text; null for an empty one. Throws SyntaxError for bad JSON. */
export function read(field: FieldSpec, text: string): unknown {
  const trimmed = text.trim();
  if (field.type === "lines") return lines(text);
  if (field.type === "map") {
    return Object.fromEntries(lines(text).map((line) => line.split(/:\s*/, 2).map((part) => part.trim())));
  }
  if (trimmed === "") return null;
  if (field.type === "number") return Number(trimmed);
  if (field.type === "json") return JSON.parse(trimmed);
  if (field.type === "choice" && typeof field.choices?.[0] === "number") return Number(trimmed);
  return text;
}

function lines(text: string): string[] {
  return text
    .split("\n")
    .map((line) => line.trim())
    .filter(Boolean);
}

/** Return the attributes that differ from those before. */
export function difference(before: Body, after: Body): Body {
  const changed: Body = {};
  for (const [key, value] of Object.entries(after)) {
    if (JSON.stringify(value ?? null) !== JSON.stringify(before[key] ?? null)) changed[key] = value;
  }
  return changed;
}

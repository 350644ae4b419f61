// Numbers and times as people read them.

const UNITS = ["", "k", "M", "G", "T"];

/** Return a number with three digits at most: 0, 0.4, 12, 1.2k. */
export function short(value: number): string {
  if (!Number.isFinite(value)) return "–";
  if (value === 0) return "0";
  let rest = Math.abs(value);
  let unit = 0;
  while (rest >= 999.5 && unit < UNITS.length - 1) {
    rest /= 1000;
    unit += 1;
  }
  const digits = rest < 0.095 ? 2 : rest < 9.95 ? 1 : 0;
  const text = rest < 0.005 ? "<0.01" : rest.toFixed(digits).replace(/\.0$/, "");
  return (value < 0 ? "-" : "") + text + UNITS[unit];
}

/** Return a number of bytes each second. */
export const bytes = (value: number): string => `${short(value)}B`;

/** Return how long ago a time was, in the largest fitting unit: 12 s, 5 min, 3 h, 2 d. */
export function age(seconds: number): string {
  if (seconds < 0) return "0 s";
  if (seconds < 90) return `${Math.round(seconds)} s`;
  if (seconds < 5400) return `${Math.round(seconds / 60)} min`;
  if (seconds < 129600) return `${Math.round(seconds / 3600)} h`;
  return `${Math.round(seconds / 86400)} d`;
}

/** Return the seconds since a time of the API, which is UTC without a zone. */
export function since(stamp: string | null | undefined, now = Date.now()): number {
  return stamp ? Math.max(0, (now - parse(stamp)) / 1000) : Number.NaN;
}

export function parse(stamp: string): number {
  return Date.parse(/[zZ]|[+-]\d\d:?\d\d$/.test(stamp) ? stamp : `${stamp}Z`);
}

/** Where English is written with days first and 24 hours. */
const LOCALES: Record<string, string> = { en: "en-GB" };

/** Return a time of the API in the user's zone. */
export function when(stamp: string | null | undefined, language: string): string {
  if (!stamp) return "–";
  return new Intl.DateTimeFormat(LOCALES[language] ?? language, { dateStyle: "medium", timeStyle: "medium" }).format(
    parse(stamp),
  );
}

/** Return the time of day of a time of the API, in the user's zone. */
export function moment(stamp: string, language: string): string {
  return new Intl.DateTimeFormat(LOCALES[language] ?? language, { timeStyle: "medium" }).format(parse(stamp));
}

export function clock(seconds: number, language: string): string {
  return new Intl.DateTimeFormat(LOCALES[language] ?? language, { hour: "2-digit", minute: "2-digit" }).format(
    seconds * 1000,
  );
}

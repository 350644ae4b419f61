// A sparkline: the last rates of one load balancer.
const WIDTH = 88;
const HEIGHT = 22;

/** Return the points of a line that fills the box; the highest value touches its top. */
export function points(values: readonly number[], width: number, height: number, top: number): string {
  if (values.length < 2) return "";
  const step = width / (values.length - 1);
  return values
    .map((value, index) => `${(index * step).toFixed(1)},${(height - 1 - (value / top) * (height - 2)).toFixed(1)}`)
    .join(" ");
}

export function Spark({ values, kind = "" }: { values: readonly number[]; kind?: string }) {
  const top = Math.max(...values, 0.001);
  const line = values.some((value) => value > 0) ? points(values, WIDTH, HEIGHT, top) : "";
  return (
    <svg class={`spark ${kind}`} width={WIDTH} height={HEIGHT} viewBox={`0 0 ${WIDTH} ${HEIGHT}`} aria-hidden="true">
      {line && <polygon points={`0,${HEIGHT} ${line} ${WIDTH},${HEIGHT}`} />}
      {line && <polyline points={line} />}
    </svg>
  );
}

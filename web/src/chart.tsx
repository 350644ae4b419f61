// A line chart: time to the right, several series, a legend, and the values under the pointer or the arrow keys.
import { useEffect, useRef, useState } from "preact/hooks";
import { clock, short } from "./format.ts";
import { t } from "./i18n.ts";
import { lineOf, ticks } from "./lines.ts";
import { language } from "./state.ts";

export interface Series {
  name: string;
  /** One value for each time; null where nothing is known. */
  values: (number | null)[];
}

interface ChartProps {
  title: string;
  unit?: string;
  times: number[];
  series: Series[];
  format?: (value: number) => string;
  /** The place of the first colour, so that errors are red. */
  colour?: number;
}

const HEIGHT = 190;
const LEFT = 46;
const RIGHT = 8;
const TOP = 10;
const BOTTOM = 24;
export const COLOURS = 8;

export function Chart({ title, unit = "", times, series, format = short, colour = 0 }: ChartProps) {
  const box = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(480);
  const [at, setAt] = useState<number | null>(null);
  useEffect(() => {
    const element = box.current;
    if (!element) return;
    const observer = new ResizeObserver(() => setWidth(element.clientWidth));
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  const highest = Math.max(0, ...series.flatMap((one) => one.values.map((value) => value ?? 0)));
  const marks = ticks(highest);
  const top = marks[marks.length - 1] ?? 1;
  const last = Math.max(1, times.length - 1);
  const x = (index: number): number => LEFT + (index / last) * (width - LEFT - RIGHT);
  const y = (value: number): number => TOP + (1 - value / top) * (HEIGHT - TOP - BOTTOM);
  const point = (event: PointerEvent): void => {
    const left = (event.currentTarget as Element).getBoundingClientRect().left;
    const index = Math.round(((event.clientX - left - LEFT) / (width - LEFT - RIGHT)) * last);
    setAt(Math.max(0, Math.min(times.length - 1, index)));
  };
  const key = (event: KeyboardEvent): void => {
    const step = event.key === "ArrowLeft" ? -1 : event.key === "ArrowRight" ? 1 : 0;
    if (!step) return;
    event.preventDefault();
    setAt(Math.max(0, Math.min(times.length - 1, (at ?? last) + step)));
  };
  const shown = at ?? times.length - 1;
  const time = times[shown];
  return (
    <figure class="chart">
      <figcaption>
        <strong>{title}</strong>
        {at !== null && time !== undefined && <span class="muted number">{clock(time, language.value)}</span>}
      </figcaption>
      <div
        ref={box}
        class="chart-box"
        tabIndex={0}
        role="slider"
        aria-valuenow={shown}
        aria-valuetext={summary(title, series, format)}
        aria-label={title}
        onKeyDown={key}
      >
        <svg width={width} height={HEIGHT} aria-hidden="true" onPointerMove={point} onPointerLeave={() => setAt(null)}>
          {marks.map((mark) => (
            <g key={mark}>
              <line class="grid-line" x1={LEFT} x2={width - RIGHT} y1={y(mark)} y2={y(mark)} />
              <text class="tick" x={LEFT - 8} y={y(mark) + 4} text-anchor="end">
                {format(mark)}
              </text>
            </g>
          ))}
          {labelled(times, width).map((index) => (
            <text key={index} class="tick" x={x(index)} y={HEIGHT - 6} text-anchor="middle">
              {clock(times[index] ?? 0, language.value)}
            </text>
          ))}
          {series.map((one, index) => (
            <path key={one.name} class={`series c${(index + colour) % COLOURS}`} d={lineOf(one.values, x, y)} />
          ))}
          {at !== null && <line class="cursor" x1={x(at)} x2={x(at)} y1={TOP} y2={HEIGHT - BOTTOM} />}
        </svg>
      </div>
      <ul class="legend">
        {series.map((one, index) => (
          <li key={one.name}>
            <span class={`swatch c${(index + colour) % COLOURS}`} aria-hidden="true" />
            {one.name}
            <strong class="number">
              {valueAt(one, shown, format)}
              {unit && ` ${unit}`}
            </strong>
          </li>
        ))}
      </ul>
    </figure>
  );
}

function valueAt(one: Series, index: number, format: (value: number) => string): string {
  const value = one.values[index];
  return value === null || value === undefined ? "–" : format(value);
}

function labelled(times: number[], width: number): number[] {
  const number = Math.max(2, Math.min(6, Math.floor(width / 110), times.length - 2));
  if (times.length < 4) return [];
  const step = (times.length - 1) / number;
  return [...new Set(Array.from({ length: number }, (_, index) => Math.round((index + 0.5) * step)))];
}

function summary(title: string, series: Series[], format: (value: number) => string): string {
  const parts = series.map((one) => {
    const known = one.values.filter((value) => value !== null);
    const most = known.length > 0 ? Math.max(...known) : 0;
    return t("{name}: now {now}, at most {most}", {
      name: one.name,
      now: format(known[known.length - 1] ?? 0),
      most: format(most),
    });
  });
  return `${title}. ${parts.join("; ")}`;
}

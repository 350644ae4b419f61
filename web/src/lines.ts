// The geometry of charts.

/** Return round numbers from 0 to the highest value or a little more, three or four steps. */
export function ticks(highest: number): number[] {
  if (!(highest > 0)) return [0, 1];
  const rough = highest / 3;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((one) => one * power).find((one) => one >= rough) ?? 10 * power;
  const found: number[] = [];
  for (let value = 0; value < highest + step * 0.999; value += step) found.push(Number(value.toPrecision(6)));
  return found;
}

/** Return the path of a line, broken where a value is missing. */
export function lineOf(values: (number | null)[], x: (index: number) => number, y: (value: number) => number): string {
  let path = "";
  let drawing = false;
  values.forEach((value, index) => {
    if (value === null || value === undefined) {
      drawing = false;
      return;
    }
    path += `${drawing ? "L" : "M"}${x(index).toFixed(1)},${y(value).toFixed(1)}`;
    drawing = true;
  });
  return path;
}

// Icons: single paths of 24 by 24, drawn with the colour of the text.
const PATHS = {
  balancer: "M4 12h6m0 0 7-6m-7 6h7m-7 0 7 6M19 6h.01M19 12h.01M19 18h.01M4 12h.01",
  host: "M4 5h16v6H4zM4 13h16v6H4zM8 8h.01M8 16h.01",
  amphora: "M9 3h6M10 3v3c-4 2-5 5-3 9l3 6h4l3-6c2-4 1-7-3-9V3",
  flavor: "M4 7h16M4 12h16M4 17h16M8 5v4M15 10v4M10 15v4",
  zone: "M12 21c5-6 7-8 7-12a7 7 0 1 0-14 0c0 4 2 6 7 12zM12 11a2 2 0 1 0 0-4 2 2 0 0 0 0 4z",
  quota: "M12 20a8 8 0 1 1 8-8M12 12l5-4",
  search: "M11 18a7 7 0 1 0 0-14 7 7 0 0 0 0 14zM20 20l-4-4",
  plus: "M12 5v14M5 12h14",
  close: "M6 6l12 12M18 6 6 18",
  edit: "M5 19l1-4L16 5l3 3L9 18zM14 7l3 3",
  trash: "M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13",
  swap: "M4 8h14l-3-3M20 16H6l3 3",
  sun: "M12 16a4 4 0 1 0 0-8 4 4 0 0 0 0 8zM12 3v2M12 19v2M3 12h2M19 12h2M5.6 5.6 7 7M17 17l1.4 1.4M5.6 18.4 7 17M17 7l1.4-1.4",
  moon: "M20 14a8 8 0 0 1-10-10 8 8 0 1 0 10 10z",
  auto: "M12 4a8 8 0 1 0 0 16zM12 4a8 8 0 0 1 0 16",
  out: "M10 5H5v14h5M14 8l4 4-4 4M18 12H9",
  down: "M6 9l6 6 6-6",
  right: "M9 6l6 6-6 6",
  up: "M6 15l6-6 6 6",
  lock: "M7 11h10v9H7zM9 11V8a3 3 0 0 1 6 0v3",
  clock: "M12 20a8 8 0 1 0 0-16 8 8 0 0 0 0 16zM12 8v4l3 2",
  check: "M5 13l4 4L19 7",
  warn: "M12 4 3 19h18zM12 10v4M12 16.5h.01",
  menu: "M4 7h16M4 12h16M4 17h16",
  drain: "M12 4v10M8 10l4 4 4-4M5 19h14",
  back: "M11 6l-6 6 6 6M5 12h14",
  copy: "M9 9h11v11H9zM15 9V4H4v11h5",
  help: "M12 20a8 8 0 1 0 0-16 8 8 0 0 0 0 16zM9.5 9.5a2.5 2.5 0 1 1 3.5 2.3c-.7.3-1 .8-1 1.7M12 16.5h.01",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name, size = 18 }: { name: IconName; size?: number }) {
  return (
    <svg class="icon" width={size} height={size} viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      <path d={PATHS[name]} />
    </svg>
  );
}

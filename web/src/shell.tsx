// The frame around every view: navigation, project, preferences.
import type { ComponentChildren } from "preact";
import { useEffect, useState } from "preact/hooks";
import { t, tr } from "./i18n.ts";
import { Icon, type IconName } from "./icons.tsx";
import { connection, forget, listen } from "./live.ts";
import { changeProject, go, language, link, logOut, may, route, session, type Theme, theme } from "./state.ts";
import { Button, messageOf, Notes, note, Select } from "./ui.tsx";

interface Place {
  key: string;
  text: string;
  icon: IconName;
  right: string;
}

const PLACES: Place[] = [
  { key: "", text: tr("Load balancers"), icon: "balancer", right: "loadbalancer:get_all" },
  { key: "hosts", text: tr("Hosts"), icon: "host", right: "host:get_all" },
  { key: "amphorae", text: tr("Amphorae"), icon: "amphora", right: "amphora:get_all" },
  { key: "flavors", text: tr("Flavors"), icon: "flavor", right: "flavor:post" },
  { key: "zones", text: tr("Zones"), icon: "zone", right: "availability-zone:post" },
  { key: "quotas", text: tr("Quotas"), icon: "quota", right: "quota:get_all-global" },
];

const THEMES: Theme[] = ["auto", "light", "dark"];
const THEME_ICONS: Record<Theme, IconName> = { auto: "auto", light: "sun", dark: "moon" };

export function Shell({ children }: { children: ComponentChildren }) {
  const [open, setOpen] = useState(false);
  const here = route.value[0] === "loadbalancers" ? "" : (route.value[0] ?? "");
  useEffect(() => setOpen(false), [route.value]);
  return (
    <div class="shell">
      <a class="skip" href="#content">
        {t("Skip to the content")}
      </a>
      <header class="top">
        <Button kind="quiet" icon="menu" title={t("Menu")} onClick={() => setOpen(!open)} />
        <a class="brand" href={link()}>
          <img src="/dashboard/assets/icon.svg" width="26" height="26" alt="" />
          <span>Hydria</span>
        </a>
        <Connection />
        <div class="space" />
        <Project />
        <Preferences />
      </header>
      <nav class={`side ${open ? "open" : ""}`} aria-label={t("Views")}>
        {PLACES.filter((place) => may(place.right)).map((place) => (
          <a
            key={place.key}
            href={link(...(place.key ? [place.key] : []))}
            aria-current={here === place.key ? "page" : undefined}
          >
            <Icon name={place.icon} />
            {t(place.text)}
          </a>
        ))}
      </nav>
      <main id="content" class="content" tabIndex={-1}>
        {children}
      </main>
      <Notes />
    </div>
  );
}

function Connection() {
  const state = connection.value;
  if (state === "live") return null;
  return (
    <span class="connection" role="status">
      {state === "lost" ? t("Connection lost, trying again…") : t("Connecting…")}
    </span>
  );
}

function Project() {
  const current = session.value;
  if (!current) return null;
  const choices = current.projects.map((one) => ({ value: one.id, text: one.name }));
  if (!choices.some((one) => one.value === current.project.id)) {
    choices.push({ value: current.project.id, text: current.project.name });
  }
  const choose = async (id: string): Promise<void> => {
    try {
      await changeProject(id);
      forget();
      listen();
      go(link());
    } catch (error) {
      note(messageOf(error), true);
    }
  };
  return <Select label={t("Project")} value={current.project.id} choices={choices} onChoose={choose} />;
}

function Preferences() {
  const next = THEMES[(THEMES.indexOf(theme.value) + 1) % THEMES.length] ?? "auto";
  const names: Record<Theme, string> = {
    auto: t("Colours: as the system"),
    light: t("Colours: light"),
    dark: t("Colours: dark"),
  };
  return (
    <div class="preferences">
      <Button
        kind="quiet"
        icon={THEME_ICONS[theme.value]}
        title={names[theme.value]}
        onClick={() => {
          theme.value = next;
        }}
      />
      <button
        type="button"
        class="button quiet language"
        title={language.value === "de" ? "English" : "Deutsch"}
        onClick={() => {
          language.value = language.value === "de" ? "en" : "de";
        }}
      >
        {language.value === "de" ? "DE" : "EN"}
      </button>
      <span class="user">{session.value?.user.name}</span>
      <Button kind="quiet" icon="out" title={t("Log out")} onClick={() => logOut().then(forget)} />
    </div>
  );
}

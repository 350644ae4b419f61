// The application: which view an address shows.
import { render, type VNode } from "preact";
import { useEffect } from "preact/hooks";
import { Amphorae } from "./amphorae.tsx";
import { Balancer } from "./balancer.tsx";
import { Hosts } from "./hosts.tsx";
import { t } from "./i18n.ts";
import { forget, listen } from "./live.ts";
import { Login } from "./login.tsx";
import { Flavors, Zones } from "./offers.tsx";
import { Overview } from "./overview.tsx";
import { Quotas } from "./quotas.tsx";
import { Shell } from "./shell.tsx";
import { findSession, followLinks, link, route, session } from "./state.ts";
import { Empty, Loading } from "./ui.tsx";
import { Wizard } from "./wizard.tsx";

const VIEWS: Record<string, () => VNode> = {
  new: () => <Wizard />,
  hosts: () => <Hosts />,
  amphorae: () => <Amphorae />,
  flavors: () => <Flavors />,
  zones: () => <Zones />,
  quotas: () => <Quotas />,
};

function View() {
  const [place, id] = route.value;
  if (place === "loadbalancers" && id) return <Balancer key={id} id={id} />;
  if (!place || place === "loadbalancers") return <Overview />;
  const view = VIEWS[place];
  if (view) return view();
  return (
    <Empty title={t("There is no such page.")}>
      <a class="button plain" href={link()}>
        {t("All load balancers")}
      </a>
    </Empty>
  );
}

function App() {
  const current = session.value;
  const watched = route.value[0] === "loadbalancers" ? (route.value[1] ?? "") : "";
  useEffect(() => {
    if (current) listen(watched);
    else forget();
  }, [current, watched]);
  if (current === undefined) return <Loading />;
  if (current === null) return <Login />;
  return (
    <Shell>
      <View />
    </Shell>
  );
}

document.addEventListener("click", followLinks);
void findSession();
const root = document.getElementById("app");
if (root) render(<App />, root);

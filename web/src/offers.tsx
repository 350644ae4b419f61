// What operators offer to users: flavors and availability zones, each with profiles that have the provider's options.
import { useState } from "preact/hooks";
import { type Body, change, get, LBAAS, list } from "./api.ts";
import { Ask, type Asked } from "./ask.tsx";
import { t, tr } from "./i18n.ts";
import { Badge, Button, Card, Check, Dialog, Field, Loading, Problem, Select, Table, Text, useLoaded } from "./ui.tsx";

/** The words and names of one kind of offer. */
interface Kind {
  title: string;
  add: string;
  none: string;
  keep: string;
  one: string;
  /** Names in the API. */
  root: string;
  plural: string;
  path: string;
  /** The attribute that is an offer's key in paths. */
  key: "id" | "name";
  profileRoot: string;
  profilePlural: string;
  profilePath: string;
  data: string;
  reference: string;
  capabilities: string;
  example: string;
}

const FLAVORS: Kind = {
  title: tr("Flavors"),
  one: tr("Flavor"),
  add: tr("Add a flavor"),
  none: tr("There are no flavors. A flavor needs a profile first."),
  keep: tr("Load balancers that have the flavor keep it."),
  root: "flavor",
  plural: "flavors",
  path: `${LBAAS}/flavors`,
  key: "id",
  profileRoot: "flavorprofile",
  profilePlural: "flavorprofiles",
  profilePath: `${LBAAS}/flavorprofiles`,
  data: "flavor_data",
  reference: "flavor_profile_id",
  capabilities: "flavor_capabilities",
  example: '{"loadbalancer_topology": "ACTIVE_STANDBY"}',
};

const ZONES: Kind = {
  title: tr("Availability zones"),
  one: tr("Availability zone"),
  add: tr("Add an availability zone"),
  none: tr("There are no availability zones. A zone needs a profile first."),
  keep: tr("Load balancers that are in the zone stay there."),
  root: "availability_zone",
  plural: "availability_zones",
  path: `${LBAAS}/availabilityzones`,
  key: "name",
  profileRoot: "availability_zone_profile",
  profilePlural: "availability_zone_profiles",
  profilePath: `${LBAAS}/availabilityzoneprofiles`,
  data: "availability_zone_data",
  reference: "availability_zone_profile_id",
  capabilities: "availability_zone_capabilities",
  example: '{"compute_zone": "zone-1"}',
};

export const Flavors = () => <Offers kind={FLAVORS} />;
export const Zones = () => <Offers kind={ZONES} />;

function Offers({ kind }: { kind: Kind }) {
  const loaded = useLoaded(async () => {
    const [offers, profiles] = await Promise.all([
      list(kind.path, kind.plural),
      list(kind.profilePath, kind.profilePlural),
    ]);
    return { offers, profiles };
  }, [kind]);
  const [asked, setAsked] = useState<Asked | null>(null);
  const [adding, setAdding] = useState<"offer" | "profile" | null>(null);
  const remove = (name: string, path: string): void =>
    setAsked({
      title: t("Delete {name}", { name }),
      text: t("This cannot be taken back."),
      action: t("Delete"),
      danger: true,
      change: { method: "DELETE", path },
    });
  if (loaded.error) return <Problem error={loaded.error} retry={loaded.again} />;
  if (!loaded.data) return <Loading />;
  const { offers, profiles } = loaded.data;
  return (
    <>
      <header class="page-head">
        <h1>{t(kind.title)}</h1>
        <div class="actions">
          <Button icon="plus" onClick={() => setAdding("profile")}>
            {t("Profile")}
          </Button>
          <Button kind="primary" icon="plus" disabled={profiles.length === 0} onClick={() => setAdding("offer")}>
            {t(kind.one)}
          </Button>
        </div>
      </header>
      <Card title={t(kind.title)}>
        {offers.length === 0 ? (
          <p class="muted">{t(kind.none)}</p>
        ) : (
          <Table heads={[t("Name"), t("Status"), t("Profile")]} actions>
            {offers.map((one) => (
              <Offer
                key={one[kind.key]}
                kind={kind}
                offer={one}
                profile={profiles.find((each) => each.id === one[kind.reference])}
                onAsk={setAsked}
                onRemove={remove}
              />
            ))}
          </Table>
        )}
      </Card>
      {profiles.length > 0 && (
        <Card title={t("Profiles")}>
          <Table heads={[t("Name"), t("Provider"), t("Data (JSON)")]} actions>
            {profiles.map((one) => (
              <tr key={one.id}>
                <th scope="row">{one.name}</th>
                <td>{one.provider_name}</td>
                <td class="mono">{one[kind.data]}</td>
                <td class="actions">
                  <Button
                    kind="danger"
                    icon="trash"
                    title={t("Delete {name}", { name: one.name })}
                    onClick={() => remove(one.name, `${kind.profilePath}/${one.id}`)}
                  />
                </td>
              </tr>
            ))}
          </Table>
        </Card>
      )}
      <Ask asked={asked} onClose={() => setAsked(null)} again={loaded.again} />
      {adding && (
        <Add
          kind={kind}
          what={adding}
          profiles={profiles}
          onClose={() => setAdding(null)}
          onDone={() => {
            setAdding(null);
            loaded.again();
          }}
        />
      )}
    </>
  );
}

interface OfferProps {
  kind: Kind;
  offer: Body;
  profile?: Body;
  onAsk: (asked: Asked) => void;
  onRemove: (name: string, path: string) => void;
}

function Offer({ kind, offer, profile, onAsk, onRemove }: OfferProps) {
  const path = `${kind.path}/${encodeURIComponent(offer[kind.key])}`;
  const verb = offer.enabled ? t("Disable") : t("Enable");
  const body = { [kind.root]: { enabled: !offer.enabled } };
  return (
    <tr>
      <th scope="row">
        {offer.name}
        <small class="muted">{offer.description}</small>
      </th>
      <td>
        <Badge health={offer.enabled ? "ok" : "off"}>{offer.enabled ? t("enabled") : t("disabled")}</Badge>
      </td>
      <td>
        {profile?.name}
        <small class="mono muted">{profile?.[kind.data]}</small>
      </td>
      <td class="actions">
        <Button
          onClick={() =>
            onAsk({ title: verb, text: t(kind.keep), action: t("Apply"), change: { method: "PUT", path, body } })
          }
        >
          {verb}
        </Button>
        <Button
          kind="danger"
          icon="trash"
          title={t("Delete {name}", { name: offer.name })}
          onClick={() => onRemove(offer.name, path)}
        />
      </td>
    </tr>
  );
}

interface AddProps {
  kind: Kind;
  what: "offer" | "profile";
  profiles: Body[];
  onClose: () => void;
  onDone: () => void;
}

function Add({ kind, what, profiles, onClose, onDone }: AddProps) {
  const [name, setName] = useState("");
  const [description, setDescription] = useState("");
  const [profile, setProfile] = useState<string>(profiles[0]?.id ?? "");
  const [data, setData] = useState(kind.example);
  const [enabled, setEnabled] = useState(true);
  const [error, setError] = useState<unknown>(null);
  const possible = useLoaded(async () => {
    const found = await get(`${LBAAS}/providers/amphora/${kind.capabilities}`);
    return found[kind.capabilities] as Body[];
  }, [kind]);
  const save = async (event: Event): Promise<void> => {
    event.preventDefault();
    try {
      if (what === "offer") {
        await change("POST", kind.path, { [kind.root]: { name, description, enabled, [kind.reference]: profile } });
      } else {
        const made = { name, provider_name: "amphora", [kind.data]: data };
        await change("POST", kind.profilePath, { [kind.profileRoot]: made });
      }
      onDone();
    } catch (failure) {
      setError(failure);
    }
  };
  return (
    <Dialog title={what === "offer" ? t(kind.add) : t("Add a profile")} onClose={onClose}>
      <form class="form" onSubmit={save}>
        <Field label={t("Name")}>
          <Text name="offer" value={name} onText={setName} required autofocus />
        </Field>
        {what === "offer" ? (
          <>
            <Field label={t("Description")}>
              <Text value={description} onText={setDescription} />
            </Field>
            <Field label={t("Profile")}>
              <Select
                value={profile}
                choices={profiles.map((one) => ({ value: one.id, text: one.name }))}
                onChoose={setProfile}
              />
            </Field>
            <Check label={t("Enabled")} checked={enabled} onCheck={setEnabled} />
          </>
        ) : (
          <Field label={t("Data (JSON)")}>
            <textarea class="input mono" onInput={(event) => setData(event.currentTarget.value)}>
              {data}
            </textarea>
          </Field>
        )}
        {what === "profile" && possible.data && (
          <details class="more-fields">
            <summary>{t("What it may have")}</summary>
            <dl class="capabilities">
              {possible.data.map((one) => (
                <div key={one.name}>
                  <dt class="mono">{one.name}</dt>
                  <dd>{one.description}</dd>
                </div>
              ))}
            </dl>
          </details>
        )}
        <Problem error={error} />
        <Button kind="primary" type="submit">
          {t("Create")}
        </Button>
      </form>
    </Dialog>
  );
}

// Quotas, for operators.
import { useState } from "preact/hooks";
import { change, get, LBAAS, list } from "./api.ts";
import { label, t } from "./i18n.ts";
import { Button, Card, Dialog, Empty, Field, Loading, Problem, Table, Text, useLoaded } from "./ui.tsx";

const LIMITS = ["load_balancer", "listener", "pool", "member", "health_monitor", "l7policy", "l7rule"];

export function Quotas() {
  const loaded = useLoaded(() => list(`${LBAAS}/quotas`, "quotas"), []);
  const [editing, setEditing] = useState<string | null>(null);
  if (loaded.error) return <Problem error={loaded.error} retry={loaded.again} />;
  if (!loaded.data) return <Loading />;
  return (
    <>
      <header class="page-head">
        <h1>{t("Quotas")}</h1>
        <Button kind="primary" icon="plus" onClick={() => setEditing("")}>
          {t("Quota of a project")}
        </Button>
      </header>
      {loaded.data.length === 0 ? (
        <Empty title={t("No project has a quota of its own; the defaults of the settings hold.")} />
      ) : (
        <Card>
          <Table heads={[t("Project"), ...LIMITS.map(label)]} actions>
            {loaded.data.map((quota) => (
              <tr key={quota.project_id}>
                <th scope="row" class="mono">
                  {quota.project_id}
                </th>
                {LIMITS.map((name) => (
                  <td key={name} class="number">
                    {quota[name] === -1 ? "∞" : (quota[name] ?? "–")}
                  </td>
                ))}
                <td class="actions">
                  <Button icon="edit" title={t("Change")} onClick={() => setEditing(quota.project_id)} />
                </td>
              </tr>
            ))}
          </Table>
        </Card>
      )}
      {editing !== null && (
        <EditQuota
          project={editing}
          onClose={() => setEditing(null)}
          onDone={() => {
            setEditing(null);
            loaded.again();
          }}
        />
      )}
    </>
  );
}

function EditQuota({ project, onClose, onDone }: { project: string; onClose: () => void; onDone: () => void }) {
  const [id, setId] = useState(project);
  const [values, setValues] = useState<Record<string, string>>({});
  const [error, setError] = useState<unknown>(null);
  const loaded = useLoaded(async () => (project ? (await get(`${LBAAS}/quotas/${project}`)).quota : {}), [project]);
  const act = async (work: () => Promise<unknown>): Promise<void> => {
    try {
      await work();
      onDone();
    } catch (failure) {
      setError(failure);
    }
  };
  const save = (event: Event): void => {
    event.preventDefault();
    const quota = Object.fromEntries(
      Object.entries(values)
        .filter(([, text]) => text !== "")
        .map(([name, text]) => [name, Number(text)]),
    );
    void act(() => change("PUT", `${LBAAS}/quotas/${encodeURIComponent(id)}`, { quota }));
  };
  return (
    <Dialog title={t("Quota of a project")} onClose={onClose}>
      <form class="form" onSubmit={save}>
        <Field label={label("project_id")}>
          <Text value={id} onText={setId} required disabled={Boolean(project)} />
        </Field>
        <div class="columns">
          {LIMITS.map((name) => (
            <Field key={name} label={label(name)} hint={t("-1 is without limit.")}>
              <Text
                type="number"
                min={-1}
                value={values[name] ?? String(loaded.data?.[name] ?? "")}
                onText={(text) => setValues({ ...values, [name]: text })}
              />
            </Field>
          ))}
        </div>
        <Problem error={error ?? loaded.error} />
        <div class="dialog-foot inline">
          {project && (
            <Button kind="danger" onClick={() => act(() => change("DELETE", `${LBAAS}/quotas/${project}`))}>
              {t("Back to the defaults")}
            </Button>
          )}
          <Button kind="primary" type="submit">
            {t("Apply")}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}

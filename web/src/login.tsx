// Log in with the cloud's users.
import { useState } from "preact/hooks";
import { t } from "./i18n.ts";
import { logIn } from "./state.ts";
import { Button, Field, Problem, Text } from "./ui.tsx";

export function Login() {
  const [user, setUser] = useState("");
  const [password, setPassword] = useState("");
  const [domain, setDomain] = useState("Default");
  const [project, setProject] = useState("");
  const [busy, setBusy] = useState(false);
  const [error, setError] = useState<unknown>(null);
  const submit = async (event: Event): Promise<void> => {
    event.preventDefault();
    setBusy(true);
    setError(null);
    try {
      await logIn({ user, password, domain, project });
    } catch (failure) {
      setError(failure);
      setBusy(false);
    }
  };
  return (
    <main class="login">
      <form class="card login-card" onSubmit={submit}>
        <div class="brand">
          <img src="/dashboard/assets/icon.svg" width="36" height="36" alt="" />
          <h1>Hydria</h1>
        </div>
        <p class="muted">{t("Log in with a user of your cloud.")}</p>
        <Field label={t("User")}>
          <Text value={user} onText={setUser} name="username" autocomplete="username" required autofocus />
        </Field>
        <Field label={t("Password")}>
          <Text
            value={password}
            onText={setPassword}
            name="password"
            type="password"
            autocomplete="current-password"
            required
          />
        </Field>
        <details class="more">
          <summary>{t("Domain and project")}</summary>
          <Field label={t("Domain")}>
            <Text value={domain} onText={setDomain} name="domain" />
          </Field>
          <Field label={t("Project")} hint={t("Empty: your default project.")}>
            <Text value={project} onText={setProject} name="project" />
          </Field>
        </details>
        <Problem error={error} />
        <Button kind="primary" type="submit" busy={busy}>
          {t("Log in")}
        </Button>
      </form>
    </main>
  );
}

// The dialog of something that an operator asked for: its plan, then the button that does it.
import { t } from "./i18n.ts";
import { type Change, Review } from "./plan.tsx";
import { note } from "./ui.tsx";

export interface Asked {
  title: string;
  text: string;
  action: string;
  change: Change;
  danger?: boolean;
}

export function Ask({ asked, onClose, again }: { asked: Asked | null; onClose: () => void; again: () => void }) {
  if (!asked) return null;
  return (
    <Review
      title={asked.title}
      change={asked.change}
      action={asked.action}
      danger={asked.danger}
      onClose={onClose}
      onDone={() => {
        onClose();
        note(t("Done."));
        again();
      }}
    >
      <p>{asked.text}</p>
    </Review>
  );
}

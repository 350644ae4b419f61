"""HAProxy's refusal of a configuration."""

import re

from hydria.errors import HostError

_ALERT = re.compile(r"^\[ALERT\]\s+\(\d+\)\s*:\s*(.*)$")


class Refused(HostError):
    """HAProxy refuses a configuration: `text` is the configuration, `alerts` are HAProxy's messages."""

    def __init__(self, text: str, alerts: list[str]) -> None:
        super().__init__(f"HAProxy cannot serve this: {'; '.join(alerts)[:500]}")
        self.text = text
        self.alerts = alerts


def alerts_in(said: str) -> list[str]:
    """Return the alerts in HAProxy's output without their decoration, or the whole output."""
    alerts = [match[1].strip() for line in said.splitlines() if (match := _ALERT.match(line))]
    # The last alert only says that there were others.
    useful = [alert for alert in alerts if "Exiting" not in alert and "Fatal errors" not in alert] or alerts
    return useful or [said.strip() or "it said nothing"]

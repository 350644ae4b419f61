"""What HAProxy says when it does not take a configuration."""

import re

from hydria.errors import HostError

_ALERT = re.compile(r"^\[ALERT\]\s+\(\d+\)\s*:\s*(.*)$")


class Refused(HostError):
    """HAProxy does not take a configuration: `text` is the configuration, `alerts` what it says of it."""

    def __init__(self, text: str, alerts: list[str]) -> None:
        super().__init__(f"HAProxy cannot serve this: {'; '.join(alerts)[:500]}")
        self.text = text
        self.alerts = alerts


def alerts_in(said: str) -> list[str]:
    """Return the alerts of HAProxy's start without their decoration, or all it said."""
    alerts = [match[1].strip() for line in said.splitlines() if (match := _ALERT.match(line))]
    # The last one only says that there were others.
    useful = [alert for alert in alerts if "Exiting" not in alert and "Fatal errors" not in alert] or alerts
    return useful or [said.strip() or "it said nothing"]

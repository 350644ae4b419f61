"""The dashboard at `/dashboard`: its pages, its sessions, and live events. What it shows comes from the APIs."""

from hydria.dashboard.service import Dashboard

__all__ = ["Dashboard"]

"""Where a request would go, decided as HAProxy decides it. Pure."""

from hydria.render.explain.decision import Explanation, explain
from hydria.render.explain.request import Request
from hydria.render.explain.tls import ListenerTls

__all__ = ["Explanation", "ListenerTls", "Request", "explain"]

"""Certificates by ACME: what references `acme:…` lead to, and the loop that gets and renews it."""

from hydria.controller.acme.certifier import Certifier
from hydria.controller.acme.references import AcmeSecrets, challenges_of

__all__ = ["AcmeSecrets", "Certifier", "challenges_of"]

"""Certificates by ACME: the references `acme:…`, and the loop that gets and renews their certificates."""

from hydria.controller.acme.certifier import Certifier
from hydria.controller.acme.references import AcmeSecrets, challenges_of

__all__ = ["AcmeSecrets", "Certifier", "challenges_of"]

"""A certificate authority over ACME (RFC 8555), such as Let's Encrypt, with HTTP-01 challenges. Its calls block."""

import threading
from collections.abc import Sequence
from datetime import datetime, timedelta

import requests
from acme import challenges, errors, messages
from acme.client import ClientNetwork, ClientV2
from acme.crypto_util import make_csr
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key
from josepy.jwa import ES256
from josepy.jwk import JWKEC

from hydria.errors import AuthorityError, SettingsError
from hydria.settings import AcmeSettings

# How long an authority may take to validate and issue, and to answer one request (seconds).
_ISSUE, _ANSWER = 90, 20

_ERRORS = (errors.Error, messages.Error, requests.RequestException, ValueError)


def new_account_key() -> bytes:
    """Return a new account key, as PEM."""
    return _pem(ec.generate_private_key(ec.SECP256R1()))


class AcmeAuthority:
    """Implements `hydria.protocols.CertificateAuthority` with one account, which the first order registers."""

    def __init__(self, settings: AcmeSettings, account_key: bytes) -> None:
        """The settings must have a `directory_url`; `account_key` is PEM. Raises SettingsError for a bad `cafile`."""
        if settings.cafile is not None and not settings.cafile.is_file():
            raise SettingsError(f"acme.cafile: there is no file {settings.cafile}")
        self._settings = settings
        key = load_pem_private_key(account_key, None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise SettingsError("acme-account.key in the state directory is no EC key. Remove it: a new one is made.")
        self._key = JWKEC(key=key)
        self._client: ClientV2 | None = None
        self._lock = threading.Lock()

    def order(self, names: Sequence[str]) -> "AcmeOrder":
        """Order a certificate for host names. Raises AuthorityError."""
        private = _pem(ec.generate_private_key(ec.SECP256R1()))
        try:
            with self._lock:
                client = self._client = self._client or self._log_in()
            return AcmeOrder(client, client.new_order(make_csr(private, list(names))), private)
        except _ERRORS as error:
            # The cause may be the account or the directory: the next order logs in again.
            self._client = None
            raise AuthorityError(f"{self._settings.directory_url} took no order: {_words(error)}") from None

    def _log_in(self) -> ClientV2:
        settings = self._settings
        network = ClientNetwork(self._key, alg=ES256, user_agent="hydria", timeout=_ANSWER)
        if settings.cafile is not None:
            network.verify_ssl = str(settings.cafile)  # type: ignore[assignment]
        directory = ClientV2.get_directory(settings.directory_url or "", network)
        client = ClientV2(directory, network)
        registration = messages.NewRegistration.from_data(email=settings.email, terms_of_service_agreed=True)
        try:
            client.new_account(registration)
        except errors.ConflictError as known:
            account = messages.RegistrationResource(uri=known.location, body=messages.Registration())
            network.account = account
        return client


class AcmeOrder:
    """Implements `hydria.protocols.CertificateOrder`."""

    def __init__(self, client: ClientV2, order: messages.OrderResource, private_key: bytes) -> None:
        """`private_key` is the certificate's, as PEM. Raises AuthorityError when a name has no HTTP-01 challenge."""
        self._client = client
        self._order = order
        self._private_key = private_key
        pending = [each for each in order.authorizations if each.body.status == messages.STATUS_PENDING]
        self._challenges = [_http_01(authorization) for authorization in pending]

    @property
    def challenges(self) -> dict[str, str]:
        key = self._client.net.key
        return {body.chall.encode("token"): body.chall.validation(key) for body in self._challenges}

    def finish(self) -> str:
        """Ask the authority to validate the challenges, and return the certificate. Raises AuthorityError."""
        try:
            for body in self._challenges:
                self._client.answer_challenge(body, body.chall.response(self._client.net.key))
            # The library compares this with the local time, which is naive.
            until = datetime.now() + timedelta(seconds=_ISSUE)
            order = self._client.poll_and_finalize(self._order, until)
        except errors.ValidationError as error:
            raise AuthorityError(_failed_challenges(error)) from None
        except _ERRORS as error:
            raise AuthorityError(f"The authority gave no certificate: {_words(error)}") from None
        return f"{order.fullchain_pem.rstrip()}\n{self._private_key.decode()}"


def _http_01(authorization: messages.AuthorizationResource) -> messages.ChallengeBody:
    for body in authorization.body.challenges:
        if isinstance(body.chall, challenges.HTTP01):
            return body
    name = authorization.body.identifier.value
    raise AuthorityError(
        f"The authority offers no HTTP-01 challenge for {name}, and an amphora can answer no other. Use a name without "
        "a wildcard, or another authority."
    )


def _failed_challenges(error: errors.ValidationError) -> str:
    reasons = [
        f"{authorization.body.identifier.value}: {_words(challenge.error)}"
        for authorization in error.failed_authzrs
        for challenge in authorization.body.challenges
        if challenge.error is not None
    ]
    return (
        f"The authority could not validate the names. {' '.join(reasons)} Each name must resolve to a VIP or "
        "floating IP of a load balancer that has this certificate, and its port 80 must be open to everybody."
    )


def _words(error: BaseException) -> str:
    if isinstance(error, messages.Error):
        return (error.detail or str(error)).rstrip(".") + "."
    return (str(error) or type(error).__name__).rstrip(".") + "."


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

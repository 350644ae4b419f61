"""A certificate authority over ACME (RFC 8555), such as Let's Encrypt; orders are proved by HTTP-01. For threads."""

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

# How long an authority may take for its proofs and to issue (seconds), and to answer one request.
_ISSUE, _ANSWER = 90, 20

_Trouble = (errors.Error, messages.Error, requests.RequestException, ValueError)


def new_account_key() -> bytes:
    """Return a new key for an account, as PEM."""
    return _pem(ec.generate_private_key(ec.SECP256R1()))


class AcmeAuthority:
    """Implements `hydria.protocols.CertificateAuthority` with one account, which is made at the first order."""

    def __init__(self, settings: AcmeSettings, account_key: bytes) -> None:
        """The settings have a `directory_url`; `account_key` is a PEM. Raises SettingsError for a bad `cafile`."""
        if settings.cafile is not None and not settings.cafile.is_file():
            raise SettingsError(f"acme.cafile: there is no file {settings.cafile}")
        self._settings = settings
        key = load_pem_private_key(account_key, None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise SettingsError("acme-account.key in the state directory is no EC key. Remove it: another is made.")
        self._key = JWKEC(key=key)
        self._client: ClientV2 | None = None
        self._turn = threading.Lock()

    def order(self, names: Sequence[str]) -> "AcmeOrder":
        """Ask for a certificate. Raises AuthorityError."""
        private = _pem(ec.generate_private_key(ec.SECP256R1()))
        try:
            with self._turn:
                client = self._client = self._client or self._log_in()
            return AcmeOrder(client, client.new_order(make_csr(private, list(names))), private)
        except _Trouble as error:
            # Whatever it was, the next order begins with the account.
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
        """`private_key` is the certificate's, as PEM. Raises AuthorityError for an order that HTTP-01 cannot prove."""
        self._client = client
        self._order = order
        self._private_key = private_key
        pending = [each for each in order.authorizations if each.body.status == messages.STATUS_PENDING]
        self._proofs = [_http_01(each) for each in pending]

    @property
    def challenges(self) -> dict[str, str]:
        """Key authorizations by token."""
        key = self._client.net.key
        return {each.chall.encode("token"): each.chall.validation(key) for each in self._proofs}

    def finish(self) -> str:
        """Have the proofs looked at and return the certificate. Raises AuthorityError."""
        try:
            for each in self._proofs:
                self._client.answer_challenge(each, each.chall.response(self._client.net.key))
            # The library compares with the local time.
            until = datetime.now() + timedelta(seconds=_ISSUE)
            order = self._client.poll_and_finalize(self._order, until)
        except errors.ValidationError as error:
            raise AuthorityError(_failed_proofs(error)) from None
        except _Trouble as error:
            raise AuthorityError(f"The authority gave no certificate: {_words(error)}") from None
        return f"{order.fullchain_pem.rstrip()}\n{self._private_key.decode()}"


def _http_01(authorization: messages.AuthorizationResource) -> messages.ChallengeBody:
    for each in authorization.body.challenges:
        if isinstance(each.chall, challenges.HTTP01):
            return each
    name = authorization.body.identifier.value
    raise AuthorityError(f"The authority does not take HTTP-01 for {name}, which is all that an amphora can answer.")


def _failed_proofs(error: errors.ValidationError) -> str:
    said = [
        f"{authorization.body.identifier.value}: {_words(challenge.error)}"
        for authorization in error.failed_authzrs
        for challenge in authorization.body.challenges
        if challenge.error is not None
    ]
    return (
        f"The authority could not see that the names are yours. {' '.join(said)} Each name must lead to a VIP or "
        "floating IP of a load balancer that has this certificate, and its port 80 must be open to everybody."
    )


def _words(error: BaseException) -> str:
    if isinstance(error, messages.Error):
        return (error.detail or str(error)).rstrip(".") + "."
    return (str(error) or type(error).__name__).rstrip(".") + "."


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())

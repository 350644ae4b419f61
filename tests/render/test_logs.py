"""The parser of the access log, and explanations of the ends of connections."""

import pytest

from hydria.render.haproxy.logs import ending, kind_of, parse, succeeded
from tests.support.trees import key, listener

LINE = (
    "<134>2026-11-26T23:13:04.123456+00:00 traffic listener=l client=2001:db8::7 client_port=43354 backend=p:l"
    ' member=m status=200 in=85 out=73 wait=0 connect=1 response=2 total=3 end=---- request="GET /a#22b?x=1 HTTP/1.1"'
)


def test_a_line_is_read_with_its_time_and_fields() -> None:
    entry = parse(LINE)
    assert entry is not None
    assert entry.at.isoformat() == "2026-11-26T23:13:04.123456+00:00"
    assert entry.fields["client"] == "2001:db8::7"
    # A client's own `status=` is not a field: it is in quotes, and only the first one counts.
    assert entry.fields["request"] == "GET /a#22b?x=1 HTTP/1.1"
    assert entry.fields["status"] == "200"


def test_text_of_a_client_is_not_a_field() -> None:
    entry = parse(LINE.replace("/a#22b?x=1", "/?status=500"))
    assert entry is not None
    assert entry.fields["status"] == "200"


def test_a_change_of_health_is_text() -> None:
    entry = parse("<133>2026-11-26T23:13:04.123456+00:00 Server p:l/m is DOWN. reason=x")
    assert entry is not None
    assert (entry.text, entry.fields) == ("Server p:l/m is DOWN. reason=x", {})


def test_half_a_line_is_skipped() -> None:
    assert parse('HTTP/1.1"') is None


@pytest.mark.parametrize(
    ("end", "said"),
    [
        ("cD--", "the client was silent for 50000 ms while data was passed: timeout_client_data"),
        ("cR--", "the client was silent for 50000 ms before the whole request was there: timeout_client_data"),
        ("sC--", "the member was silent for 5000 ms while the member was connected to: timeout_member_connect"),
        ("sH--", "the member was silent for 50000 ms before the member's answer was there: timeout_member_data"),
        ("SC--", "the member hung up or refused while the member was connected to"),
        ("CD--", "the client hung up while data was passed"),
    ],
)
def test_an_end_is_explained(end: str, said: str) -> None:
    why = ending({"end": end}, listener())
    assert why is not None
    assert why.startswith(said)
    if end[0] in "cs":
        option = said.rpartition(" ")[2].replace("_", "-")
        assert f"openstack loadbalancer listener set --{option} MILLISECONDS {key('1', 1)}" in why


def test_a_normal_end_has_no_explanation() -> None:
    assert ending({"end": "----"}, listener()) is None


@pytest.mark.parametrize(
    ("end", "status", "kind"),
    [("----", 200, "succeeded"), ("LR--", 302, "succeeded"), ("----", 404, "failed"), ("SH--", 502, "failed")],
)
def test_requests_succeeded_or_failed(end: str, status: int, kind: str) -> None:
    entry = parse(LINE.replace("end=----", f"end={end}").replace("status=200", f"status={status}"))
    assert entry is not None
    assert kind_of(entry, listener()) == kind
    assert succeeded(entry.text.join(("<134>2026-11-26T23:13:04.123456+00:00 ", ""))) == (status < 400)

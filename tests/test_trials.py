"""Expressions and ciphers are checked with HAProxy's libraries."""

import pytest

from hydria.trials import ciphers_fault, expression_fault


@pytest.mark.parametrize(
    "expression", ["(?a:x)", "(?u:a)", r"\u00e4", r"\N{BULLET}", "a{1,70000}", r"(a)\1", "[[:foo:]]", "(?<=a+)b"]
)
def test_an_expression_that_only_python_accepts_is_refused(expression: str) -> None:
    assert expression_fault(expression) is not None


@pytest.mark.parametrize("expression", ["^/(jpg|png)$", "a\tb", "\x01", "ä", "(?P<x>a)", "[[:alpha:]]+"])
def test_an_expression_that_both_accept_is_accepted(expression: str) -> None:
    assert expression_fault(expression) is None
    assert expression_fault(expression, caseless=True) is None


@pytest.mark.parametrize("ciphers", ["NOT-A-CIPHER", "TLS_NOPE", "TLS_NOPE:AES128-SHA", "!aNULL", "::", "@SECLEVEL=1"])
def test_ciphers_that_openssl_does_not_have_are_refused(ciphers: str) -> None:
    assert ciphers_fault(ciphers) is not None


@pytest.mark.parametrize(
    "ciphers", ["", "ALL:!aNULL@SECLEVEL=1", "ECDHE-RSA-AES256-GCM-SHA384:OLD", "TLS_AES_128_GCM_SHA256:TLS_NOPE"]
)
def test_one_known_cipher_is_enough(ciphers: str) -> None:
    assert ciphers_fault(ciphers) is None

"""Strategies for single values, hostile and borderline ones among them."""

from hypothesis import strategies as st

from hydria.model.tls import CIPHERS

# Texts that could end a word of HAProxy's language, or be evaluated in it.
HOSTILE = st.sampled_from(
    ["'", '"', "\\", " ", "#", "%[src]", "%{+Q}o", "%", "{", "}", "$HOME", "${HOME}", "}; nbproc 2", "-f", "--",
     "'\\''", "\\'", "global", " if TRUE", ",", "(", ")", "%%", "é", "\U0001f512", "a", "/", ".", ":", "=", "&", "!",
     "\t", "\x01", "\x1b", "\x7f", "\x85", "\u2028"]
)  # fmt: skip
TEXT = st.lists(HOSTILE, min_size=1, max_size=6).map("".join)
# Elements of regular expressions that only Python has, that only PCRE2 has, and that both have.
EXPRESSIONS = st.lists(
    st.sampled_from(
        ["(?a:x)", "(?u:a)", r"\u00e4", r"\N{BULLET}", "a{1,70000}", "a{65535}", "(a)", r"\1", "[", "]", "(?<=a+)", "|",
         "[[:alpha:]]", "[[:foo:]]", r"\d", r"\Z", "(?P<x>a)", "(?P=x)", "(?#", ")", "(?i)", "*", "+?", "^/(jpg|png)$"]
    ) | HOSTILE, min_size=1, max_size=4).map("".join)  # fmt: skip

_MANY = tuple(f"2001:db8:0:{number:x}:ffff:ffff:ffff:ffff/128" for number in range(3000))
_FEW_CIDRS = st.sampled_from([None, ("10.0.0.0/8",), ("2001:db8::/32", "192.0.2.1/32")])
# By their number, because Hypothesis writes the elements of a strategy into its reports.
CIDRS = _FEW_CIDRS | st.sampled_from([58, len(_MANY)]).map(lambda number: _MANY[:number])
VERSIONS = st.lists(st.sampled_from(["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"]), min_size=1, unique=True).map(tuple)
_CIPHER = [
    "TLS_AES_128_GCM_SHA256",
    "TLS_NOPE",
    "AES128-SHA",
    "NOT-A-CIPHER",
    "ALL",
    "!aNULL",
    "@SECLEVEL=1",
    "",
    "-",
    "x",
]
CIPHER_STRINGS = st.sampled_from([None, CIPHERS, ":".join([CIPHERS] * 6)]) | st.lists(
    st.sampled_from(_CIPHER), min_size=1, max_size=4
).map(":".join)
CODES = st.sampled_from(["200", "100-999", "200, 201 ,204", "200-100", "000", "999", "200-200"])
ALPN = st.sampled_from([None, ("h2", "http/1.1"), ("http/1.0",)])

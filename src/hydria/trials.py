"""Checks a user's regular expressions and ciphers with the libraries that HAProxy uses: PCRE2 and OpenSSL.

A server without PCRE2 accepts every expression that Python compiles. The host then reports one that HAProxy refuses
(`Report.troubles`).
"""

import ctypes
import ctypes.util
import ssl
from functools import cache

# HAProxy's options for conditions: groups are not captured, so back references are errors.
_CASELESS, _NO_AUTO_CAPTURE = 0x00000008, 0x00002000
# The most steps of one match.
_MOST_STEPS = 100_000
_JIT_COMPLETE, _JIT_BAD_OPTION = 1, -45

# OpenSSL's ciphers of TLS 1.3, which are configured separately from the others.
SUITES = frozenset(
    {
        "TLS_AES_128_GCM_SHA256",
        "TLS_AES_256_GCM_SHA384",
        "TLS_CHACHA20_POLY1305_SHA256",
        "TLS_AES_128_CCM_SHA256",
        "TLS_AES_128_CCM_8_SHA256",
    }
)


def expression_fault(expression: str, *, caseless: bool = False) -> str | None:
    """Return the error of PCRE2 for an expression, compiled with HAProxy's options, or None. None without PCRE2."""
    library = _pcre2()
    if library is None:
        return None
    text = expression.encode()
    number, offset = ctypes.c_int(), ctypes.c_size_t()
    options = _NO_AUTO_CAPTURE | (_CASELESS if caseless else 0)
    code = library.pcre2_compile_8(text, len(text), options, ctypes.byref(number), ctypes.byref(offset), None)
    if not code:
        return f"{_message(library, number.value)} at offset {offset.value}"
    try:
        answer = library.pcre2_jit_compile_8(code, _JIT_COMPLETE)
        return _message(library, answer) if answer not in (0, _JIT_BAD_OPTION) else None
    finally:
        library.pcre2_code_free_8(code)


def expression_matches(expression: str, text: str, *, caseless: bool = False) -> bool:
    """Return whether PCRE2 finds an expression in a text, with HAProxy's options. False without PCRE2.

    An expression that takes too many steps for a text matches nothing, so that no request keeps the server busy.
    """
    library = _pcre2()
    if library is None:
        return False
    pattern, subject = expression.encode(), text.encode()
    number, offset = ctypes.c_int(), ctypes.c_size_t()
    options = _NO_AUTO_CAPTURE | (_CASELESS if caseless else 0)
    code = library.pcre2_compile_8(pattern, len(pattern), options, ctypes.byref(number), ctypes.byref(offset), None)
    if not code:
        return False
    context, data = library.pcre2_match_context_create_8(None), library.pcre2_match_data_create_8(1, None)
    try:
        library.pcre2_set_match_limit_8(context, _MOST_STEPS)
        return bool(library.pcre2_match_8(code, subject, len(subject), 0, 0, data, context) >= 0)
    finally:
        library.pcre2_match_data_free_8(data)
        library.pcre2_match_context_free_8(context)
        library.pcre2_code_free_8(code)


def ciphers_fault(ciphers: str) -> str | None:
    """Return why OpenSSL cannot use a cipher string, or None. One known cipher of each kind is enough."""
    names = [name for name in ciphers.split(":") if name]
    suites = [name for name in names if name.startswith("TLS_")]
    others = [name for name in names if not name.startswith("TLS_")]
    if suites and not SUITES.intersection(suites):
        return f"OpenSSL has no cipher of TLS 1.3 called {', '.join(suites)}"
    if others:
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).set_ciphers(":".join(others))
        except ssl.SSLError:
            return f"OpenSSL has no cipher for {':'.join(others)}"
    if not names and ciphers:
        return "it names no cipher"
    return None


@cache
def _pcre2() -> ctypes.CDLL | None:
    name = ctypes.util.find_library("pcre2-8") or "libpcre2-8.so.0"
    try:
        library = ctypes.CDLL(name)
    except OSError:
        return None
    pointer = ctypes.c_void_p
    library.pcre2_compile_8.restype = pointer
    library.pcre2_compile_8.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_uint32, pointer, pointer, pointer]
    library.pcre2_jit_compile_8.argtypes = [pointer, ctypes.c_uint32]
    library.pcre2_code_free_8.argtypes = [pointer]
    for make in (library.pcre2_match_context_create_8, library.pcre2_match_data_create_8):
        make.restype = pointer
    library.pcre2_match_context_create_8.argtypes = [pointer]
    library.pcre2_match_context_free_8.argtypes = [pointer]
    library.pcre2_match_data_create_8.argtypes = [ctypes.c_uint32, pointer]
    library.pcre2_match_data_free_8.argtypes = [pointer]
    library.pcre2_set_match_limit_8.argtypes = [pointer, ctypes.c_uint32]
    library.pcre2_match_8.argtypes = [
        *(pointer, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_size_t),
        *(ctypes.c_uint32, pointer, pointer),
    ]
    library.pcre2_get_error_message_8.argtypes = [ctypes.c_int, ctypes.c_char_p, ctypes.c_size_t]
    return library


def _message(library: ctypes.CDLL, number: int) -> str:
    buffer = ctypes.create_string_buffer(256)
    library.pcre2_get_error_message_8(number, buffer, len(buffer))
    return buffer.value.decode(errors="replace")

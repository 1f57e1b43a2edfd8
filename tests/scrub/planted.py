"""Secrets of every form that are none, put together so that no scanner takes them for one."""

from __future__ import annotations

from typing import NamedTuple

LETTERS = "Zq7Rw2Yt9Xp4Vn8Lm3Kj6Hg1Fd5Sb0Ca"
"""Letters and digits as if drawn: 32 of them."""


class Planted(NamedTuple):
    """A text, and the part of it that must be gone."""

    text: str
    secret: str


def whole(secret: str) -> Planted:
    return Planted(f"see {secret} there", secret)


def _in(text: str, secret: str) -> Planted:
    return Planted(text.format(secret), secret)


PEM = "-----BEGIN {0}PRIVATE " + "KEY-----\nMIIE" + LETTERS + "\n" + LETTERS
FOUND: dict[str, list[Planted]] = {
    "private-key": [
        whole(PEM.format("RSA ") + "\n-----END RSA PRIVATE " + "KEY-----"),
        whole(PEM.format("OPENSSH ") + "\n-----END OPENSSH PRIVATE " + "KEY-----"),
        Planted("cut: " + PEM.format(""), PEM.format("")),
    ],
    "aws": [whole("AK" + "IA" + "Q7RW2YT9XP4VN8LM"), whole("AS" + "IA" + "Q7RW2YT9XP4VN8LM")],
    "github": [
        whole("gh" + "p_" + LETTERS + "Ab12"),
        whole("gh" + "s_" + LETTERS + "Ab12"),
        whole("github" + "_pat_" + LETTERS),
    ],
    "gitlab": [whole("gl" + "pat-" + LETTERS[:20]), whole("gl" + "rt-" + LETTERS[:20])],
    "slack": [
        whole("xo" + "xb-" + "1234567890-" + LETTERS),
        whole("xa" + "pp-1-" + LETTERS),
        _in("https://hooks.slack" + ".com/services/{}", "T0A1/B0A1/" + LETTERS[:24]),
    ],
    "stripe": [whole("sk_" + "live_" + LETTERS), whole("rk_" + "test_" + LETTERS)],
    "google": [
        whole("AI" + "za" + LETTERS + "x-_"),
        whole("GOC" + "SPX-" + LETTERS[:28]),
        whole("ya" + "29." + LETTERS),
    ],
    "anthropic": [whole("sk-" + "ant-api03-" + LETTERS)],
    "openai": [whole("sk-" + LETTERS), whole("sk-" + "proj-" + LETTERS)],
    "jwt": [whole("ey" + "J" + LETTERS + ".ey" + "J" + LETTERS + "." + LETTERS)],
    "authorization": [
        _in("Authorization: Bearer {}", LETTERS[:12]),
        _in("curl -H 'authorization: Basic {}'", "dXNlcjpwYXNz"),
        _in("bearer {}", "abc.def123"),
    ],
    "connection-string": [
        _in("postgres://app:{}@db.internal:5432/x", "hun" + "ter2"),
        _in("redis://:{}@cache", "p%40ss"),
        _in("amqp://u:{}@h/v", "a@b"),
        _in("mongodb+srv://u:{}@h", "x:y"),
    ],
    "password": [
        _in("password={}", "hun" + "ter2"),
        _in("DB_PASSWORD: {}", "hun" + "ter2"),
        _in('{{"password": "{}"}}', "hunter 2, with more"),
        _in('{{\\"password\\": \\"{}\\"}}', "hun" + "ter2"),
        _in("mysql --password {} -u x", "hun" + "ter2"),
        _in("the passwd := '{}'", "hunter two"),
        _in("https://h/?pwd={}&x=1", "hun" + "ter2"),
    ],
    "assigned-secret": [
        _in("AWS_SECRET_ACCESS_KEY={}", LETTERS + "/+aB12cd"),
        _in('"api_key": "{}"', LETTERS),
        _in("my-token = '{}'", LETTERS),
        _in("deploy --api-key {}", LETTERS),
        _in("AccountKey={};", LETTERS + "=="),
    ],
    "email": [
        whole("ann.bell+x@mail.corp.org"),
        whole("jörg@bücher.de"),
        _in("mailto:{}", "o'brien@corp.ie"),
        _in("https://h/?to={}", "ann%40corp.org"),
        _in("<{}>,", "a@b.co"),
    ],
    "phone": [
        whole("+49 151 2345 6789"),
        whole("+1 (415) 555-0132"),
        whole("(415) 555-0132"),
        whole("415-555-0132"),
        _in("tel:{}", "+4930123456"),
        Planted("+493012345678", "+493012345678"),
    ],
    "card": [
        whole("4111 1111 1111 1111"),
        whole("5555-5555-5555-4444"),
        whole("378282246310005"),
        _in("{} 12/27", "4111 1111 1111 1111"),
        _in("no 1234 {}", "4111111111111111"),
    ],
    "iban": [
        whole("DE89 3704 0044 0532 0130 00"),
        whole("GB82WEST12345698765432"),
        _in("{} BIC X", "NO93 8601 1117 947"),
    ],
    "ip": [whole("10.1.2.3"), whole("2001:db8::8a2e:370:7334"), whole("::1")],
}

LEFT: dict[str, list[str]] = {
    "private-key": ["-----BEGIN CERTIFICATE-----", "-----BEGIN PUBLIC KEY-----"],
    "aws": ["AKIASHORT", "xAK" + "IAQ7RW2YT9XP4VN8LM", "AKIMBO"],
    "github": ["ghp_short", "gh" + "p"],
    "gitlab": ["glass-blower-with-long-words", "glpat-short"],
    "slack": ["xoxo-kisses", "https://slack.com/help"],
    "stripe": ["sk_live_", "task_live_and_long_enough_words"],
    "google": ["AIzawa", "ya29"],
    "anthropic": ["sk-ant-short"],
    "openai": ["risk-assessment-for-long-names", "sk-learn-is-a-very-long-package-name"],
    "jwt": ["eyJ", "eyJhbGciOi is how they begin"],
    "authorization": ["Bearer of bad news", "authorization: required", "bearer certificates"],
    "connection-string": ["https://example.com:8080/a@b", "http://h/x", "see://ann@h"],
    "password": ["password: none", "password=${DB_PASSWORD}", "no password here", "password: ****"],
    "assigned-secret": ["max_tokens=65536", "token: the-word-itself", "api_key=short1", "secrets:"],
    "email": ["@ann", "pip install x@1.2.3", "a@b", "@app.route"],
    "phone": ["2026-11-23 02:36:00", "1+1234567890", "o-1041", "12345678901", "1.5e+10"],
    "card": ["4111 1111 1111 1112", "1764000000123", "1234567812345670", "41111111111111111111111"],
    "iban": ["DE89 3704 0044 0532 0130 01", "GB82WEST", "XX82WEST12345698765432"],
    "ip": ["1.2.3", "300.1.2.3", "12:34:56", "std::vector", "::"],
}

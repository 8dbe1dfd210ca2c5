"""Who may pass which door: signed links for applicants, a signed session for staff, same-site posts only."""

from __future__ import annotations

import hmac
from hashlib import sha256
from urllib.parse import urlsplit

from itsdangerous import BadSignature, URLSafeSerializer
from starlette.requests import Request

SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}


def sign(key: str, purpose: str, number: int) -> str:
    """A link's last part: names a record, and cannot be made or changed without the key."""
    return str(URLSafeSerializer(key, salt=purpose, signer_kwargs={"digest_method": sha256}).dumps(number))


def unsign(key: str, purpose: str, token: str) -> int | None:
    """The record a link names, or None if the link is not ours."""
    try:
        number = URLSafeSerializer(key, salt=purpose, signer_kwargs={"digest_method": sha256}).loads(token)
    except BadSignature:
        return None
    return number if isinstance(number, int) else None


def staff_key(key: str) -> str:
    """The word that lets staff in; printed when the server starts."""
    return hmac.new(key.encode(), b"staff", sha256).hexdigest()[:32]


def is_staff_key(key: str, said: str) -> bool:
    return hmac.compare_digest(staff_key(key).encode(), said.encode())


def from_own_pages(request: Request) -> bool:
    """Whether a form was sent from our own pages: what the browser says of its origin must not contradict it."""
    if request.method in SAFE_METHODS:
        return True
    if (site := request.headers.get("sec-fetch-site")) is not None:
        return site in {"same-origin", "none"}
    origin = request.headers.get("origin")
    return origin is None or urlsplit(origin).netloc == request.headers.get("host")

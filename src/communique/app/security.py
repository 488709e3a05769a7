"""Decide which requests are answered: the token, the Host and Origin headers, and the headers that protect every response.

Any page that a browser shows can send requests to a server on this computer. The token keeps such pages out. The check of the
Host header also keeps out pages whose own name was pointed to this computer (DNS rebinding), and the check of the Origin header
those that use a cookie which the browser sent along.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .problems import problem_response

#: Largest body of a request in bytes. Routes that receive files set a larger limit (`max_body_size`).
MAX_BODY = 2_000_000

#: Name of the parameter of the URL that contains the token.
TOKEN = "token"

#: Names under which a browser on this computer reaches the server.
LOCAL = ("127.0.0.1", "localhost", "[::1]")

#: Paths that need no token. They contain nothing from the project.
OPEN = ("/health", "/static/")

_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "frame-src 'self'",
        "frame-ancestors 'self'",
        "base-uri 'none'",
    )
)

#: Headers of every response. A response that sets one of them itself keeps its value.
HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    # With no-referrer, browsers would send "null" as the Origin of forms.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def new_token() -> str:
    """Return a random token."""
    return secrets.token_urlsafe(32)


def hosts_of(port: int, names: Collection[str] = LOCAL) -> frozenset[str]:
    """Return the values of the Host header that are accepted.

    Args:
        port: The port of the server.
        names: Names under which the server is reached.
    """
    return frozenset(f"{name}:{port}".lower() for name in names)


class Guard:
    """Refuse requests without the token or from other sites, and add the headers that protect every response.

    Args:
        app: The application.
        token: The token.
        hosts: Accepted values of the Host header, with the port.
        cookie: Name of the cookie that the token in a URL is exchanged for, or None if only bearer tokens are accepted. Cookies of
            all ports of a computer share one space of names.
    """

    def __init__(self, app: ASGIApp, *, token: str, hosts: frozenset[str], cookie: str | None) -> None:
        self._app, self._token, self._hosts, self._cookie = app, token, hosts, cookie

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        headers, path = Headers(scope=scope), scope["path"]

        replaced = False

        async def send_protected(message: Message) -> None:
            nonlocal replaced
            if replaced:
                return
            if message["type"] == "http.response.start":
                sent = MutableHeaders(scope=message)
                if message["status"] == 413 and sent.get("content-type", "").startswith("text/plain"):
                    # The limit of the framework answers with two words.
                    await refuse(413, "The request is too large.")
                    replaced = True
                    return
                for name, value in HEADERS.items():
                    sent.setdefault(name, value)
            await send(message)

        async def refuse(status: int, reason: str) -> None:
            await problem_response(scope, status, reason)(scope, receive, send_protected)

        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
        elif headers.get("host", "").lower() not in self._hosts:
            await refuse(
                403, "The name of the server in this request is not allowed. Open the address that the program printed."
            )
        elif not self._is_own_origin(headers):
            await refuse(403, "The request comes from a page of another site, so it was refused.")
        elif path.startswith(OPEN):
            await self._app(scope, receive, send_protected)
        elif self._cookie is not None and scope["method"] == "GET" and self._has_token_in_url(scope):
            response = RedirectResponse(_without_token(scope), 303)
            response.set_cookie(self._cookie, self._token, httponly=True, samesite="strict", path="/")
            await response(scope, receive, send_protected)
        elif self._is_known(scope, headers):
            await self._app(scope, receive, send_protected)
        elif self._cookie is None:
            await refuse(
                401,
                "The token is missing or wrong. Send the header Authorization: Bearer TOKEN with the token of this start.",
            )
        else:
            await refuse(
                401,
                "This page belongs to another start of the app, or the address lacks its token. Open the address that the program "
                "printed when it started.",
            )

    def _is_own_origin(self, headers: Headers) -> bool:
        """Return whether a request comes from a page of this server, from no page, or is a link that somebody followed."""
        if headers.get("sec-fetch-site") == "cross-site" and headers.get("sec-fetch-mode") != "navigate":
            return False
        origin = headers.get("origin")
        if origin is None:
            return True
        scheme, _, host = origin.partition("://")
        return scheme == "http" and host.lower() in self._hosts

    def _has_token_in_url(self, scope: Scope) -> bool:
        given = dict(parse_qsl(scope["query_string"].decode("latin-1"))).get(TOKEN)
        return given is not None and self._equal(given)

    def _is_known(self, scope: Scope, headers: Headers) -> bool:
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and self._equal(bearer.strip()):
            return True
        return self._cookie is not None and self._equal(HTTPConnection(scope).cookies.get(self._cookie, ""))

    def _equal(self, given: str) -> bool:
        return secrets.compare_digest(given.encode(), self._token.encode())


def _without_token(scope: Scope) -> str:
    """Return the path and the query of a URL without its token."""
    kept = [(name, value) for name, value in parse_qsl(scope["query_string"].decode("latin-1")) if name != TOKEN]
    # A path that begins with two slashes would be the address of another server.
    path = "/" + scope["path"].lstrip("/\\")
    return f"{path}?{urlencode(kept)}" if kept else path

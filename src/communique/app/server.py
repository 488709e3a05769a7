"""Build the application and run it on this computer."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import webbrowser
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path

import uvicorn
from fastapi import FastAPI, Response
from fastapi.telemetry import TelemetryConfig
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from .. import __version__
from ..errors import OutputError
from ..project import Project
from . import pages
from .api import make_router
from .context import Context, ContextArg, OpenProject
from .monitoring import LOG, Metrics, Monitor, start_logging
from .pages import openapi
from .problems import API, add_handlers
from .security import LOCAL, MAX_BODY, TOKEN, Guard, hosts_of, new_token

#: Address on which the server listens unless another one is named.
LOOPBACK = "127.0.0.1"

#: Seconds between two checks whether files of the project changed.
EVERY = 5.0

#: FastAPI must not send anything to a collector that the environment names.
_NO_TELEMETRY: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}


def create_app(
    project: Project | None,
    *,
    token: str,
    port: int,
    with_pages: bool,
    model: Path | None = None,
    names: Sequence[str] = LOCAL,
) -> ASGIApp:
    """Build the application.

    Args:
        project: The project, or None for a server that only labels texts.
        token: The token that every request needs.
        port: The port of the server.
        with_pages: Whether to include the pages. Otherwise, there is only the API, and only bearer tokens are accepted.
        model: Folder of the model of the API. Default: the shipped model.
        names: Names under which the server is reached.
    """
    context = Context(None if project is None else OpenProject(project, model), model, Metrics())

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with contextlib.AsyncExitStack() as stack:
            if context.opened is not None:
                stack.callback(context.opened.store.close)
                task = asyncio.create_task(_follow(context.opened))
                stack.callback(task.cancel)
            yield

    app = FastAPI(
        title="communique",
        version=__version__,
        docs_url=None,
        redoc_url=None,
        openapi_url=f"{API}/openapi.json",
        lifespan=lifespan,
        max_body_size=MAX_BODY,
        telemetry=_NO_TELEMETRY,
    )
    app.state.context = context
    add_handlers(app)
    app.include_router(make_router(project=project is not None))
    app.include_router(openapi.router)
    app.mount("/static", StaticFiles(packages=[("communique.app", "static")]), name="static")
    if with_pages:
        app.include_router(pages.make_router())

    @app.get("/health", include_in_schema=False)
    def health() -> dict[str, str]:
        return {"status": "ok", "version": __version__}

    @app.get("/metrics", include_in_schema=False)
    def metrics(context: ContextArg) -> Response:
        return Response(context.metrics.page(), media_type="text/plain; version=0.0.4; charset=utf-8")

    cookie = f"communique-{port}" if with_pages else None
    guard = Guard(app, token=token, hosts=hosts_of(port, names), cookie=cookie)
    return Monitor(guard, context.metrics)


async def _follow(opened: OpenProject) -> None:
    """Index what other programs change in the folder of the project."""
    while True:
        try:
            await asyncio.to_thread(opened.refresh)
        except Exception:
            LOG.exception("the index could not be brought up to date")
        await asyncio.sleep(EVERY)


def run(
    project: Project | None,
    *,
    host: str = LOOPBACK,
    port: int = 0,
    with_pages: bool,
    model: Path | None = None,
    token: str | None = None,
    names: Sequence[str] = (),
    ready: Callable[[str, str], None],
) -> None:
    """Run the server until it is stopped.

    Args:
        project: The project, or None for a server that only labels texts.
        host: Address on which the server listens.
        port: The port. Default: a free one.
        with_pages: Whether to include the pages.
        model: Folder of the model of the API. Default: the shipped model.
        token: The token. Default: a random one.
        names: Further names under which the server is reached.
        ready: Function that is called with the address and the token when the server accepts connections.

    Raises:
        OutputError: The port cannot be used.
    """
    listener = _listen(host, port)
    port, token = listener.getsockname()[1], token or new_token()
    own = {f"[{host}]" if ":" in host else host, *LOCAL, *names}
    app = create_app(project, token=token, port=port, with_pages=with_pages, model=model, names=sorted(own))
    start_logging()
    config = uvicorn.Config(
        app, log_config=None, access_log=False, server_header=False, proxy_headers=False, timeout_graceful_shutdown=5
    )
    shown = f"[{host}]" if ":" in host else host
    ready(f"http://{shown}:{port}/", token)
    uvicorn.Server(config).run(sockets=[listener])


def address_with_token(address: str, token: str) -> str:
    """Return the address that opens the app in a browser."""
    return f"{address}?{TOKEN}={token}"


def open_browser(address: str) -> None:
    """Open an address in the browser of the user. A computer without one is not an error."""
    with contextlib.suppress(webbrowser.Error):
        webbrowser.open(address)


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(2048)
    except OSError as error:
        raise OutputError(f"{host}, port {port}: {error.strerror}. Choose another --port, or omit it") from error
    return listener

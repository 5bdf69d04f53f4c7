"""Names the agent tool on every request of the Daytona SDK, in the header X-Crossfade-Tool.

Every request and websocket handshake of the SDK is built by `ApiClient.param_serialize` of one of four generated
packages. `install` wraps that method; the name comes from a context variable, so tools that run at once as asyncio
tasks do not see each other's. Nothing here can break a call: what it does not understand it leaves alone.
"""

import functools
import importlib
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

from crossfade_suna.tools import TOOLS, tool_of

__all__ = ["HEADER", "TOOLS", "current_tool", "install", "set_tool", "tool", "tool_of"]

HEADER = "X-Crossfade-Tool"
PACKAGES = (
    "daytona_api_client",
    "daytona_api_client_async",
    "daytona_toolbox_api_client",
    "daytona_toolbox_api_client_async",
)

_tool: ContextVar[str | None] = ContextVar("crossfade_tool", default=None)
_MARK = "__crossfade_suna__"


class SdkChanged(UserWarning):
    """The Daytona SDK is not built as it was: its requests go out without the header."""


def install() -> int:
    """Wrap the SDK's clients; doing it twice is doing it once. Returns how many are wrapped. Never raises."""
    wrapped = 0
    for package in PACKAGES:
        try:
            module = importlib.import_module(f"{package}.api_client")
        except ModuleNotFoundError:
            continue  # older SDKs have no toolbox packages
        except Exception as error:
            _warn(f"{package} could not be imported: {error!r}")
            continue
        client = getattr(module, "ApiClient", None)
        serialize = getattr(client, "param_serialize", None)
        if client is None or not callable(serialize):
            _warn(f"{package}.api_client.ApiClient.param_serialize is gone")
        elif hasattr(serialize, _MARK):
            wrapped += 1
        else:
            client.param_serialize = _naming(serialize, package)
            wrapped += 1
    if not wrapped:
        _warn("no Daytona SDK was found")
    return wrapped


def set_tool(name: str | None) -> None:
    """Name the tool (or SUNA function or class) for the rest of this task. None or an unknown name: no header."""
    _tool.set(None if name is None else tool_of(name))


@contextmanager
def tool(name: str | None) -> Iterator[None]:
    """Name the tool inside a with block."""
    token = _tool.set(None if name is None else tool_of(name))
    try:
        yield
    finally:
        _tool.reset(token)


def current_tool() -> str | None:
    """The tool that requests are named after now."""
    return _tool.get()


def _naming(serialize: Callable[..., Any], package: str) -> Callable[..., Any]:
    told = False

    @functools.wraps(serialize)
    def param_serialize(*arguments: Any, **named: Any) -> Any:
        nonlocal told
        request = serialize(*arguments, **named)
        if (current := _tool.get()) is not None:
            # (method, url, headers, body, form fields): the headers are a dict made for this request.
            if isinstance(request, tuple) and len(request) > 2 and isinstance(request[2], dict):
                request[2][HEADER] = current
            elif not told:
                told = True
                _warn(f"{package}.api_client.ApiClient.param_serialize returns something new")
        return request

    setattr(param_serialize, _MARK, True)
    return param_serialize


def _warn(what: str) -> None:
    message = (
        f"{what}: requests carry no {HEADER}, and crossfade tells tools apart by its own rules; update crossfade-suna"
    )
    try:
        warnings.warn(message, SdkChanged, stacklevel=3)
    except SdkChanged:
        pass  # warnings are errors here; a request matters more than its label

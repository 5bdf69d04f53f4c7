"""The SDK's blocking classes behind the words of its asynchronous ones, so that a scenario is written once.

Runs inside an SDK's environment. A call blocks a thread, not the loop; what differs between the two kinds of classes
(terminals are read by `wait`, streams are plain iterators) is bridged here and nowhere else.
"""

import asyncio
import inspect
import io

# Called without await in the asynchronous classes, too.
_PLAIN = {"is_connected", "create_lsp_server", "to_dict", "to_json"}
_OURS = (
    *("Daytona", "Sandbox", "FileSystem", "Process", "Git", "PtyHandle", "CodeInterpreter"),
    *("LspServer", "ComputerUse", "Mouse", "Keyboard", "Screenshot", "Display", "RecordingService", "Accessibility"),
    *("VolumeService", "SnapshotService", "SecretService", "WarmPoolService"),
)


def blocking(value):
    """A value of the SDK as its asynchronous kind would be; every other value as it is."""
    if type(value).__name__ in _OURS and "daytona" in type(value).__module__:
        return Terminal(value) if type(value).__name__ == "PtyHandle" else Blocking(value)
    if isinstance(value, list):
        return [blocking(each) for each in value]
    return value


def plain(value):
    """What the SDK itself is given."""
    return object.__getattribute__(value, "_it") if isinstance(value, Blocking) else value


class Blocking:
    """One of the SDK's objects."""

    def __init__(self, it):
        object.__setattr__(self, "_it", it)

    def __getattr__(self, name):
        value = getattr(self._it, name)
        if not callable(value) or inspect.isclass(value):
            return blocking(value)
        if name in _PLAIN:
            return lambda *args, **kwargs: blocking(value(*args, **kwargs))
        if inspect.iscoroutinefunction(value):  # a few are coroutines in these classes, too
            return value
        return lambda *args, **kwargs: Call(self._call(name, args, kwargs))

    async def _call(self, name, args, kwargs):
        loop = asyncio.get_running_loop()
        kwargs = {key: await _given(plain(each), loop) for key, each in kwargs.items()}
        # Terminals of these classes take no callback when they are made: they are read afterwards.
        on_data = kwargs.pop("on_data", None) if name in ("create_pty_session", "connect_pty_session") else None
        args = [await _given(plain(each), loop) for each in args]
        result = getattr(self._it, name)
        result = await asyncio.to_thread(result, *args, **kwargs)
        if inspect.iscoroutine(result):
            result = await result
        made = blocking(result)
        if isinstance(made, Terminal) and on_data is not None:
            made.read(on_data, loop)
        return made


class Call:
    """A call under way: awaited for its result, or gone through with `async for`."""

    def __init__(self, work):
        self._work = work

    def __await__(self):
        return self._result().__await__()

    async def _result(self):
        result = await self._work
        return Pieces(result) if hasattr(result, "__next__") else result

    async def __aiter__(self):
        async for each in Pieces(await self._work):
            yield each


class Pieces:
    """A plain iterator, each step of it in a thread."""

    def __init__(self, pieces):
        self._pieces = iter(pieces)

    def __aiter__(self):
        return self

    async def __anext__(self):
        ended = object()
        piece = await asyncio.to_thread(next, self._pieces, ended)
        if piece is ended:
            raise StopAsyncIteration
        return blocking(piece)


class Terminal(Blocking):
    """A terminal whose output is read by a thread from the start."""

    def read(self, on_data, loop):
        """Give its output to `on_data` from now on."""

        def heard(data):
            answer = on_data(data)
            if inspect.iscoroutine(answer):
                asyncio.run_coroutine_threadsafe(answer, loop).result()

        ended = loop.run_in_executor(None, lambda: self._it.wait(on_data=heard))
        ended.add_done_callback(lambda each: each.cancelled() or each.exception())
        object.__setattr__(self, "_ended", ended)

    async def wait(self, *args, **kwargs):
        """Its end."""
        ended = getattr(self, "_ended", None)
        return await ended if ended is not None else await self._call("wait", args, kwargs)


async def _given(value, loop):
    """An argument for a thread: callbacks come back to the loop, asynchronous streams are read to their end."""
    if inspect.isasyncgen(value):
        return io.BytesIO(b"".join([piece async for piece in value]))
    if inspect.iscoroutinefunction(value):
        return lambda *args: asyncio.run_coroutine_threadsafe(value(*args), loop).result()
    return value

"""Which public methods of the SDK's classes were called and how they ended, and which there are.

Runs inside an SDK's environment. Only what a scenario itself calls counts: what one method of the SDK does by another
has been looked at by nobody.
"""

import contextvars
import functools
import importlib
import inspect
import pkgutil

CLASSES = (
    *("Daytona", "Sandbox", "FileSystem", "Process", "Git", "PtyHandle", "CodeInterpreter"),
    *("LspServer", "ComputerUse", "Mouse", "Keyboard", "Screenshot", "Display", "RecordingService", "Accessibility"),
    *("VolumeService", "SnapshotService", "SecretService", "WarmPoolService"),
)
# "Class.method" -> "done", "failed" or both.
CALLED = {}
_INSIDE = contextvars.ContextVar("inside a call", default=False)


def there(sdk, *, blocking):
    """Every class of this kind, by its name without `Async`. A name that this SDK does not know is left out."""
    found = {}
    walked = [each.name for each in pkgutil.walk_packages(sdk.__path__, f"{sdk.__name__}.")]
    # Terminals' handles are in a folder that is no package, which is walked by.
    walked += [f"{sdk.__name__}.handle.{each}" for each in ("pty_handle", "async_pty_handle")]
    for module in walked:
        if "_client" in module:
            continue
        try:
            loaded = importlib.import_module(module)
        except ImportError:
            continue
        for name in CLASSES:
            each = getattr(loaded, name if blocking else f"Async{name}", None)
            if inspect.isclass(each) and each.__module__ == module:
                found[name] = each
    return found


def public(cls):
    """The names of the methods that the class itself offers, those of its data model left out."""
    own = [base for base in cls.__mro__ if "client" not in base.__module__ and "daytona" in base.__module__]
    return sorted(
        {
            name
            for base in own
            for name, value in vars(base).items()
            if not name.startswith(("_", "model_")) and inspect.isroutine(value)
        }
    )


def note(classes):
    """From now on every call of a public method is noted. Nothing else of it changes."""
    for short, cls in classes.items():
        for name in public(cls):
            method = inspect.getattr_static(cls, name)
            if isinstance(method, staticmethod | classmethod):
                continue
            setattr(cls, name, _noted(method, f"{short}.{name}"))


def ended(name, how):
    CALLED.setdefault(name, set()).add(how)


def _noted(method, name):
    @functools.wraps(method)
    def noted(*args, **kwargs):
        if _INSIDE.get():
            return method(*args, **kwargs)
        inside = _INSIDE.set(True)
        try:
            made = method(*args, **kwargs)
        except Exception:
            ended(name, "failed")
            raise
        finally:
            _INSIDE.reset(inside)
        if inspect.isawaitable(made):
            return _awaited(made, name)
        ended(name, "done")
        return made

    async def noted_async(*args, **kwargs):
        return await noted(*args, **kwargs)

    # The blocking classes' own coroutines are told from their other methods by this.
    return functools.wraps(method)(noted_async) if inspect.iscoroutinefunction(method) else noted


async def _awaited(made, name):
    inside = _INSIDE.set(True)
    try:
        result = await made
    except Exception:
        ended(name, "failed")
        raise
    finally:
        _INSIDE.reset(inside)
    ended(name, "done")
    return result

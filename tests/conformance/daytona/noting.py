"""Which public methods of the SDK's classes were called, and which there are. Runs inside an SDK's environment."""

import functools
import importlib
import inspect
import pkgutil

CLASSES = (
    *("Daytona", "Sandbox", "FileSystem", "Process", "Git", "PtyHandle", "CodeInterpreter"),
    *("LspServer", "ComputerUse", "VolumeService", "SnapshotService"),
)
CALLED = set()


def there(sdk, *, blocking):
    """Every class of this kind, by its name without `Async`. A name that this SDK does not know is left out."""
    found = {}
    for module in pkgutil.walk_packages(sdk.__path__, f"{sdk.__name__}."):
        if "_client" in module.name:
            continue
        try:
            loaded = importlib.import_module(module.name)
        except ImportError:
            continue
        for name in CLASSES:
            each = getattr(loaded, name if blocking else f"Async{name}", None)
            if inspect.isclass(each) and each.__module__ == module.name:
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


def _noted(method, name):
    @functools.wraps(method)
    def noted(*args, **kwargs):
        CALLED.add(name)
        return method(*args, **kwargs)

    if inspect.iscoroutinefunction(method):

        @functools.wraps(method)
        async def noted_async(*args, **kwargs):
            CALLED.add(name)
            return await method(*args, **kwargs)

        return noted_async
    return noted

"""Both sides, as the settings name them."""

from crossfade.stage import Origin
from crossfade.upstream import Upstream
from router.backends.daytona.backend import DaytonaBackend
from router.backends.e2b.backend import E2BBackend
from router.settings import Settings


def backends_of(settings: Settings, upstream: Upstream) -> dict[Origin, DaytonaBackend | E2BBackend]:
    """A backend for each side."""
    new = settings.new
    return {
        Origin.OLD: DaytonaBackend(upstream, base=settings.old.url, key=settings.old.key, origin=Origin.OLD),
        Origin.NEW: E2BBackend(
            upstream,
            api_url=new.url or f"https://api.{new.domain}",
            sandbox_url=new.sandbox_url or None,
            domain=new.domain,
            key=new.key,
            templates=new.templates,
            origin=Origin.NEW,
            user=new.user,
            home_dir=new.home_dir,
            work_dir=new.work_dir,
            # Behind links of ours nobody needs the provider's own; without them clients get those.
            private_ports=bool(settings.preview.domain or settings.preview.path),
        ),
    }

"""One request of somebody who is signed in, and the guard that makes sure of it."""

import hmac
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit

from jinja2 import Environment
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from router.dashboard import words
from router.dashboard.api import AdminApi, Problem
from router.dashboard.attempts import Attempts
from router.dashboard.oidc import Provider
from router.dashboard.sessions import Session, Sessions
from router.dashboard.users import Role, User, Users

_MOST_FORM = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """What all requests share."""

    api: AdminApi
    users: Users
    sessions: Sessions
    attempts: Attempts  # by name
    addresses: Attempts
    templates: Environment
    public_url: str = ""
    provider: Provider | None = None
    passwords: bool = True

    def user_of(self, session: Session) -> User | None:
        """Whose session it is; None once a user of the file is gone."""
        if session.role is not None:
            return User(name=session.name, role=session.role, hash="", made_at=session.made_at)
        return self.users.all().get(session.name)

    @property
    def cookie(self) -> str:
        """The session cookie's name. Its prefix makes browsers refuse it from anywhere but this host, over TLS."""
        return "__Host-crossfade-session" if self.secure else "crossfade-session"

    @property
    def secure(self) -> bool:
        return self.public_url.startswith("https://")

    def render(self, request: Request, template: str, *, status: int = 200, **values: Any) -> Response:
        """A page in the reader's language and theme."""
        language = words.language_of(
            request.cookies.get("crossfade-language", ""), request.headers.get("accept-language", "")
        )
        theme = request.cookies.get("crossfade-theme", "")
        here = quote(request.url.path + (f"?{request.url.query}" if request.url.query else ""), safe="")
        text = self.templates.get_template(template).render(
            t=lambda text, **values: words.said(language, text, **values),
            percent=lambda share: words.percent(share, language),
            count=lambda number: words.count(number, language),
            moment=words.moment,
            language=language,
            theme=theme if theme in ("light", "dark") else "auto",
            here=here,
            path=request.url.path,
            query=request.query_params,
            **values,
        )
        return HTMLResponse(text, status_code=status)


@dataclass(frozen=True, slots=True)
class Visit:
    """Who asks, for what."""

    house: House
    request: Request
    user: User
    session: Session
    form: Mapping[str, str] = field(default_factory=dict)

    @property
    def api(self) -> AdminApi:
        return self.house.api

    @property
    def query(self) -> Mapping[str, str]:
        return self.request.query_params

    @property
    def operator(self) -> bool:
        return self.user.role is Role.OPERATOR

    def named(self, name: str) -> str:
        """A part of the path."""
        return str(self.request.path_params[name])

    def signed(self, **body: object) -> dict[str, object]:
        """The body of a change: who signs it is who is signed in, whatever the form says."""
        return {**body, "author": self.user.name, "reason": self.form.get("reason", "").strip()}

    def page(self, template: str, *, status: int = 200, **values: Any) -> Response:
        """A page."""
        known = {"user": self.user, "operator": self.operator, "csrf": self.session.csrf}
        return self.house.render(self.request, template, status=status, **known, **values)


Serve = Callable[[Visit], Awaitable[Response]]
Answer = Callable[[Request], Awaitable[Response]]


def guarded(house: House, serve: Serve, *, changes: bool = False) -> Answer:
    """Serve whoever is signed in. What `changes` something is an operator's, and comes from a form of ours."""

    async def answer(request: Request) -> Response:
        session = house.sessions.of(request.cookies.get(house.cookie, ""))
        user = house.user_of(session) if session else None
        if session is None or user is None or user.made_at != session.made_at:
            there = request.url.path + (f"?{request.url.query}" if request.url.query else "")
            target = f"/login?next={quote(there, safe='')}" if request.method == "GET" else "/login"
            return RedirectResponse(target, status_code=303)
        visit = Visit(house, request, user, session)
        if request.method == "POST":
            form = await form_of(request)
            visit = Visit(house, request, user, session, form)
            if not same_origin(house, request) or not hmac.compare_digest(
                form.get("csrf", "").encode(), session.csrf.encode()
            ):
                return refuse(visit, 403, "This form did not come from a page of yours here; open the page again.")
        if changes and not visit.operator:
            return refuse(visit, 403, "You may look, but not change anything: your role is viewer.")
        try:
            return await serve(visit)
        except Problem as problem:
            # 401 and 403 of the router are about the dashboard's token, not about this person's sign-in.
            status = problem.status if problem.status in (400, 404, 409) else 503
            return visit.page("problem.html", status=status, title="The router did not do it", text=str(problem))

    return answer


def refuse(visit: Visit, status: int, text: str) -> Response:
    """A page that says why not."""
    return visit.page("problem.html", status=status, title="Refused", text=text, ours=True)


async def form_of(request: Request) -> Mapping[str, str]:
    """Fields of a form; none of one that is too large or no text."""
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > _MOST_FORM:
            return {}
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True))
    except (UnicodeDecodeError, ValueError):
        return {}


def same_origin(house: House, request: Request) -> bool:
    """Whether a browser says that the form was on a page of ours; browsers that say nothing have only the token."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = request.headers.get("origin")
    if origin is None:
        return True
    host = urlsplit(origin).netloc
    return host in (request.headers.get("host", ""), urlsplit(house.public_url).netloc) and bool(host)


def safe_target(text: str) -> str:
    """Where to go on: a path of ours, never another host."""
    fine = text.startswith("/") and not text.startswith("//") and "\\" not in text and text.isprintable()
    return text if fine else "/"

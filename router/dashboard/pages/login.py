"""Signing in and out, and the choice of language and colours."""

import asyncio
import hmac
import secrets
from collections.abc import Sequence
from urllib.parse import urlsplit

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from router.dashboard.oidc import CALLBACK, NotSignedIn
from router.dashboard.visit import House, Visit, form_of, guarded, safe_target, same_origin
from router.dashboard.words import LANGUAGES

_AT_ONCE = 2  # passwords that are looked at: each takes 64 MiB for tens of milliseconds
_FORM = "crossfade-form"
_BROWSER = "crossfade-sign-in"
_BEGUN_SECONDS = 600
_YEAR = 365 * 86_400


def provider_name(house: House) -> str:
    """What stands on the button; empty where there is no provider."""
    if house.provider is None:
        return ""
    return house.provider.settings.name or urlsplit(house.provider.settings.issuer).hostname or ""


def routes(house: House) -> Sequence[Route]:
    """/login, /logout, /preferences, and the way to an identity provider and back."""
    looking = asyncio.Semaphore(_AT_ONCE)

    async def show(request: Request) -> Response:
        return form(request)

    def form(request: Request, *, status: int = 200, problem: str = "", wait: int = 0, name: str = "") -> Response:
        token = request.cookies.get(_FORM) or secrets.token_urlsafe(24)
        values = {"problem": problem, "wait": wait, "name": name, "form_token": token, "user": None, "csrf": ""}
        values |= {"provider": provider_name(house), "passwords": house.passwords}
        values["next"] = safe_target(request.query_params.get("next", "/"))
        answer = house.render(request, "login.html", status=status, operator=False, **values)
        answer.set_cookie(_FORM, token, httponly=True, samesite="strict", secure=house.secure)
        return answer

    async def to_provider(request: Request) -> Response:
        if house.provider is None:
            return RedirectResponse("/login", status_code=303)
        try:
            address, browser = await house.provider.begin(safe_target(request.query_params.get("next", "/")))
        except NotSignedIn as refused:
            return form(request, status=503, problem=str(refused))
        done = RedirectResponse(address, status_code=303)
        # Lax: the provider's answer comes from another site.
        done.set_cookie(_BROWSER, browser, max_age=_BEGUN_SECONDS, httponly=True, samesite="lax", secure=house.secure)
        return done

    async def from_provider(request: Request) -> Response:
        if house.provider is None:
            return RedirectResponse("/login", status_code=303)
        try:
            person, target = await house.provider.finish(request.query_params, request.cookies.get(_BROWSER, ""))
        except NotSignedIn as refused:
            return form(request, status=403, problem=str(refused))
        # A page, and no redirect: a browser that comes from another site would not send a strict cookie on with it.
        done = house.render(request, "welcome.html", user=None, operator=False, csrf="", target=safe_target(target))
        done.delete_cookie(_BROWSER, secure=house.secure, httponly=True, samesite="lax")
        value = house.sessions.begin(person.name, 0.0, person.role)
        done.set_cookie(house.cookie, value, httponly=True, samesite="strict", secure=house.secure, path="/")
        return done

    async def sign_in(request: Request) -> Response:
        if not house.passwords:
            return form(request, status=403, problem="Passwords are switched off here.")
        told = await form_of(request)
        name, password = told.get("name", "").strip(), told.get("password", "")
        token = request.cookies.get(_FORM, "")
        fits = token and hmac.compare_digest(told.get("form", "").encode(), token.encode())
        if not fits or not same_origin(house, request):
            return form(request, status=403, problem="This form has grown old; try again.", name=name)
        address = request.client.host if request.client else ""
        if wait := max(house.attempts.wait_seconds(name), house.addresses.wait_seconds(address)):
            answer = form(request, status=429, problem="Too many wrong passwords.", wait=wait, name=name)
            answer.headers["Retry-After"] = str(wait)
            return answer
        house.attempts.begin(name)
        house.addresses.begin(address)
        async with looking:
            user = await asyncio.to_thread(house.users.signs_in, name, password)
        if user is None:
            return form(request, status=401, problem="Name or password is wrong.", name=name)
        house.attempts.forget(name)
        house.addresses.take_back(address)
        value = house.sessions.begin(user.name, user.made_at)
        done = RedirectResponse(safe_target(request.query_params.get("next", "/")), status_code=303)
        done.set_cookie(house.cookie, value, httponly=True, samesite="strict", secure=house.secure, path="/")
        return done

    async def sign_out(visit: Visit) -> Response:
        house.sessions.end(visit.request.cookies.get(house.cookie, ""))
        done = RedirectResponse("/login", status_code=303)
        done.delete_cookie(house.cookie, path="/", secure=house.secure, httponly=True, samesite="strict")
        return done

    async def prefer(request: Request) -> Response:
        done = RedirectResponse(safe_target(request.query_params.get("next", "/")), status_code=303)
        choices = {"language": LANGUAGES, "theme": ("light", "dark", "auto")}
        for name, known in choices.items():
            if (chosen := request.query_params.get(name)) in known and chosen:
                done.set_cookie(f"crossfade-{name}", chosen, max_age=_YEAR, samesite="lax", secure=house.secure)
        return done

    return (
        Route("/login", show, methods=["GET"]),
        Route("/login", sign_in, methods=["POST"]),
        Route("/oidc/begin", to_provider, methods=["GET"]),
        Route(CALLBACK, from_provider, methods=["GET"]),
        Route("/logout", guarded(house, sign_out), methods=["POST"]),
        Route("/preferences", prefer, methods=["GET"]),
    )

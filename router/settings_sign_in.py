"""Settings of the dashboard, and of signing in to it by an identity provider."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class DashboardSettings:
    """`crossfade dashboard`: where it is served, whom it asks, and how long a sign-in lasts."""

    listen: str = "127.0.0.1:8802"
    public_url: str = ""  # where people reach it; https:// makes its cookies secure
    admin_url: str = ""  # the router's admin listener; empty: listen.admin
    users_file: str = "crossfade-users.json"  # who may sign in; written by `crossfade dashboard user`
    session_minutes: float = 480.0  # after which one signs in again
    idle_minutes: float = 60.0  # and without a request
    login_attempts: int = 5  # wrong passwords of one name in five minutes


@dataclass(frozen=True, slots=True, kw_only=True)
class OidcSettings:
    """A provider of OpenID Connect, and whom of those it knows the dashboard lets in as what."""

    issuer: str = ""  # empty: passwords only
    client_id: str = ""
    client_secret: str = field(default="", repr=False)  # empty: a public client, by PKCE alone
    name: str = ""  # on the button; empty: the issuer's host
    scopes: tuple[str, ...] = ("openid", "email", "profile")
    name_claim: str = "email"  # what audit entries are signed with
    roles_claim: str = "groups"  # a claim, or a path to one such as realm_access.roles
    operators: tuple[str, ...] = ()  # values of it
    viewers: tuple[str, ...] = ()  # "*": everybody whom the provider signs in
    passwords: bool = True  # whether the file of users may sign in, too
    ca_file: str = ""  # certificates trusted besides the system's roots

    def problem(self, public_url: str) -> tuple[str, str] | None:
        """The key that does not fit the others and what to do, or None."""
        if not self.issuer:
            return None if self.passwords else ("passwords", "is false and no issuer is set: nobody could sign in")
        if not self.client_id:
            return "client_id", "is missing; it is what the provider calls this dashboard"
        if "openid" not in self.scopes:
            return "scopes", 'must have "openid", or the provider tells nobody who it is'
        if not (self.operators or self.viewers):
            return "operators", f"and viewers are empty: nobody could sign in; list values of {self.roles_claim}"
        if not public_url:
            return "issuer", "needs dashboard.public_url, where the provider sends people back to"
        return None

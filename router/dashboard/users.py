"""Who may sign in: a file of names, roles and Argon2 hashes."""

import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from crossfade.errors import SettingsError

LEAST_LENGTH = 12  # of a password
_MOST_LENGTH = 1_024  # hashing is work: nobody types more


class Role(StrEnum):
    """What somebody may do: look, or look and change."""

    VIEWER = "viewer"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """One line of the file."""

    name: str
    role: Role
    hash: str
    made_at: float  # Unix seconds


class Users:
    """The file, read again when it changes: who is removed is out at the next request."""

    def __init__(self, file: str | Path) -> None:
        self._file = Path(file)
        self._seen: tuple[int, int] | None = None
        self._users: Mapping[str, User] = {}
        self._hasher = PasswordHasher()
        # Held against the password of a name that nobody has: the answer must take as long.
        self._nobody = self._hasher.hash(os.urandom(16))

    def all(self) -> Mapping[str, User]:
        """By name. Raises SettingsError for a file that cannot be read."""
        try:
            there = self._file.stat()
        except FileNotFoundError:
            return {}
        if (stamp := (there.st_mtime_ns, there.st_size)) != self._seen:
            self._users, self._seen = self._read(), stamp
        return self._users

    def signs_in(self, name: str, password: str) -> User | None:
        """The user, if that is the password. Takes tens of milliseconds and 64 MiB, on a thread."""
        user = self.all().get(name)
        try:
            self._hasher.verify(user.hash if user else self._nobody, password[:_MOST_LENGTH])
        except (VerificationError, InvalidHashError):
            return None
        return user

    def put(self, name: str, role: Role, password: str) -> None:
        """Add somebody, or give them another password and role. Raises SettingsError."""
        if not name.strip() or name != name.strip() or not name.isprintable() or len(name) > 64:
            raise SettingsError(f"'{name:.80}' is no name; write one without blanks around it, 64 signs at most")
        if not LEAST_LENGTH <= len(password) <= _MOST_LENGTH:
            raise SettingsError(f"a password has {LEAST_LENGTH} to {_MOST_LENGTH} signs, not {len(password)}")
        made = User(name=name, role=role, hash=self._hasher.hash(password), made_at=time.time())
        self._write({**self.all(), name: made})

    def remove(self, name: str) -> None:
        """Take somebody out. Raises SettingsError for a name that nobody has."""
        users = dict(self.all())
        if users.pop(name, None) is None:
            raise SettingsError(f"nobody called '{name}' in '{self._file}'; there are: {', '.join(users) or 'none'}")
        self._write(users)

    def _read(self) -> Mapping[str, User]:
        try:
            told = json.loads(self._file.read_text(encoding="utf-8"))
            found = [User(**{**each, "role": Role(each["role"])}) for each in told["users"]]
        except (OSError, ValueError, KeyError, TypeError) as error:
            message = f"'{self._file}' is no file of users: {error!r}; move it away and add them anew"
            raise SettingsError(message) from None
        return {each.name: each for each in found}

    def _write(self, users: Mapping[str, User]) -> None:
        told = {"schema": "crossfade.users/1", "users": [asdict(each) for each in users.values()]}
        spare = self._file.with_name(f"{self._file.name}.new")
        try:
            spare.unlink(missing_ok=True)
            # Nobody else may read hashes, not even for the moment between making and closing the file.
            handle = os.open(spare, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w", encoding="utf-8") as out:
                json.dump(told, out, indent=2)
            spare.replace(self._file)
        except OSError as error:
            raise SettingsError(f"cannot write '{self._file}': {error.strerror}; see dashboard.users_file") from None

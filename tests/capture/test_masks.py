"""Masks of captured calls: they hide, they last, and they change nothing else."""

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comparators import plain
from crossfade import done
from crossfade.errors import SettingsError
from crossfade.results import ContentDigest, ExecResult
from router.capture.masks import KEY_FILE, Masks, masks_of

MASKS = Masks(b"k" * 32)
secrets = st.text(st.characters(codec="utf-8"), min_size=1, max_size=60)
texts = st.text(st.sampled_from("ab =:\n'\"/<>-12{}$ü"), max_size=40)
KEYS = {
    "a provider's key": "dtn_0123456789abcdef0123456789abcdef",
    "a key of E2B": "e2b_0123456789abcdef01234567",
    "a key of AWS": "AKIAIOSFODNN7EXAMPLE",
    "a JWT": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJlLW9mLWl0",
    "a long word of no known shape": "planted9token8in7a6file5",
}


@given(secrets)
def test_a_mask_is_as_long_as_the_secret_and_its_own_mask(secret: str) -> None:
    word = MASKS.word(secret)

    assert len(word.encode()) == len(secret.encode())
    assert MASKS.word(word) == word


@given(texts, secrets.filter(lambda secret: len(secret) >= 6), texts)
def test_a_known_secret_is_gone_and_masking_twice_changes_nothing(head: str, secret: str, tail: str) -> None:
    hidden = MASKS.hide(f"{head} {secret} {tail}", (secret,))

    assert secret not in hidden or secret == MASKS.word(secret)
    assert MASKS.hide(hidden, ()) == MASKS.hide(MASKS.hide(hidden, ()), ())


@pytest.mark.parametrize("secret", KEYS.values(), ids=KEYS)
@pytest.mark.parametrize(
    "form", ["{}", "export X={}; echo $X", '{{"token": "{}"}}', "https://h/f?sig={}&a=1", "/w/{}/f"]
)
def test_a_key_is_masked_wherever_it_stands_and_as_the_same_word(secret: str, form: str) -> None:
    text = form.format(secret)
    hidden = MASKS.hide(text)

    assert secret not in hidden
    assert len(hidden) == len(text)
    assert MASKS.hide(hidden) == hidden
    assert MASKS.hide(text.encode()) == hidden.encode()


def test_a_secret_is_the_same_word_in_a_command_and_in_what_it_prints() -> None:
    asked = MASKS.hide({"command": "echo $WORD", "env": {"WORD": "plain-vnc"}}, ("plain-vnc",))
    said = MASKS.answer(plain("process.exec", done(ExecResult(exit_code=0, output=b"plain-vnc\n"))), ("plain-vnc",))

    assert said["value"]["output"] == asked["env"]["WORD"].encode() + b"\n"


def test_another_key_makes_other_masks() -> None:
    assert MASKS.word("the same secret") != Masks(b"o" * 32).word("the same secret")


def test_what_is_no_secret_stays() -> None:
    text = "for f in /workspace/*.py; do python -m pytest -q $f && echo ok; done | tail -n 3"

    assert MASKS.hide({"command": text, "cwd": "/workspace", "timeout": 3}) == {
        "command": text,
        "cwd": "/workspace",
        "timeout": 3,
    }


def test_a_small_content_has_the_digest_of_what_is_left() -> None:
    raw = b"API_TOKEN=planted9token8in7a6file5\n"
    digest = ContentDigest(size=len(raw), sha256=hashlib.sha256(raw).hexdigest(), sample=raw)

    content = MASKS.answer(plain("fs.download", done(digest)))["value"]["content"]

    assert b"planted" not in content["sample"]
    assert content["size"] == len(raw)
    assert (
        content["sha256"]
        == hashlib.sha256(content["sample"]).hexdigest()
        == hashlib.sha256(MASKS.hide(raw)).hexdigest()
    )


def test_of_a_large_content_only_size_and_digest_are_kept() -> None:
    digest = ContentDigest(size=100_000, sha256="a1" * 32, sample=b"x" * 65_536)

    content = MASKS.answer(plain("fs.download", done(digest)))["value"]["content"]

    assert content == {"size": 100_000, "sha256": "a1" * 32, "sample": b""}


def test_the_key_is_made_once_and_read_by_its_owner_only(tmp_path: Path) -> None:
    folder = tmp_path / "captures"
    made = masks_of(folder, create=True)

    assert (folder / KEY_FILE).stat().st_mode & 0o777 == 0o600
    assert folder.stat().st_mode & 0o777 == 0o700
    assert (
        masks_of(folder, create=True).word("secret-word")
        == made.word("secret-word")
        == masks_of(folder).word("secret-word")
    )


def test_without_its_key_a_capture_is_not_used(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="stands beside"):
        masks_of(tmp_path)
    (tmp_path / KEY_FILE).write_bytes(b"short")
    with pytest.raises(SettingsError, match="5 bytes"):
        masks_of(tmp_path)

"""Uploads whose form is wrong somewhere."""

from random import Random

from tests.fuzz import corpus, nasty

BOUNDARIES = (b"b", b"x" * 70, b"a b", b"'()+_,-./:=?", b"--", b"x" * 300, b"", b'"', b"\xff")
HEADS = (
    b'Content-Disposition: form-data; name="%b"',
    b"content-disposition:form-data;name=%b",
    b'Content-Disposition: form-data; name="%b"; filename="a"; filename*=UTF-8\'\'%%ff',
    b'Content-Disposition: attachment; filename="%b"',
    b'Content-Disposition: form-data; name="%b',
    b'Content-Type: text/plain\r\nContent-Disposition: form-data; name="%b"; filename="\\"',
    b"X-Nothing: %b",
    b"%b",
    b'Content-Disposition: form-data; name="%b"\r\nX-Long: ' + b"y" * 20_000,
)
NAMES = (
    b"files[0].path",
    b"files[0].file",
    b"files[1].file",
    b"files[-1].path",
    b"files[x].path",
    b"files[0]",
    b"file",
    b"",
    b"files[99999999999].path",
)


def damaged_form(random: Random) -> tuple[bytes, bytes]:
    """(Content-Type, body)."""
    boundary = random.choice(BOUNDARIES) if random.random() < 0.2 else b"b"
    parts = [_path(random), b"some content\r\n--" * random.randrange(4)]
    names = [b"files[0].path", b"files[0].file"]
    for _ in range(random.randrange(3)):
        names.insert(random.randrange(len(names) + 1), random.choice(NAMES))
        parts.append(nasty.text(random).encode("utf-8", "surrogatepass"))
    form = b"".join(
        b"--%b\r\n%b\r\n\r\n%b\r\n" % (boundary, _head(random, name), part)
        for name, part in zip(names, parts, strict=True)
    )
    form += random.choice(
        (b"--%b--\r\n", b"--%b--\r\n", b"--%b--", b"--%b\r\n", b"--%b", b"", b"--%b-- epilogue")
    ).replace(b"%b", boundary)
    if random.random() < 0.4:
        form = nasty.damaged(random, form)
    if random.random() < 0.1:
        form = form.replace(b"\r\n", b"\n")
    named = random.choice((b"multipart/form-data; boundary=%b", b'multipart/form-data; boundary="%b"'))
    kind = named.replace(b"%b", boundary)
    if random.random() < 0.15:
        kind = random.choice(
            (
                b"",
                b"multipart/form-data",
                b"multipart/form-data; boundary=",
                b"multipart/mixed; boundary=other",
                b"text/plain",
                b"multipart/form-data; boundary=b; boundary=c",
                b"multipart/form-data; charset=x; BOUNDARY=b",
                b";;;",
                b"multipart/\xff; boundary=b",
            )
        )
    return kind, form


def _head(random: Random, name: bytes) -> bytes:
    return (random.choice(HEADS) if random.random() < 0.3 else HEADS[0]).replace(b"%b", name, 1)


def _path(random: Random) -> bytes:
    if random.random() < 0.5:
        return f"{corpus.AT}/up".encode()
    # Below the test's own directory, whatever it is.
    wrong = nasty.text(random).replace("..", ".").encode("utf-8", "surrogatepass")
    return random.choice(
        (f"{corpus.AT}/".encode() + wrong, b"", b"\xff\xfe", corpus.AT.encode(), f"{corpus.AT}/a/below".encode())
    )

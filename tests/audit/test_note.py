import base64

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from headrace.sinks.audit.tree import note
from headrace.sinks.audit.tree.checkpoint import Checkpoint
from headrace.sinks.audit.tree.note import NoteError, NoteKey

# golang.org/x/mod/sumdb/note/note_test.go
TEXT = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
)
PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
PETER_SECRET = "AYEKFALVFGyNhPJEMzD1QIDr+Y7hfZx09iUvxdXHKDFz"
PETER_LINE = (
    "\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngo"
    "tpRZb6KE6RyyBwJnAM=\n"
)
ENOCH = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"
ENOCH_LINE = (
    "\u2014 EnochRoot rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWL"
    "ox33WWd1RvMc+QQ=\n"
)
# The example of c2sp.org/signed-note.
EXAMPLE = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"
EXAMPLE_NOTE = (
    "This is an example message.\n\n\u2014 example.com/foo "
    "Uw2QOkn8srV1yJGh2VYRlL1Tnagv1YEq6TfXppzi2ONncAlTgK7Ztg1ERYNZXsYjOBH3mFXmRKuwHjG1Yu72IneyaQM=\n"
)


def key_of(line: str) -> NoteKey:
    return NoteKey.parse(line)


def test_a_note_is_signed_as_go_signs_it() -> None:
    private = Ed25519PrivateKey.from_private_bytes(base64.b64decode(PETER_SECRET)[1:])
    key = key_of(PETER)
    made = note.sign(TEXT, name=key.name, key_id=key.key_id, sign=private.sign)
    assert made.encode().decode() == f"{TEXT}\n{PETER_LINE}"
    assert private.public_key().public_bytes_raw() == key.public


@pytest.mark.parametrize("line", [PETER, ENOCH, EXAMPLE])
def test_a_key_is_written_as_it_was_read(line: str) -> None:
    assert key_of(line).line() == line


def test_published_notes_verify() -> None:
    both = note.parse(f"{TEXT}\n{PETER_LINE}{ENOCH_LINE}".encode())
    assert note.verify(both, [key_of(ENOCH)]) == [key_of(ENOCH)]
    assert note.verify(both, [key_of(ENOCH), key_of(PETER)]) == [key_of(PETER), key_of(ENOCH)]
    example = note.parse(EXAMPLE_NOTE.encode())
    assert note.verify(example, [key_of(EXAMPLE)]) == [key_of(EXAMPLE)]
    assert example.encode().decode() == EXAMPLE_NOTE


@pytest.mark.parametrize(
    "changed",
    [
        f"{TEXT.upper()}\n{PETER_LINE}",
        f"{TEXT}\n{PETER_LINE.replace('SffcvIAQ', 'SffcvIAR')}",
        f"{TEXT}\n{ENOCH_LINE}",
        f"{TEXT}\n{PETER_LINE.replace('PeterNeumann', 'Peter')}",
        f"{TEXT}\n{PETER_LINE.replace('x08go', 'y08go')}",
    ],
)
def test_what_the_key_did_not_sign_is_refused(changed: str) -> None:
    with pytest.raises(NoteError, match="sign"):
        note.verify(note.parse(changed.encode()), [key_of(PETER)])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        TEXT.encode(),
        f"{TEXT}\n".encode(),
        f"{TEXT}\n{PETER_LINE[:-1]}".encode(),
        f"{TEXT}{PETER_LINE}".encode(),
        f"{TEXT}\n{PETER_LINE}\n".encode(),
        f"{TEXT}\n{PETER_LINE.replace('—', '-')}".encode(),
        f"{TEXT}\n{PETER_LINE.replace('JnAM=', 'JnAN=')}".encode(),
        f"{TEXT}\n{PETER_LINE.replace('JnAM=', 'JnAM')}".encode(),
        f"{TEXT}\n{PETER_LINE.replace(' ', '  ')}".encode(),
        f"{TEXT}\n\u2014 PeterNeumann \n".encode(),
        f"{TEXT}\t\n\n{PETER_LINE}".encode(),
        f"{TEXT}\n{PETER_LINE}".replace("\n", "\r\n").encode(),
        b"\xff" + f"{TEXT}\n{PETER_LINE}".encode(),
        f"{TEXT}\n{PETER_LINE * 101}".encode(),
        f"{TEXT * 11_000}\n{PETER_LINE}".encode(),
    ],
)
def test_what_is_not_a_note_is_refused(content: bytes) -> None:
    with pytest.raises(NoteError):
        note.parse(content)


@pytest.mark.parametrize(
    "line",
    [
        "",
        "PeterNeumann",
        PETER[:-4],
        PETER.replace("c74f", "C74F"),
        PETER.replace("c74f", "c74e"),
        PETER.replace("Peter", "Pet er"),
        "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",
        "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",
    ],
)
def test_what_is_not_a_key_is_refused(line: str) -> None:
    with pytest.raises(NoteError):
        NoteKey.parse(line)


def test_a_checkpoint_is_read_as_it_was_written() -> None:
    made = Checkpoint.of("0123456789abcdef-3", 17, bytes(range(32)))
    text = made.to_text()
    assert text == (
        "headrace/0123456789abcdef-3\n17\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n"
    )
    assert Checkpoint.from_text(text) == made
    assert Checkpoint.from_text(f"{text}extension\n") == made
    assert made.log == "0123456789abcdef-3"


def test_the_published_checkpoint_is_read() -> None:
    # The example of c2sp.org/tlog-checkpoint.
    made = Checkpoint.from_text(
        "example.com/behind-the-sofa\n20852163\nCsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I=\n"
    )
    assert (made.origin, made.size) == ("example.com/behind-the-sofa", 20_852_163)
    with pytest.raises(NoteError, match="not a checkpoint of headrace"):
        _ = made.log


ROOT = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="


@pytest.mark.parametrize(
    "text",
    [
        "",
        f"o\n1\n{ROOT}",
        f"o\n1\n{ROOT}\n\n",
        f"\n1\n{ROOT}\n",
        f"o\n01\n{ROOT}\n",
        f"o\n+1\n{ROOT}\n",
        f"o\n-1\n{ROOT}\n",
        f"o\n\u0661\n{ROOT}\n",
        f"o\n{'9' * 5000}\n{ROOT}\n",
        "o\n1\nAAEC\n",
        f"o\n1\n{ROOT[:-2]}9=\n",
        f"o\n1\n{ROOT}\n\nx\n",
    ],
)
def test_what_is_not_a_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(NoteError):
        Checkpoint.from_text(text)

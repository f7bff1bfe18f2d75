"""What the Python clients share: TAP, the addresses, what a driver's errors say."""
import os

CLIENT = os.environ["LG_CLIENT"]
with open(os.environ["LG_ADDRESSES"], encoding="utf-8") as f:
    ADDRESSES = f.read().splitlines()
BAD = f"no-address.{CLIENT}.clients.example"
MASK = f"J***@{CLIENT[0]}***.example"
PHONE = f"+49-555-{CLIENT}"
NAME = f"secret-name-{CLIENT}"

_count = 0
_failed = 0


def is_(got, expected, text):
    """One test: got equals expected."""
    global _count, _failed
    _count += 1
    if got == expected:
        print(f"ok {_count} - {text}")
    else:
        _failed += 1
        print(f"not ok {_count} - {text}\n#   expected: {expected!r}\n#   got: {got!r}", flush=True)


def error_of(error, call, *args, **kwargs):
    """The SQLSTATE that a call ends with, or 'none'."""
    try:
        call(*args, **kwargs)
    except error as e:
        return getattr(e, "pgcode", None) or getattr(e, "sqlstate", None)
    return "none"


def disclosed(rows):
    """How many of the addresses are in what a client got."""
    text = repr(rows).casefold()
    return sum(a.casefold() in text or repr(a)[1:-1].casefold() in text for a in ADDRESSES)


def done():
    """The plan, and the program's status."""
    print(f"1..{_count}")
    raise SystemExit(_failed != 0)

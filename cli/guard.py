"""`mem guard`: what is kept to recognise erased texts, and how it is destroyed."""

from cli import output
from cli.declare import Home, Json
from cli.opening import opened


def status(*, store: Home = None, as_json: Json = False) -> None:
    """Count the erased texts that are refused.

    Only keyed fingerprints of them are kept, none of their words.
    """
    with opened(store) as memories:
        count = memories.tombstones()
    if as_json:
        output.emit({"texts": count})
    elif count:
        output.write(f"{output.many(count, 'erased text')} would be refused")
    else:
        output.say("no erased text is recognised")


def rotate(*, store: Home = None, as_json: Json = False) -> None:
    """Let erased texts be stored again.

    Destroys the key and the fingerprints made with it. The next erasure makes a new key. Nothing
    that was erased comes back by this.
    """
    with opened(store) as memories:
        count = memories.rotate_guard()
    if as_json:
        output.emit({"dropped": count})
    else:
        output.write(f"{output.many(count, 'erased text')} no longer recognised, the key destroyed")

"""`python -m mcp_server`: what `mem mcp` runs, without the command line's table."""

import argparse
import sys
from pathlib import Path

from mcp_server.server import serve
from memory.errors import MemError
from memory.settings import Settings


def main() -> int:
    """Read the arguments, serve, and return the exit code."""
    settings = Settings.from_env()
    parser = argparse.ArgumentParser(prog="python -m mcp_server", description=__doc__)
    parser.add_argument("--store", type=Path, default=settings.home, help="folder of the store")
    parser.add_argument("--transport", choices=("stdio", "http"), default="stdio")
    parser.add_argument("--port", type=int, default=8745, help="port on this machine, for http")
    parser.add_argument("--scope", default="", help="scope of calls that name none")
    parser.add_argument("--agent", default="", help="actor of what is remembered")
    given = parser.parse_args()
    try:
        serve(
            given.store.expanduser(),
            transport=given.transport,
            port=given.port,
            scope=given.scope,
            agent=given.agent,
        )
    except MemError as exc:
        sys.stderr.write(f"{exc.message}\n" + (f"hint: {exc.hint}\n" if exc.hint else ""))
        return exc.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())

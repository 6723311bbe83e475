"""What the environment decides; only the command line and the MCP server ask for it."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Defaults for the faces; every one can be overridden by an option."""

    home: Path  # folder of the store
    model: str  # embedding model: "default", "none", a name or a folder
    scope: str  # default scope of remember and recall

    @classmethod
    def from_env(cls, environ: Mapping[str, str] = os.environ) -> "Settings":
        """Read `LETHEON_HOME`, `LETHEON_MODEL` and `LETHEON_SCOPE`."""
        home = environ.get("LETHEON_HOME")
        return cls(
            home=Path(home).expanduser() if home else default_home(environ),
            model=environ.get("LETHEON_MODEL", "default"),
            scope=environ.get("LETHEON_SCOPE", ""),
        )


def default_home(environ: Mapping[str, str], platform: str = sys.platform) -> Path:
    """Return the platform's folder for user data (platformdirs costs 16 ms for these lines)."""
    user = Path.home()
    if platform == "win32":
        return Path(environ.get("LOCALAPPDATA", user / "AppData" / "Local")) / "letheon"
    if platform == "darwin":
        return user / "Library" / "Application Support" / "letheon"
    return Path(environ.get("XDG_DATA_HOME") or user / ".local" / "share") / "letheon"

"""Which file each MCP client reads, the shape of one entry in it, and how ours gets there."""

import json
import os
import re
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from stat import S_IMODE
from types import MappingProxyType
from typing import Any, Literal

from mcp_server import config_text
from memory.errors import UsageError

SERVER = "letheon"
DEFAULT_COMMAND: tuple[str, ...] = ("mem", "mcp")

Format = Literal["json", "jsonc", "toml", "yaml", "paste"]
Place = Callable[[str, Path, Mapping[str, str]], Path | None]
Entry = Callable[[Sequence[str], Mapping[str, str]], dict[str, Any]]


def _plain(command: Sequence[str], env: Mapping[str, str]) -> dict[str, Any]:
    entry: dict[str, Any] = {"command": command[0], "args": list(command[1:])}
    return {**entry, "env": dict(env)} if env else entry


def _stdio(command: Sequence[str], env: Mapping[str, str]) -> dict[str, Any]:
    return {"type": "stdio", **_plain(command, env)}


def _opencode(command: Sequence[str], env: Mapping[str, str]) -> dict[str, Any]:
    entry: dict[str, Any] = {"type": "local", "command": list(command), "enabled": True}
    return {**entry, "environment": dict(env)} if env else entry


def _goose(command: Sequence[str], env: Mapping[str, str]) -> dict[str, Any]:
    return {
        "enabled": True,
        "type": "stdio",
        "name": SERVER,
        "description": "memory that can also forget",
        "cmd": command[0],
        "args": list(command[1:]),
        "envs": dict(env),
        "timeout": 300,  # seconds, the value Goose itself writes
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """One program that can start an MCP server."""

    name: str  # slug typed on the command line
    title: str  # the name its makers use
    path: Place  # (platform, home, environ) to the file; None: print only
    notes: str  # what the person does next
    format: Format = "json"  # of the file; "paste": JSON for a screen, there is no file
    keys: tuple[str, ...] = ("mcpServers",)  # keys that lead to the table of servers
    entry: Entry = _plain  # (command, env) to the value stored for one server
    listed: bool = False  # the table is a list whose items carry their name
    head: tuple[tuple[str, str], ...] = ()  # keys a new file begins with
    twin: bool = False  # a `.jsonc` is read where there is no `.json`

    @property
    def writes(self) -> bool:
        """Whether the client has a file that `write` may change."""
        return self.format != "paste"


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What `write` did to one file."""

    path: Path
    backup: Path | None  # copy of the file as it was; None: it was new or needed no change
    changed: bool  # False: our entry was already there


def render(client: Client, *, command: Sequence[str], env: Mapping[str, str]) -> str:
    """Return the text to paste: a whole valid document in the client's format.

    Raises:
        UsageError: The command is empty, or a word of it is not valid Unicode.
    """
    words = [*command, *env, *env.values()]
    if not command or not command[0]:
        raise UsageError("the command is empty", hint="give the path of the mem executable")
    if any(re.search("[\0\ud800-\udfff]", word) for word in words):
        raise UsageError("the command or its environment is not valid Unicode text")
    entry = client.entry(command, env)
    if client.format == "toml":
        return config_text.toml_table((*client.keys, SERVER), entry)
    node: Any = [{"name": SERVER, **entry}] if client.listed else {SERVER: entry}
    for key in reversed(client.keys):
        node = {key: node}
    document = {**dict(client.head), **node}
    if client.format == "yaml":
        return config_text.yaml_document(document, levels=len(client.keys) + 1)
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def merge(client: Client, *, existing: str, command: Sequence[str], env: Mapping[str, str]) -> str:
    """Return `existing` with our entry added or replaced and all else as it was.

    If the entry is already the wanted one, `existing` comes back unchanged. JSON is parsed and
    written again with its indent, line ends and byte order mark; TOML outside our table is kept
    byte for byte; YAML is written only where there was nothing.

    Raises:
        UsageError: The client has no file, or `existing` is malformed, has comments a rewrite
            would lose, or holds something else where the servers should be. The hint ends with
            the text to paste.
    """
    text = render(client, command=command, env=env)
    mark = "\ufeff" if existing.startswith("\ufeff") else ""
    body = existing.removeprefix(mark)
    path = (*client.keys, SERVER)
    try:
        if not client.writes:
            raise UsageError(f"{client.title} has no configuration file to change")
        if not body.strip():
            return mark + text
        if client.format == "toml":
            return mark + config_text.merged_toml(body, path, text)
        if client.format == "yaml":
            return mark + config_text.merged_yaml(body, text)
        return mark + config_text.merged_json(body, path, client.entry(command, env))
    except UsageError as exc:
        raise UsageError(exc.message, hint=_by_hand(text)) from exc


def write(
    client: Client,
    *,
    command: Sequence[str],
    env: Mapping[str, str],
    home: Path,
    environ: Mapping[str, str],
    platform: str = sys.platform,
) -> Written:
    """Merge our entry into the client's file, and keep a copy of the file as it was.

    The new text is written beside the file, flushed to disk and moved over it, so a crash leaves
    one of the two whole. The mode of the file is kept; a new file is readable by its owner only,
    as entries may carry secrets. Parent folders are created.

    Raises:
        UsageError: As `merge`, or the file is a link, is not UTF-8, changed meanwhile, or cannot
            be written. The file is as it was.
    """
    hint = _by_hand(render(client, command=command, env=env))
    path = client.path(platform, home, environ) if client.writes else None
    if path is None:
        raise UsageError(f"there is no known file that configures {client.title}", hint=hint)
    try:
        if client.twin and not path.exists() and path.with_suffix(".jsonc").exists():
            path = path.with_suffix(".jsonc")
        # A rename would put a plain file where the link was, cut off from what the link shares.
        if path.is_symlink() or (path.exists() and not path.is_file()):
            raise UsageError("the file is a link or not a regular file, and is left alone")
        old = path.read_bytes() if path.exists() else None
        new = merge(client, existing=(old or b"").decode(), command=command, env=env).encode()
        backup = None if new == old else _replace(path, old, new)
    except UnicodeDecodeError as exc:
        raise UsageError(f"{str(path)!r}: the file is not UTF-8 text", hint=hint) from exc
    except OSError as exc:
        raise UsageError(f"{str(path)!r}: {exc.strerror or exc}", hint=hint) from exc
    except UsageError as exc:
        raise UsageError(f"{str(path)!r}: {exc.message}", hint=hint) from exc
    return Written(path=path, backup=backup, changed=new != old)


def _by_hand(text: str) -> str:
    return f"add this by hand:\n{text}"


def _replace(path: Path, old: bytes | None, new: bytes) -> Path | None:
    """Put `new` in place of `old` in one step; return the copy of `old`, if there was one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    mode = 0o600 if old is None else S_IMODE(path.stat().st_mode)
    fresh, backup = _stored(path, new, mode), None
    unfinished = [fresh]
    try:
        if (path.read_bytes() if path.exists() else None) != old:
            raise UsageError("the file was changed by another program meanwhile")
        if old is not None:
            stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
            backup = path.with_name(f"{path.name}.letheon-backup-{stamp}")
            unfinished.append(_stored(path, old, mode).replace(backup))
        fresh.replace(path)
        unfinished.clear()
    finally:
        for leftover in unfinished:
            leftover.unlink(missing_ok=True)
    return backup


def _stored(path: Path, content: bytes, mode: int) -> Path:
    """Return a new file beside `path` that holds `content` on disk, never open to more."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        Path(name).chmod(mode)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return Path(name)


def _under(variable: str, default: str, *parts: str) -> Place:
    """Return a place below the absolute folder in `variable`, or else below `default` at home."""

    def place(_platform: str, home: Path, environ: Mapping[str, str]) -> Path:
        moved = Path(environ.get(variable, ""))
        return (moved if moved.is_absolute() else home / default).joinpath(*parts)

    return place


def _nowhere(*_: object) -> None:
    return None


def _claude_code(_platform: str, home: Path, environ: Mapping[str, str]) -> Path | None:
    # Whether user scope servers follow CLAUDE_CONFIG_DIR could not be confirmed: print only.
    return None if environ.get("CLAUDE_CONFIG_DIR") else home / ".claude.json"


def _by_platform(*, other: Place, **named: Place) -> Place:
    def place(platform: str, home: Path, environ: Mapping[str, str]) -> Path | None:
        return named.get(platform, other)(platform, home, environ)

    return place


def _application(*parts: str) -> Place:
    """Return where an Electron application keeps its settings."""
    return _by_platform(
        win32=_under("APPDATA", "AppData/Roaming", *parts),
        darwin=_under("", "Library/Application Support", *parts),
        other=_under("XDG_CONFIG_HOME", ".config", *parts),
    )


_ALL = (
    Client(
        name="claude-code",
        title="Claude Code",
        path=_claude_code,
        entry=_stdio,
        notes="Quit Claude Code before writing: it rewrites this file. /mcp lists the servers.",
    ),
    Client(
        name="claude-desktop",
        title="Claude Desktop",
        path=_application("Claude", "claude_desktop_config.json"),
        notes="Quit and reopen the app; closing the window is not enough. If the server does not "
        "appear, Settings > Developer > Edit Config opens the file this installation reads.",
    ),
    Client(
        name="cursor",
        title="Cursor",
        path=_under("", ".cursor", "mcp.json"),
        notes="Restart Cursor and switch the server on under MCP. A project has .cursor/mcp.json.",
    ),
    Client(
        name="vscode",
        title="VS Code",
        format="jsonc",
        path=_application("Code", "User", "mcp.json"),
        keys=("servers",),
        entry=_stdio,
        notes="Start and trust it with 'MCP: List Servers'. A project has .vscode/mcp.json; "
        "profiles other than the default have a file of their own.",
    ),
    Client(
        name="windsurf",
        title="Windsurf (Devin Desktop)",
        path=_under("", ".codeium", "windsurf", "mcp_config.json"),
        notes="Press refresh in Cascade's MCP panel. For Devin Local paste into its own file.",
    ),
    Client(
        name="zed",
        title="Zed",
        format="jsonc",
        path=_by_platform(
            win32=_under("APPDATA", "AppData/Roaming", "Zed", "settings.json"),
            darwin=_under("", ".config", "zed", "settings.json"),
            other=_under("XDG_CONFIG_HOME", ".config", "zed", "settings.json"),
        ),
        keys=("context_servers",),
        notes="Zed rereads the file; a green dot in the agent panel's settings: it runs.",
    ),
    Client(
        name="cline",
        title="Cline",
        path=_under("CLINE_MCP_SETTINGS_PATH", ".cline/data/settings/cline_mcp_settings.json"),
        notes="Check under MCP Servers. Older releases of the VS Code extension keep a file of "
        "their own: MCP Servers > Configure > Configure MCP Servers opens it, paste there.",
    ),
    Client(
        name="continue",
        title="Continue",
        format="yaml",
        path=_under("", ".continue", "mcpServers", f"{SERVER}.yaml"),
        listed=True,
        head=(("name", "Letheon"), ("version", "0.0.1"), ("schema", "v1")),
        notes="Reload the window and choose agent mode, the only one with MCP. The cn command "
        "does not read this folder: for it, paste mcpServers into ~/.continue/config.yaml.",
    ),
    Client(
        name="jetbrains",
        title="JetBrains AI Assistant",
        format="paste",
        path=_nowhere,
        notes="Paste under Settings > Tools > AI Assistant > Model Context Protocol (MCP) > Add.",
    ),
    Client(
        name="codex",
        title="Codex",
        format="toml",
        path=_under("CODEX_HOME", ".codex", "config.toml"),
        keys=("mcp_servers",),
        notes="Start a new session; /mcp lists the servers.",
    ),
    Client(
        name="gemini",
        title="Gemini CLI",
        format="jsonc",
        path=_under("GEMINI_CLI_HOME", "", ".gemini", "settings.json"),
        notes="Restart Gemini CLI; /mcp lists the servers. A project has .gemini/settings.json.",
    ),
    Client(
        name="opencode",
        title="OpenCode",
        format="jsonc",
        path=_under("XDG_CONFIG_HOME", ".config", "opencode", "opencode.json"),
        keys=("mcp",),
        entry=_opencode,
        twin=True,
        notes="Restart OpenCode; 'opencode mcp list' shows the server.",
    ),
    Client(
        name="goose",
        title="Goose",
        format="yaml",
        path=_by_platform(
            win32=_under("APPDATA", "AppData/Roaming", "Block/goose/config/config.yaml"),
            other=_under("XDG_CONFIG_HOME", ".config", "goose", "config.yaml"),
        ),
        keys=("extensions",),
        entry=_goose,
        notes="Restart Goose; 'goose info -v' shows the extension.",
    ),
    Client(
        name="amp",
        title="Amp",
        format="jsonc",
        path=_under("", ".config", "amp", "settings.json"),
        keys=("amp.mcpServers",),
        twin=True,
        notes="Start a new session. Servers in a project's .amp/settings.json need approval.",
    ),
    Client(
        name="kiro",
        title="Kiro",
        path=_under("", ".kiro", "settings", "mcp.json"),
        notes="Kiro reconnects when the file changes. A project has .kiro/settings/mcp.json.",
    ),
    Client(
        name="lm-studio",
        title="LM Studio",
        path=_under("", ".lmstudio", "mcp.json"),
        notes="Switch the server on under Program. Install > Edit mcp.json shows what is read.",
    ),
    Client(
        name="warp",
        title="Warp",
        path=_under("", ".warp", ".mcp.json"),
        notes="Warp starts servers of this file itself; see Settings > Agents > MCP servers.",
    ),
    Client(
        name="generic",
        title="any other client",
        format="paste",
        path=_nowhere,
        notes="Most clients take this text as it is, or the object under mcpServers.",
    ),
)

CLIENTS: Mapping[str, Client] = MappingProxyType({client.name: client for client in _ALL})

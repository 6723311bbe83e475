import json
import os
import re
import string
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_server.clients import CLIENTS, DEFAULT_COMMAND, SERVER, Client, merge, render, write
from memory.errors import UsageError

COMMAND = ["/opt/we ird/mem", "mcp", "--scope", 'user:"ada"']
ENV = {"LETHEON_STORE": "C:\\data\\x.db", "NO": "täg\x7f\u2028"}

JSON_CLIENTS = [c for c in CLIENTS.values() if c.format in {"json", "jsonc"}]
WRITERS = [c for c in CLIENTS.values() if c.writes]
PASTERS = [c for c in CLIENTS.values() if not c.writes]
YAML_CLIENTS = [c for c in CLIENTS.values() if c.format == "yaml"]
CURSOR, CODEX, ZED, GOOSE = (CLIENTS[n] for n in ("cursor", "codex", "zed", "goose"))


def of_each(clients: list[Client]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("client", clients, ids=lambda client: client.name)


def parsed(client: Client, text: str) -> dict[str, Any]:
    if client.format == "toml":
        return tomllib.loads(text)
    if client.format == "yaml":
        return dict(pytest.importorskip("yaml").safe_load(text))
    return dict(json.loads(text))


def entry_in(client: Client, text: str) -> dict[str, Any]:
    node: Any = parsed(client, text)
    for key in client.keys:
        node = node[key]
    if client.listed:
        (found,) = [item for item in node if item["name"] == SERVER]
        return dict(found)
    return dict(node[SERVER])


def words_and_env(entry: dict[str, Any]) -> tuple[list[str], dict[str, str]]:
    command = entry.get("command", entry.get("cmd"))
    words = list(command) if isinstance(command, list) else [command, *entry["args"]]
    return words, entry.get("env", entry.get("envs", entry.get("environment", {})))


def put(client: Client, home: Path, command: list[str] = COMMAND) -> Any:
    return write(client, command=command, env=ENV, home=home, environ={}, platform="linux")


def file_of(client: Client, home: Path) -> Path:
    path = client.path("linux", home, {})
    assert path is not None
    return path


def seeded(client: Client, home: Path, content: bytes) -> Path:
    path = file_of(client, home)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


# What the table says


def test_every_client_asked_for_is_in_the_table_under_its_own_name() -> None:
    wanted = (
        "claude-code claude-desktop cursor vscode windsurf zed cline continue jetbrains codex "
        "gemini opencode goose amp kiro lm-studio warp generic"
    )

    assert list(CLIENTS) == wanted.split()
    assert all(name == client.name and client.notes for name, client in CLIENTS.items())


def test_the_documentation_has_one_table_row_per_client() -> None:
    page = Path(__file__).parents[2] / "docs" / "clients.md"
    rows = re.findall(r"^\| `([a-z-]+)` \|", page.read_text(encoding="utf-8"), re.MULTILINE)

    assert sorted(set(rows)) == sorted(CLIENTS)


SAME_EVERYWHERE = {
    "claude-code": "H/.claude.json",
    "cursor": "H/.cursor/mcp.json",
    "windsurf": "H/.codeium/windsurf/mcp_config.json",
    "cline": "H/.cline/data/settings/cline_mcp_settings.json",
    "continue": "H/.continue/mcpServers/letheon.yaml",
    "codex": "H/.codex/config.toml",
    "gemini": "H/.gemini/settings.json",
    "opencode": "H/.config/opencode/opencode.json",
    "amp": "H/.config/amp/settings.json",
    "kiro": "H/.kiro/settings/mcp.json",
    "lm-studio": "H/.lmstudio/mcp.json",
    "warp": "H/.warp/.mcp.json",
}
PER_PLATFORM = {
    "claude-desktop": (
        "H/.config/Claude/claude_desktop_config.json",
        "H/Library/Application Support/Claude/claude_desktop_config.json",
        "H/AppData/Roaming/Claude/claude_desktop_config.json",
    ),
    "vscode": (
        "H/.config/Code/User/mcp.json",
        "H/Library/Application Support/Code/User/mcp.json",
        "H/AppData/Roaming/Code/User/mcp.json",
    ),
    "zed": (
        "H/.config/zed/settings.json",
        "H/.config/zed/settings.json",
        "H/AppData/Roaming/Zed/settings.json",
    ),
    "goose": (
        "H/.config/goose/config.yaml",
        "H/.config/goose/config.yaml",
        "H/AppData/Roaming/Block/goose/config/config.yaml",
    ),
    **{name: (path,) * 3 for name, path in SAME_EVERYWHERE.items()},
}


@pytest.mark.parametrize(("column", "platform"), [(0, "linux"), (1, "darwin"), (2, "win32")])
def test_each_client_has_its_documented_file_on_each_platform(column: int, platform: str) -> None:
    home = Path("/home/ada")

    found = {c.name: c.path(platform, home, {}) for c in WRITERS}

    assert found == {
        name: Path(paths[column].replace("H", str(home), 1)) for name, paths in PER_PLATFORM.items()
    }


@pytest.mark.parametrize(
    ("name", "platform", "environ", "path"),
    [
        (
            "claude-desktop",
            "win32",
            {"APPDATA": "/roam"},
            "/roam/Claude/claude_desktop_config.json",
        ),
        ("vscode", "linux", {"XDG_CONFIG_HOME": "/cfg"}, "/cfg/Code/User/mcp.json"),
        ("vscode", "darwin", {"XDG_CONFIG_HOME": "/cfg"}, "H/Library/Application Support/Code"),
        ("zed", "win32", {"APPDATA": "/roam"}, "/roam/Zed/settings.json"),
        ("zed", "darwin", {"XDG_CONFIG_HOME": "/cfg"}, "H/.config/zed/settings.json"),
        ("goose", "win32", {"APPDATA": "/roam"}, "/roam/Block/goose/config/config.yaml"),
        ("codex", "linux", {"CODEX_HOME": "/cx"}, "/cx/config.toml"),
        ("gemini", "linux", {"GEMINI_CLI_HOME": "/gm"}, "/gm/.gemini/settings.json"),
        ("cline", "linux", {"CLINE_MCP_SETTINGS_PATH": "/cl.json"}, "/cl.json"),
        ("opencode", "freebsd14", {"XDG_CONFIG_HOME": "rel"}, "H/.config/opencode/opencode.json"),
    ],
)
def test_environment_variables_move_the_file_if_they_are_absolute(
    name: str, platform: str, environ: dict[str, str], path: str
) -> None:
    home = Path("/home/ada")

    found = CLIENTS[name].path(platform, home, environ)

    assert str(found).startswith(path.replace("H", str(home), 1))


@of_each(PASTERS)
def test_a_client_without_a_file_is_print_only(client: Client, tmp_path: Path) -> None:
    assert client.path("linux", tmp_path, {}) is None
    with pytest.raises(UsageError) as caught:
        put(client, tmp_path)
    assert render(client, command=COMMAND, env=ENV) in caught.value.hint
    with pytest.raises(UsageError, match="no configuration file"):
        merge(client, existing="", command=COMMAND, env=ENV)


def test_claude_code_is_print_only_where_its_folder_was_moved(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no known file"):
        write(
            CLIENTS["claude-code"],
            command=COMMAND,
            env={},
            home=tmp_path,
            environ={"CLAUDE_CONFIG_DIR": str(tmp_path)},
        )


# Rendering


@of_each(list(CLIENTS.values()))
@pytest.mark.parametrize("env", [{}, ENV], ids=["bare", "env"])
def test_rendered_text_parses_and_holds_command_and_environment(
    client: Client, env: dict[str, str]
) -> None:
    text = render(client, command=COMMAND, env=env)

    assert words_and_env(entry_in(client, text)) == (COMMAND, env)


@of_each(list(CLIENTS.values()))
def test_rendered_text_names_the_command_once(client: Client) -> None:
    text = render(client, command=["/bin/only-mem", "only-mcp"], env={})

    assert (text.count("only-mem"), text.count("only-mcp")) == (1, 1)
    assert text.endswith("\n")


def test_the_shapes_that_differ_are_the_documented_ones() -> None:
    def shape(name: str) -> dict[str, Any]:
        return parsed(CLIENTS[name], render(CLIENTS[name], command=DEFAULT_COMMAND, env={}))

    plain = {"command": "mem", "args": ["mcp"]}
    assert shape("cursor") == {"mcpServers": {"letheon": plain}}
    assert shape("vscode") == {"servers": {"letheon": {"type": "stdio", **plain}}}
    assert shape("zed") == {"context_servers": {"letheon": plain}}
    assert shape("codex") == {"mcp_servers": {"letheon": plain}}
    assert shape("amp") == {"amp.mcpServers": {"letheon": plain}}
    assert shape("opencode") == {
        "mcp": {"letheon": {"type": "local", "command": ["mem", "mcp"], "enabled": True}}
    }
    assert shape("continue") == {
        "name": "Letheon",
        "version": "0.0.1",
        "schema": "v1",
        "mcpServers": [{"name": "letheon", **plain}],
    }
    goose = shape("goose")["extensions"]["letheon"]
    assert (goose["type"], goose["cmd"], goose["args"]) == ("stdio", "mem", ["mcp"])


@pytest.mark.parametrize("command", [[], [""], ["mem\0"], ["mem", "\udc80"]])
def test_a_command_that_cannot_be_written_down_is_refused(command: list[str]) -> None:
    for client in CLIENTS.values():
        with pytest.raises(UsageError):
            render(client, command=command, env={})


text_values = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)


@given(text_values, st.dictionaries(text_values, text_values, max_size=3))
def test_any_unicode_argument_survives_every_format(word: str, env: dict[str, str]) -> None:
    for client in CLIENTS.values():
        text = render(client, command=["mem", word], env=env)
        text.encode()

        assert words_and_env(entry_in(client, text)) == (["mem", word], env), client.name


# Merging, all formats


@of_each(WRITERS)
@pytest.mark.parametrize("existing", ["", "\n", "\ufeff"], ids=["absent", "blank", "mark"])
def test_merging_into_nothing_gives_the_rendered_text(client: Client, existing: str) -> None:
    text = render(client, command=COMMAND, env=ENV)

    merged = merge(client, existing=existing, command=COMMAND, env=ENV)

    assert merged.removeprefix("\ufeff") == text
    assert merge(client, existing=merged, command=COMMAND, env=ENV) == merged


@of_each(WRITERS)
def test_garbage_is_refused_with_the_text_to_paste(client: Client, tmp_path: Path) -> None:
    path = seeded(client, tmp_path, b"{ this = is [neither")

    with pytest.raises(UsageError) as caught:
        put(client, tmp_path)

    assert str(path) in caught.value.message
    assert render(client, command=COMMAND, env=ENV) in caught.value.hint
    assert path.read_bytes() == b"{ this = is [neither"
    assert [p.name for p in path.parent.iterdir()] == [path.name]


# Merging JSON


def foreign_json(client: Client) -> dict[str, Any]:
    node: Any = {"other": {"command": "x", "args": ["ü"], "disabled": True}}
    for key in reversed(client.keys):
        node = {"before": [1, 2.5, None], key: node, "after": {"deep": {"letheon": 1}}}
    return dict(node)


@of_each(JSON_CLIENTS)
@pytest.mark.parametrize("indent", [None, 2, 4, "\t"], ids=["one-line", "2", "4", "tab"])
def test_merging_json_keeps_servers_settings_and_layout(client: Client, indent: Any) -> None:
    before = foreign_json(client)
    existing = json.dumps(before, indent=indent, ensure_ascii=False) + "\n"

    merged = merge(client, existing=existing, command=COMMAND, env=ENV)

    after = json.loads(merged)
    servers = after
    for key in client.keys:
        servers = servers[key]
    assert words_and_env(servers.pop(SERVER)) == (COMMAND, ENV)
    assert after == before
    assert list(after) == list(before)
    assert set(existing.splitlines()[:1]) <= {merged.splitlines()[0], existing.strip()}
    assert merged == json.dumps(json.loads(merged), indent=indent, ensure_ascii=False) + "\n"
    assert merge(client, existing=merged, command=COMMAND, env=ENV) == merged


@of_each(JSON_CLIENTS)
def test_a_second_command_replaces_the_first_one(client: Client) -> None:
    first = merge(client, existing="", command=["old-mem", "mcp"], env={"A": "1"})

    second = merge(client, existing=first, command=["new-mem", "mcp"], env={})

    assert second == render(client, command=["new-mem", "mcp"], env={})


names = st.text(max_size=8).filter(lambda name: name != "mcpServers")
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=10,
)  # fmt: skip
layouts = st.sampled_from([None, 2, 3, "\t"])


@given(
    rest=st.dictionaries(names, values, max_size=5),
    servers=st.none()
    | st.dictionaries(names.filter(lambda name: name != SERVER), values, max_size=3),
    indent=layouts,
    escaped=st.booleans(),
)
def test_merging_into_any_json_object_keeps_every_other_key(
    *, rest: dict[str, Any], servers: dict[str, Any] | None, indent: Any, escaped: bool
) -> None:
    before = rest if servers is None else {**rest, "mcpServers": servers}
    existing = json.dumps(before, indent=indent, ensure_ascii=escaped)
    if not escaped and re.search("[\ud800-\udfff]", existing):
        existing = json.dumps(before, indent=indent)

    merged = merge(CURSOR, existing=existing, command=COMMAND, env={})

    merged.encode()
    after = json.loads(merged)
    assert words_and_env(after["mcpServers"].pop(SERVER)) == (COMMAND, {})
    assert after == {**before, "mcpServers": servers or {}}
    assert merge(CURSOR, existing=merged, command=COMMAND, env={}) == merged


def test_line_ends_mark_and_compact_form_of_json_are_kept() -> None:
    crlf = '\ufeff{\r\n    "a": 1\r\n}\r\n'
    compact = '{"a":[1,2]}'

    wide = merge(CURSOR, existing=crlf, command=["mem"], env={})
    narrow = merge(CURSOR, existing=compact, command=["mem"], env={})

    assert wide.startswith('\ufeff{\r\n    "a": 1,\r\n    "mcpServers": {\r\n')
    assert wide.count("\n") == wide.count("\r\n")
    assert narrow == '{"a":[1,2],"mcpServers":{"letheon":{"command":"mem","args":[]}}}'


@of_each(JSON_CLIENTS)
@pytest.mark.parametrize(
    "existing",
    ['// mine\n{"a": 1}', '{"a": 1 /* mine */}', '{"a": [1, 2,],}', '{"u": "http://x", } // y'],
)
def test_comments_and_trailing_commas_are_never_rewritten(client: Client, existing: str) -> None:
    with pytest.raises(UsageError, match="comments or trailing commas") as caught:
        merge(client, existing=existing, command=COMMAND, env=ENV)

    assert render(client, command=COMMAND, env=ENV) in caught.value.hint


def test_text_that_only_looks_like_a_comment_is_kept() -> None:
    existing = '{\n  "a": "http://x /* y */, ]"\n}\n'

    merged = merge(ZED, existing=existing, command=COMMAND, env={})

    assert json.loads(merged)["a"] == "http://x /* y */, ]"


@pytest.mark.parametrize(
    "existing",
    [
        "[]",
        '"text"',
        '{"a": 1, "a": 2}',
        '{"a": NaN}',
        '{"a": 1e999}',
        '{"a": 1e-99999999999999999999}',
        '{"a": 0.12345678901234567890123}',
        '{"mcpServers": []}',
        '{"mcpServers": null}',
        "[" * 100_000,
    ],
    ids=lambda text: text[:24],
)
def test_json_that_would_not_survive_a_rewrite_is_refused(existing: str) -> None:
    with pytest.raises(UsageError):
        merge(CURSOR, existing=existing, command=COMMAND, env={})


# Merging TOML

FOREIGN_TOML = """\
# my settings
model = "o9"   # keep

[mcp_servers.other]  # theirs
command = "x"
notes = \"\"\"
[mcp_servers.letheon]
\"\"\"

# about profiles
[profiles.fast]
model = "mini"
"""


@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["lf", "crlf"])
@pytest.mark.parametrize("end", ["", "\n", "\n# the end\n"], ids=["cut", "whole", "comment"])
def test_a_new_toml_table_goes_after_everything_else(newline: str, end: str) -> None:
    existing = (FOREIGN_TOML.rstrip("\n") + end).replace("\n", newline)

    merged = merge(CODEX, existing=existing, command=COMMAND, env=ENV)

    assert merged.startswith(existing)
    assert merged.count("\n") == merged.count(newline)
    assert entry_in(CODEX, merged) == entry_in(CODEX, render(CODEX, command=COMMAND, env=ENV))
    assert merge(CODEX, existing=merged, command=COMMAND, env=ENV) == merged


OLD_TABLES = {
    "plain": '[mcp_servers.letheon]\n# dropped with the table\ncommand = "old"\n',
    "quoted": '[ mcp_servers . "letheon" ]\ncommand = "old"\nargs = [\n  "a",\n]\n',
    "nested": '[mcp_servers.letheon]\ncommand = "o"\n\n[mcp_servers.letheon.env]\nA = "1"\n',
    "only nested": '[mcp_servers.letheon.env]\nA = "1"\n',
    "array": '[[mcp_servers.letheon]]\ncommand = "old"\n',
}


@pytest.mark.parametrize("old", list(OLD_TABLES.values()), ids=list(OLD_TABLES))
@pytest.mark.parametrize("tail", ["", "\n# about the next\n[next]\nx = 1\n"], ids=["last", "mid"])
def test_our_old_toml_table_is_replaced_where_it_stands(old: str, tail: str) -> None:
    block = render(CODEX, command=COMMAND, env=ENV)
    simple = FOREIGN_TOML.replace("[mcp_servers.letheon]\n", "")

    merged = merge(CODEX, existing=simple + "\n" + old + tail, command=COMMAND, env=ENV)

    gap = "\n" if old == OLD_TABLES["nested"] else ""
    assert merged == simple + "\n" + block + gap + tail


def test_our_toml_tables_scattered_over_the_file_become_one() -> None:
    existing = (
        '[mcp_servers.letheon]\ncommand = "o"\n\n[a]\nx = 1\n'
        '[mcp_servers.letheon.env]\nA = "1"\n# about b\n[b]\ny = 2\n'
    )
    block = render(CODEX, command=["mem"], env={})

    merged = merge(CODEX, existing=existing, command=["mem"], env={})

    assert merged == block + "\n[a]\nx = 1\n# about b\n[b]\ny = 2\n"


@pytest.mark.parametrize(
    "existing",
    [
        'mcp_servers = { other = { command = "x" } }\n',
        '[mcp_servers]\nletheon = { command = "old" }\n',
        'mcp_servers.letheon.command = "old"\n',
        'mcp_servers = "text"\n',
        FOREIGN_TOML + '[mcp_servers.letheon]\ncommand = "old"\n',  # and in a string of theirs
        "a = 1\na = 2\n",
        "a = " + "[" * 100_000,
    ],
    ids=lambda text: text[:24],
)
def test_toml_that_cannot_be_edited_as_text_is_refused(existing: str) -> None:
    with pytest.raises(UsageError) as caught:
        merge(CODEX, existing=existing, command=COMMAND, env={})

    assert "[mcp_servers.letheon]" in caught.value.hint


bare = st.text(string.ascii_lowercase, min_size=1, max_size=5)
fragments = ["", "# note", "[x.y]", "  [ z ]", 's = """\n[q]\n"""', "n = [\n1]"]
lines = st.lists(st.sampled_from(fragments))


@given(tables=st.dictionaries(bare, lines, max_size=4), ours_first=st.booleans())
def test_every_line_of_any_toml_file_is_still_there(
    *, tables: dict[str, list[str]], ours_first: bool
) -> None:
    block = '[mcp_servers.letheon]\ncommand = "old"\n'
    rest = "".join(f"[t.{name}]\n" + "\n".join(body) + "\n" for name, body in tables.items())
    existing = block + rest if ours_first else rest
    try:
        tomllib.loads(existing)
    except tomllib.TOMLDecodeError:
        return

    merged = merge(CODEX, existing=existing, command=["mem"], env={})

    new = render(CODEX, command=["mem"], env={})
    assert merged == (new + rest if ours_first or not rest else rest + "\n" + new)


# YAML


@of_each(YAML_CLIENTS)
def test_yaml_that_exists_is_left_to_the_person(client: Client) -> None:
    with pytest.raises(UsageError) as caught:
        merge(client, existing="a: 1\n", command=COMMAND, env={})

    assert render(client, command=COMMAND, env={}) in caught.value.hint


# Writing


@of_each(WRITERS)
def test_a_missing_file_is_created_with_its_folders_for_its_owner(
    client: Client, tmp_path: Path
) -> None:
    done = put(client, tmp_path)

    assert done.path == file_of(client, tmp_path)
    assert (done.changed, done.backup) == (True, None)
    assert done.path.read_text(encoding="utf-8") == render(client, command=COMMAND, env=ENV)
    if os.name == "posix":
        assert done.path.stat().st_mode & 0o777 == 0o600


@of_each(WRITERS)
def test_writing_twice_changes_nothing_and_leaves_no_backup(client: Client, tmp_path: Path) -> None:
    put(client, tmp_path)

    again = put(client, tmp_path)

    assert (again.changed, again.backup) == (False, None)
    assert len(list(again.path.parent.iterdir())) == 1


@of_each([c for c in WRITERS if c.format != "yaml"])
def test_the_backup_is_the_old_file_and_its_mode_is_kept(client: Client, tmp_path: Path) -> None:
    old = FOREIGN_TOML.encode() if client.format == "toml" else b'{\n  "theme": "d\xc3\xbcster"\n}'
    path = seeded(client, tmp_path, old)
    path.chmod(0o640)

    done = put(client, tmp_path)

    assert done.changed
    assert done.backup is not None
    assert done.backup.read_bytes() == old
    assert done.backup.parent == path.parent
    stamp = re.escape(path.name) + r"\.letheon-backup-\d{8}T\d{6}\.\d{6}Z"
    assert re.fullmatch(stamp, done.backup.name)
    assert {p.name for p in path.parent.iterdir()} == {path.name, done.backup.name}
    if os.name == "posix":
        assert {p.stat().st_mode & 0o777 for p in (path, done.backup)} == {0o640}


@pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")
@pytest.mark.parametrize("dangling", [False, True])
def test_a_link_is_refused_and_its_target_left_alone(*, dangling: bool, tmp_path: Path) -> None:
    target = tmp_path / "dotfiles.json"
    if not dangling:
        target.write_text("{}")
    path = file_of(CURSOR, tmp_path)
    path.parent.mkdir(parents=True)
    path.symlink_to(target)

    with pytest.raises(UsageError, match="is a link"):
        put(CURSOR, tmp_path)

    assert path.is_symlink()
    assert target.exists() != dangling
    assert dangling or target.read_text() == "{}"


def test_a_folder_in_place_of_the_file_is_refused(tmp_path: Path) -> None:
    file_of(CURSOR, tmp_path).mkdir(parents=True)

    with pytest.raises(UsageError, match="not a regular file"):
        put(CURSOR, tmp_path)


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / ".cursor").write_text("in the way")

    with pytest.raises(UsageError) as caught:
        put(CURSOR, tmp_path)

    assert "add this by hand" in caught.value.hint


def test_a_file_that_is_not_utf8_is_refused_and_untouched(tmp_path: Path) -> None:
    path = seeded(CURSOR, tmp_path, b'{"a": "\xff"}')

    with pytest.raises(UsageError, match="not UTF-8"):
        put(CURSOR, tmp_path)

    assert path.read_bytes() == b'{"a": "\xff"}'


def test_a_client_that_writes_its_file_meanwhile_is_not_overruled(tmp_path: Path) -> None:
    path = seeded(CURSOR, tmp_path, b"{}")
    calls = 0

    def racing(command: Sequence[str], _env: Mapping[str, str]) -> dict[str, Any]:
        nonlocal calls
        calls += 1
        if calls > 1:  # `write` renders its hint first, and reads the file before the next call
            path.write_bytes(b'{"newer": true}')
        return {"command": command[0]}

    client = Client(name="racer", title="Racer", path=CURSOR.path, notes="", entry=racing)

    with pytest.raises(UsageError, match="changed by another program"):
        put(client, tmp_path)

    assert path.read_bytes() == b'{"newer": true}'
    assert [p.name for p in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("name", ["amp", "opencode"])
def test_a_jsonc_file_is_used_where_it_is_the_one_that_exists(name: str, tmp_path: Path) -> None:
    client = CLIENTS[name]
    twin = file_of(client, tmp_path).with_suffix(".jsonc")
    twin.parent.mkdir(parents=True)
    twin.write_text('{"a": 1}')

    done = put(client, tmp_path)

    assert done.path == twin
    assert parsed(client, twin.read_text(encoding="utf-8"))["a"] == 1
    assert not file_of(client, tmp_path).exists()


def test_an_unwritable_folder_is_reported_with_the_text_to_paste(tmp_path: Path) -> None:
    path = seeded(CURSOR, tmp_path, b"{}")
    path.parent.chmod(0o500)
    try:
        if os.access(path.parent, os.W_OK):
            pytest.skip("this user may write everywhere")
        with pytest.raises(UsageError) as caught:
            put(CURSOR, tmp_path)
        assert "mcpServers" in caught.value.hint
        assert path.read_bytes() == b"{}"
    finally:
        path.parent.chmod(0o700)

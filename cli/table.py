"""The command table: which module serves a verb, and its line in the help."""

from typing import NamedTuple


class Verb(NamedTuple):
    """One command: where its function lives and what it does in a line."""

    place: str  # "module:function"
    says: str  # the first line of the function's docstring, without the full stop
    group: str
    threads: bool = False  # whether it encodes many texts and so wants every core


_USE, _STORE, _AGENTS = "Remember, recall, forget", "The store", "Agents and shells"

VERBS: dict[str, Verb] = {
    "remember": Verb("cli.remember:run", "Store one text", _USE),
    "recall": Verb("cli.recall:run", "Show the memories that best answer a question", _USE),
    "forget": Verb("cli.forget:run", "Erase memories physically and verify it", _USE),
    "list": Verb("cli.list_:run", "List memories, newest first", _USE),
    "show": Verb("cli.show:run", "Show memories in full, with their provenances", _USE),
    "edit": Verb("cli.edit:run", "Correct a memory in place", _USE),
    "init": Verb("cli.init:run", "Create the store", _STORE),
    "import": Verb("cli.import_:run", "Import a file or a folder", _STORE, threads=True),
    "export": Verb("cli.export:run", "Write memories as JSON lines", _STORE),
    "stats": Verb("cli.stats:run", "Count what is in the store", _STORE),
    "doctor": Verb("cli.doctor:run", "Examine the store and say how to repair it", _STORE),
    "reembed": Verb("cli.reembed:run", "Make every vector anew", _STORE, threads=True),
    "receipt list": Verb("cli.receipt:list_", "List the receipts of past erasures", _STORE),
    "receipt show": Verb("cli.receipt:show", "Show one receipt, or export its proof", _STORE),
    "receipt verify": Verb("cli.receipt:verify", "Verify the ledger or one receipt", _STORE),
    "guard status": Verb("cli.guard:status", "Count the erased texts that are refused", _STORE),
    "guard rotate": Verb("cli.guard:rotate", "Let erased texts be stored again", _STORE),
    "key status": Verb("cli.key:status", "Say how the store is encrypted", _STORE),
    "key rotate": Verb(
        "cli.key:rotate", "Encrypt the store under a new key and destroy the old one", _STORE
    ),
    "key keep": Verb(
        "cli.key:keep", "Keep the key in another way, or under a new passphrase", _STORE
    ),
    "mcp": Verb("cli.mcp:run", "Serve the store to agents over MCP", _AGENTS, threads=True),
    "mcp config": Verb("cli.mcp:config", "Print or write an MCP client's configuration", _AGENTS),
    "completion": Verb("cli.completion:run", "Print a shell completion script", _AGENTS),
    "demo": Verb("cli.demo:run", "Show it all on a real conversation", _AGENTS, threads=True),
}

GLOBAL = (
    ("--store PATH", "folder of the store"),
    ("--json", "print JSON on standard output and nothing else"),
    ("--help", "show this help, or that of a verb"),
    ("--version", "show the version"),
)

EXITS = (
    ("0", "done"),
    ("1", "not done: refused, not confirmed, or an error of the system"),
    ("2", "an argument is not acceptable"),
    ("3", "not found; or erased from every recall, bytes still held by another program"),
    ("4", "the store is damaged, busy or full; or a verification failed"),
    ("5", "a package is missing; the hint names it"),
    ("130", "interrupted"),
)

ENVIRONMENT = (
    ("LETHEON_HOME", "folder of the store, else the platform's data folder"),
    ("LETHEON_SCOPE", "scope of remember and recall when none is given"),
    ("LETHEON_MODEL", "embedding model of a new store: default, none, a name or a folder"),
    ("LETHEON_PASSPHRASE", "of an encrypted store, for programs that cannot ask"),
    ("NO_COLOR", "no colours"),
)

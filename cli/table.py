"""The command table: which module serves a verb, and its line in the help."""

from typing import NamedTuple


class Verb(NamedTuple):
    """One command: where its function lives and what it does in a line."""

    place: str  # "module:function"
    says: str  # the first line of the function's docstring, without the full stop
    group: str
    threads: bool = False  # whether it encodes many texts and so wants every core


_USE, _STORE, _AGENTS = "Remember, recall, forget", "The store", "Agents and shells"
_PEOPLE = "People and what they ask for"

VERBS: dict[str, Verb] = {
    "remember": Verb("cli.remember:run", "Store one text", _USE),
    "recall": Verb("cli.recall:run", "Show the memories that best answer a question", _USE),
    "forget": Verb("cli.forget:run", "Erase memories physically and verify it", _USE),
    "list": Verb("cli.list_:run", "List memories, newest first", _USE),
    "show": Verb("cli.show:run", "Show memories in full, with their provenances", _USE),
    "correct": Verb("cli.edit:run", "Correct a memory in place", _USE),
    "edit": Verb("cli.edit:run", "Correct a memory in place", _USE),
    "subject show": Verb(
        "cli.subject:show", "Show what is kept by, about or with the name of a person", _PEOPLE
    ),
    "subject add": Verb("cli.subject:add", "Declare a person and the names they go by", _PEOPLE),
    "subject alias": Verb(
        "cli.subject:alias", "Give a declared person more names, or take some away", _PEOPLE
    ),
    "subject list": Verb("cli.subject:list_", "List the people that were declared", _PEOPLE),
    "subject merge": Verb(
        "cli.subject:merge", "Make one person of two that were declared", _PEOPLE
    ),
    "subject export": Verb(
        "cli.subject:export_", "Write all about a person as JSON, for Articles 15 and 20", _PEOPLE
    ),
    "subject forget": Verb(
        "cli.subject:forget_",
        "Erase a person's memories, the same as 'mem forget --subject NAME'",
        _PEOPLE,
    ),
    "request open": Verb(
        "cli.request:open_",
        "Record a request; its answer is due one month after it came in",
        _PEOPLE,
    ),
    "request list": Verb(
        "cli.request:list_", "List requests, those first whose answer is due first", _PEOPLE
    ),
    "request show": Verb("cli.request:show", "Show one request", _PEOPLE),
    "request verify": Verb(
        "cli.request:verify",
        "Record that the identity of who asked is settled, and how",
        _PEOPLE,
    ),
    "request extend": Verb(
        "cli.request:extend",
        "Put the answer off by up to two months; only within the first one",
        _PEOPLE,
    ),
    "request refuse": Verb(
        "cli.request:refuse", "Record that a request is refused, and why", _PEOPLE
    ),
    "request close": Verb(
        "cli.request:close",
        "Record that a request was fulfilled; the store forgets whom it was about",
        _PEOPLE,
    ),
    "init": Verb("cli.init:run", "Create the store", _STORE),
    "import": Verb("cli.import_:run", "Import a file or a folder", _STORE, threads=True),
    "export": Verb("cli.export:run", "Write memories as JSON lines", _STORE),
    "backup": Verb("cli.backup:run", "Write an encrypted backup of the whole store", _STORE),
    "backup list": Verb("cli.backup:list_", "List the backups the store knows of", _STORE),
    "backup show": Verb("cli.backup:show", "Show what is known of one backup", _STORE),
    "backup verify": Verb("cli.backup:verify", "Examine every byte of a backup", _STORE),
    "backup expire": Verb("cli.backup:expire", "Shred the backups whose day has come", _STORE),
    "backup shred": Verb("cli.backup:shred", "Destroy the key of a backup, and its file", _STORE),
    "restore": Verb("cli.restore:run", "Bring back what a backup has and the store lacks", _STORE),
    "stats": Verb("cli.stats:run", "Count what is in the store", _STORE),
    "doctor": Verb("cli.doctor:run", "Examine the store and say how to repair it", _STORE),
    "reembed": Verb("cli.reembed:run", "Make every vector anew", _STORE, threads=True),
    "receipt list": Verb("cli.receipt:list_", "List the receipts of past erasures", _STORE),
    "receipt show": Verb("cli.receipt:show", "Show one receipt, or export its proof", _STORE),
    "receipt verify": Verb("cli.receipt:verify", "Verify the ledger or one receipt", _STORE),
    "verify-erasure": Verb(
        "cli.verify_erasure:run", "Look again for what an erasure erased", _STORE, threads=True
    ),
    "guard status": Verb("cli.guard:status", "Count the erased texts that are refused", _STORE),
    "guard rotate": Verb("cli.guard:rotate", "Let erased texts be stored again", _STORE),
    "hold place": Verb("cli.hold:place", "Restrict memories: out of everything, on record", _STORE),
    "hold list": Verb("cli.hold:list_", "List the legal holds", _STORE),
    "hold show": Verb("cli.hold:show", "Show a hold, or read a restricted memory", _STORE),
    "hold release": Verb("cli.hold:release", "End a hold", _STORE),
    "recipients list": Verb(
        "cli.recipients:list_", "List who was given memories, and what they were told", _STORE
    ),
    "recipients notified": Verb(
        "cli.recipients:notified", "Record that a recipient was told of an erasure", _STORE
    ),
    "recipients impossible": Verb(
        "cli.recipients:impossible", "Record that telling a recipient is impossible", _STORE
    ),
    "recipients disproportionate": Verb(
        "cli.recipients:disproportionate",
        "Record that telling a recipient would be disproportionate",
        _STORE,
    ),
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
    ("LETHEON_PASSPHRASE", "of an encrypted store or a backup, for programs that cannot ask"),
    ("NO_COLOR", "no colours"),
)

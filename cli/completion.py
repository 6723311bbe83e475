"""`mem completion`: scripts for shells, made from the command table and the verbs' signatures.

The scripts hold every word they offer, so that pressing TAB starts no program.
"""

import sys
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Annotated, Literal, get_args

from cli import output
from cli.declare import Argument, Home, Json, Param, params
from cli.table import GLOBAL, VERBS

Shell = Literal["bash", "zsh", "fish"]
Verbs = Mapping[str, tuple[Param, ...]]

HOW: dict[str, str] = {
    "bash": "mem completion bash > ~/.local/share/bash-completion/completions/mem",
    "zsh": "mem completion zsh > a folder of $fpath, as _mem; then start a new shell",
    "fish": "mem completion fish > ~/.config/fish/completions/mem.fish",
}
FILES = frozenset({"PATH", "FILE"})  # metavars and argument names whose values are files


def run(
    shell: Annotated[Shell, Argument("Which shell: bash, zsh or fish.", offers=get_args(Shell))],
    *,
    store: Home = None,  # noqa: ARG001 - every verb takes it
    as_json: Json = False,
) -> None:
    """Print a shell completion script."""
    verbs = {verb: _params(verb) for verb in VERBS}
    script = SCRIPTS[shell](verbs)
    if as_json:
        output.emit({"shell": shell, "script": script})
        return
    sys.stdout.write(script)
    if sys.stdout.isatty():
        output.say(f"to install: {HOW[shell]}")


def _params(verb: str) -> tuple[Param, ...]:
    module, _, name = VERBS[verb].place.partition(":")
    return params(getattr(import_module(module), name))


def first_words() -> dict[str, str]:
    """Return the words a line may begin with and what each does."""
    words: dict[str, str] = {}
    for verb, entry in VERBS.items():
        word, _, rest = verb.partition(" ")
        words.setdefault(word, entry.says if not rest else "Past erasures and what was verified")
    return words


def second_words(first: str) -> dict[str, str]:
    """Return the words that may follow the first word of a verb of two."""
    return {
        verb.partition(" ")[2]: entry.says
        for verb, entry in VERBS.items()
        if verb.startswith(f"{first} ")
    }


def takes_file(param: Param) -> bool:
    """Tell whether a parameter's value is a file or a folder."""
    return not offers(param) and bool(FILES & {param.meta.metavar, param.name.upper()})


def offers(param: Param) -> tuple[str, ...]:
    """Return the values a shell may offer for a parameter."""
    return param.choices or (param.meta.offers if isinstance(param.meta, Argument) else ())


def _globals() -> list[str]:
    return [flag.split()[0] for flag, _ in GLOBAL]


_BASH_HEAD = """\
# bash completion of mem; made by 'mem completion bash'
_mem_words() {
    COMPREPLY+=($(compgen -W "$1" -- "$cur"))
}
_mem_files() {
    local IFS=$'\\n'
    compopt -o filenames 2> /dev/null
    COMPREPLY+=($(compgen "$1" -- "$cur"))
}
_mem() {
    local cur="${COMP_WORDS[COMP_CWORD]}" prev="${COMP_WORDS[COMP_CWORD-1]}" verb="" i
    COMPREPLY=()
    for ((i = 1; i < COMP_CWORD; i++)); do
        case "${COMP_WORDS[i]}" in
            --store) i=$((i + 1)) ;;
            -*) ;;
            *) verb="${COMP_WORDS[i]}"
               ((i + 1 < COMP_CWORD)) && case "$verb ${COMP_WORDS[i+1]}" in
                   @PAIRS@) verb="$verb ${COMP_WORDS[i+1]}" ;;
               esac
               break ;;
        esac
    done
"""


def bash(verbs: Verbs) -> str:
    """Return the script for bash."""
    pairs = "|".join(f'"{verb}"' for verb in verbs if " " in verb)
    lines = [
        _BASH_HEAD.replace("@PAIRS@", pairs).rstrip(),
        '    case "$verb:$prev" in',
        "        *:--store) _mem_files -d; return ;;",
    ]
    for verb, declared in verbs.items():
        lines += _bash_values(verb, declared)
    lines += ["    esac", '    case "$verb" in', f'        "") _mem_words "{_bash_start()}" ;;']
    for verb, declared in verbs.items():
        lines += _bash_words(verb, declared)
    lines += [
        f'        "{word}") _mem_words "{" ".join(second_words(word))}" ;;'
        for word in first_words()
        if word not in verbs
    ]
    return "\n".join([*lines, "    esac", "}", "complete -F _mem mem"]) + "\n"


def _bash_start() -> str:
    return " ".join([*first_words(), *_globals()])


def _bash_values(verb: str, declared: Sequence[Param]) -> list[str]:
    """Return the cases for what follows an option that takes a value."""
    lines, free = [], []
    for param in declared:
        if not param.flags or param.kind is bool or param.name == "store":
            continue
        cases = "|".join(f'"{verb}:{flag}"' for flag in param.flags)
        if takes_file(param):
            lines.append(f"        {cases}) _mem_files -f; return ;;")
        elif offers(param):
            lines.append(f'        {cases}) _mem_words "{" ".join(offers(param))}"; return ;;')
        else:
            free.append(cases)
    return [*lines, f"        {'|'.join(free)}) return ;;"] if free else lines


def _bash_words(verb: str, declared: Sequence[Param]) -> list[str]:
    words = [flag for param in declared for flag in param.flags if flag.startswith("--")]
    loose = [param for param in declared if not param.flags]
    words += [word for param in loose for word in offers(param)]
    words += ["--help", *second_words(verb)]
    files = "_mem_files -f; " if any(takes_file(param) for param in loose) else ""
    return [f'        "{verb}") {files}_mem_words "{" ".join(words)}" ;;']


def zsh(verbs: Verbs) -> str:
    """Return the script for zsh."""
    lines = [
        "#compdef mem",
        "# zsh completion of mem; made by 'mem completion zsh'",
        "_mem() {",
        "    local -a verbs options",
        "    verbs=(",
        *(f"        {_quoted(f'{word}:{says}')}" for word, says in first_words().items()),
        "    )",
        "    while (( CURRENT > 2 )) && [[ $words[2] == --* ]]; do",
        "        local gone=1; [[ $words[2] == --store ]] && gone=2",
        "        words=($words[1] ${words[2+gone,-1]}); (( CURRENT -= gone ))",
        "    done",
        "    if (( CURRENT == 2 )); then",
        "        _describe -t verbs verb verbs",
        "        return",
        "    fi",
        "    local verb=$words[2]",
        '    (( CURRENT > 3 )) && case "$verb $words[3]" in',
        f"        ({'|'.join(verb.replace(' ', chr(92) + ' ') for verb in verbs if ' ' in verb)})",
        '            verb="$verb $words[3]"; words=($words[1] ${words[3,-1]}); (( CURRENT-- )) ;;',
        "    esac",
        "    words=($words[1] ${words[3,-1]}); (( CURRENT-- ))",
        "    case $verb in",
    ]
    for verb, declared in verbs.items():
        lines += [f"        ({verb.replace(' ', chr(92) + ' ')})", "            _arguments -S \\"]
        lines += [f"                {spec} \\" for spec in _zsh_specs(verb, declared)]
        lines += ["                '(- *)--help[show the help]' ;;"]
    for word in first_words():
        if word not in verbs:
            offered = " ".join(second_words(word))
            lines += [f"        ({word}) _arguments '1:what:({offered})' ;;"]
    lines += [
        "    esac",
        "}",
        'if [ "$funcstack[1]" = "_mem" ]; then _mem "$@"; else compdef _mem mem; fi',
    ]
    return "\n".join(lines) + "\n"


def _zsh_specs(verb: str, declared: Sequence[Param]) -> list[str]:
    specs = []
    for param in declared:
        says = param.meta.says.replace("[", "(").replace("]", ")").replace(":", "\\:")
        action = _zsh_action(param)
        if not param.flags:
            words = " ".join([*offers(param), *second_words(verb)])
            place = "*" if param.many else "1"
            specs.append(_quoted(f"{place}:{param.name}:{f'({words})' if words else action}"))
            continue
        value = "" if param.kind is bool else f":{param.name}:{action}"
        star = "*" if param.many else f"({' '.join(param.flags)})" if len(param.flags) > 1 else ""
        specs += [_quoted(f"{star}{flag}[{says}]{value}") for flag in param.flags]
    if all(param.flags for param in declared) and (more := second_words(verb)):
        specs.append(_quoted(f"1:what:({' '.join(more)})"))
    return specs


def _zsh_action(param: Param) -> str:
    if takes_file(param):
        return "_files -/" if param.name == "store" else "_files"
    return f"({' '.join(offers(param))})" if offers(param) else " "


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def fish(verbs: Verbs) -> str:
    """Return the script for fish."""
    lines = [
        "# fish completion of mem; made by 'mem completion fish'",
        "complete -c mem -f",
        *(
            f"complete -c mem -n __fish_use_subcommand -a {word} -d {_fish(says)}"
            for word, says in first_words().items()
        ),
        "complete -c mem -n __fish_use_subcommand -l version -d 'show the version'",
        "complete -c mem -l help -s h -d 'show the help'",
    ]
    for verb, declared in verbs.items():
        first, _, second = verb.partition(" ")
        seen = f"__fish_seen_subcommand_from {first}"
        if second:
            seen += f"; and __fish_seen_subcommand_from {second}"
        elif others := " ".join(second_words(verb)):
            seen += f"; and not __fish_seen_subcommand_from {others}"
        lines += [f"complete -c mem -n {_fish(seen)} {spec}" for spec in _fish_specs(declared)]
    for first in first_words():
        unseen = f"__fish_seen_subcommand_from {first}"
        words = second_words(first)
        if words:
            unseen += f"; and not __fish_seen_subcommand_from {' '.join(words)}"
        lines += [
            f"complete -c mem -n {_fish(unseen)} -a {word} -d {_fish(says)}"
            for word, says in words.items()
        ]
    return "\n".join(lines) + "\n"


def _fish_specs(declared: Sequence[Param]) -> list[str]:
    specs = []
    for param in declared:
        if isinstance(param.meta, Argument) and not (offers(param) or takes_file(param)):
            continue
        flags = [f"-l {flag[2:]}" if flag[:2] == "--" else f"-s {flag[1:]}" for flag in param.flags]
        value = [] if param.kind is bool or not flags else ["-x"]
        if takes_file(param):
            value = ["-r", "-F"] if flags else ["-F"]
        elif words := " ".join(offers(param)):
            value.append(f"-a {_fish(words)}")
        specs.append(" ".join([*flags, *value, f"-d {_fish(param.meta.says)}"]))
    return specs


def _fish(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


SCRIPTS: dict[str, Callable[[Verbs], str]] = {"bash": bash, "zsh": zsh, "fish": fish}

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys
from types import ModuleType

import click
import pytest

from headrace.cli import commands
from headrace.cli.audit import commands as audit_commands
from headrace.cli.commands.audit import SUBCOMMANDS
from headrace.cli.group import COMMANDS
from headrace.cli.options import Command, Moment
from tests.cli.conftest import Cli, process
from tests.docs.generate import every_command

HEAVY = ("aiokafka", "faust", "clickhouse_connect", "httpx", "agentao", "chdb", "rich")


@pytest.mark.parametrize(
    ("package", "table"), [(commands, COMMANDS), (audit_commands, SUBCOMMANDS)]
)
def test_the_table_has_every_command_there_is(package: ModuleType, table: dict[str, str]) -> None:
    modules = {module.name for module in pkgutil.iter_modules(package.__path__)}
    assert modules == {name.replace("-", "_") for name in table}


def test_help_of_the_group_is_that_of_the_commands() -> None:
    shown = process("--help").stdout
    for name in COMMANDS:
        assert f"\n  {name} " in shown


@pytest.mark.parametrize("path", [path for path, _ in every_command()])
def test_every_command_has_help_with_examples(path: str, cli: Cli) -> None:
    ran = cli(*path.split(), "--help")
    assert ran.code == 0
    assert f"headrace {path}" in ran.out.partition("Examples:")[2]
    command = dict(every_command())[path]
    assert isinstance(command, Command)
    for parameter in command.params:
        assert not isinstance(parameter, click.Option) or parameter.help, parameter.name


@pytest.mark.parametrize("name", ["--since", "--until"])
def test_a_moment_is_written_the_same_for_every_command(name: str) -> None:
    found = {
        path: parameter.type
        for path, command in every_command()
        for parameter in command.params
        # The checkpoints that were kept elsewhere.
        if name in parameter.opts and path != "audit verify"
    }
    assert {"logs", "search", "export", "alerts test"} <= set(found)
    assert {type(kind) for kind in found.values()} == {Moment}


def test_examples_can_be_pasted_from_a_narrow_terminal(cli: Cli) -> None:
    for path, command in every_command():
        lines = cli(*path.split(), "--help").out.splitlines()
        for example in getattr(command, "examples", ()):
            assert f"  {example}" in lines


@pytest.mark.parametrize(
    ("words", "meant"),
    [(("alert",), "alerts"), (("audit", "serch"), "search"), (("tailfile",), "tail-file")],
)
def test_a_command_that_is_misspelt_is_named(words: tuple[str, ...], meant: str, cli: Cli) -> None:
    ran = cli(*words)
    assert (ran.code, ran.err.count("\n")) == (2, 1)
    assert f"no such command {words[-1]!r}: is it {meant}?" in ran.err


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom headrace.cli.main import run\nrun(['--help'])\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("module", "args", "advice"),
    [
        ("click", ["--help"], 'pip install "headrace[pipeline]"'),
        ("clickhouse_connect", ["sql", "SELECT 1"], 'pip install "headrace[pipeline]"'),
        ("chdb", ["up"], 'pip install "headrace[local]"'),
        ("agentao", ["demo"], 'pip install "headrace[demo]"'),
    ],
)
def test_a_missing_extra_is_one_line(module: str, args: list[str], advice: str) -> None:
    # None in sys.modules is how Python spells a module that cannot be imported.
    code = (
        f"import sys\nsys.modules[{module!r}] = None\n"
        f"from headrace.cli.main import run\nsys.exit(run({args!r}))"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60
    )
    assert ran.returncode == 2
    assert ran.stderr.splitlines() == [f"headrace: this needs {module}: {advice}"]


def test_modules_are_imported_by_their_commands_name() -> None:
    for name in COMMANDS:
        function = name.replace("-", "_")
        module = importlib.import_module(f"headrace.cli.commands.{function}")
        assert getattr(module, function).name == name


def test_an_unknown_command_is_one_line(cli: Cli) -> None:
    ran = cli("bogus")
    assert ran.code == 2
    assert ran.err == "headrace: no such command 'bogus' (see `headrace --help`)\n"


def test_a_wrong_option_is_one_line_that_names_the_help(cli: Cli) -> None:
    ran = cli("sessions", "--since", "yesterday")
    assert ran.code == 2
    assert ran.err == (
        "headrace sessions: Invalid value for '--since': 'yesterday' is not a time such as "
        "2026-05-04 or 2026-05-04T12:30, nor a span such as 2h or 7d "
        "(see `headrace sessions --help`)\n"
    )


def test_without_arguments_it_prints_help(cli: Cli) -> None:
    assert "Commands:" in cli().err

"""A coder: files, a command that is denied, a sub-agent."""

from __future__ import annotations

from typing import Final

from headrace.cli.demo.llm_server import Reply
from headrace.cli.demo.scenarios.scenario import Scenario, Turn, call

_SOURCES: Final = {
    "parser.py": "def parse(line):\n    name, value = line.split('=')\n"
    "    return name.strip(), value.strip()\n",
    "test_parser.py": "from parser import parse\n\n\ndef test_value_with_equals_sign():\n"
    "    assert parse('a=b=c') == ('a', 'b=c')\n",
    "README.md": "# settings\n\nReads `name=value` lines. " + "A value may hold anything. " * 20,
}

INITECH: Final = (
    Scenario(
        session="fix-the-parser",
        tenant="initech",
        user="kim",
        agent="coder",
        model="gpt-5-codex",
        files=_SOURCES,
        turns=(
            Turn(
                "The parser breaks on values with an equals sign. Please fix it.",
                (
                    Reply(
                        "I will read the code, its test and the notes first.",
                        thinking="parser.py, its test, and the README for the intended format. "
                        "All three reads are independent.",
                        tools=(
                            call("read_file", file_path="parser.py"),
                            call("read_file", file_path="test_parser.py"),
                            call("read_file", file_path="README.md"),
                            call("search_file_content", pattern="parse"),
                        ),
                    ),
                    Reply(
                        "`split('=')` cuts at every equals sign. One cut is enough.",
                        tools=(
                            call(
                                "replace",
                                file_path="parser.py",
                                old_text="line.split('=')",
                                new_text="line.split('=', 1)",
                            ),
                        ),
                    ),
                    Reply(
                        "Fixed: `parse` now cuts at the first equals sign only, so `a=b=c` gives "
                        "`('a', 'b=c')`, as the test expects. Nothing else was touched."
                    ),
                ),
            ),
        ),
    ),
    Scenario(
        session="shell-denied",
        tenant="initech",
        user="lou",
        agent="coder",
        model="gpt-5-codex",
        deny=("run_shell_command",),
        files=_SOURCES,
        turns=(
            Turn(
                "Clean the build directory.",
                (
                    Reply(tools=(call("run_shell_command", command="rm -r build"),)),
                    Reply(
                        "I may not run commands here, so the build directory is as it was. You can "
                        "remove it yourself with `rm -r build`."
                    ),
                ),
            ),
        ),
    ),
    Scenario(
        session="ask-the-researcher",
        tenant="initech",
        user="mo",
        agent="coder",
        model="gpt-5-codex",
        files=_SOURCES,
        turns=(
            Turn(
                "Which format do our settings files have?",
                (
                    Reply(
                        "I will let the researcher read the notes.",
                        tools=(call("agent_researcher", task="Find the format of settings files"),),
                    ),
                    Reply("Lines of `name=value`, where the value may hold anything."),
                ),
            ),
        ),
        sub_agent=(
            Reply(tools=(call("read_file", file_path="README.md"),)),
            Reply("README.md: lines of name=value; a value may hold anything."),
        ),
    ),
    Scenario(
        session="list-the-tree",
        tenant="initech",
        user="nia",
        agent="coder",
        model="gpt-5-codex",
        files=_SOURCES,
        turns=(
            Turn(
                "What is in this directory?",
                (
                    Reply(tools=(call("list_directory", directory_path="."),)),
                    Reply(
                        "A parser of settings, its test, and a README that describes the format."
                    ),
                ),
            ),
        ),
    ),
)

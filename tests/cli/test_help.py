"""The command line explains itself: quickly, with an example for every command that really parses, and completion in the shell."""

import os
import shlex
import subprocess
import sys

import pytest
import typer

from holdfast.cli.app import app

GROUP = typer.main.get_command(app)
COMMANDS = sorted(GROUP.commands)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_whole_summary_and_an_example_that_parses(name):
    command = GROUP.commands[name]
    assert len(command.short_help) <= 62, "cut off in `holdfast --help` at 80 columns"
    assert command.epilog.startswith(f"Example: holdfast {name}")
    arguments = shlex.split(command.epilog.removeprefix(f"Example: holdfast {name}"))
    with command.make_context(name, arguments) as context:
        assert context.params and not context.args


def test_help_imports_nothing_heavy():
    code = "import sys; sys.argv = ['holdfast', '--help']\nfrom holdfast.cli import main\ntry: main()\nexcept SystemExit: pass\n"
    code += "print(sorted({'torch', 'transformers', 'pyarrow', 'numpy', 'altair', 'pydantic'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and done.stdout.splitlines()[-1] == "[]"
    assert all(f"\n  {name} " in done.stdout for name in COMMANDS) and "..." not in done.stdout.split("Commands:")[1]


@pytest.mark.slow
def test_the_shell_completes_commands_and_recipes():
    def complete(words: str) -> list[str]:
        env = {**os.environ, "_HOLDFAST_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(words.count(" "))}
        done = subprocess.run([sys.executable, "-m", "holdfast"], env=env, capture_output=True, text=True, timeout=60)
        return done.stdout.split()

    assert complete("holdfast co") == ["collect", "compare"]
    assert complete("holdfast run qwen2.5-0") == ["qwen2.5-0.5b"]


def test_quiet_leaves_out_remarks_but_not_what_went_wrong(capsys):
    from holdfast import progress

    try:
        progress.quiet(True)
        progress.say("a remark")
        progress.say("failed: a cell", always=True)
        with progress.work(5, "measuring") as advance:
            advance(5, "base")
    finally:
        progress.quiet(False)
    assert capsys.readouterr().err == "failed: a cell\n"


@pytest.mark.parametrize("when", ["before", "in"])
def test_a_notice_while_python_ends_changes_no_exit_code(when):
    """The notice comes from a callback at exit, of what was imported before the command or by it."""
    at_exit = "atexit.register(os.kill, os.getpid(), signal.SIGTERM)"
    code = {
        "before": f"import atexit, os, signal; {at_exit}; from holdfast import cli",
        "in": f"import atexit, os, signal; from holdfast import cli; run = cli._run; cli._run = lambda: ({at_exit}, run())",
    }[when]
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; import sys; sys.argv = ['holdfast', '--help']; cli.main()"], capture_output=True, text=True
    )
    assert (done.returncode, done.stderr) == (0, "") and "Usage" in done.stdout

"""The commands around a search, and what each promises."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest
import yaml

from ednas_nni import plugins
from ednas_nni.bridge.manager import exposure, launch
from ednas_nni.bridge.manager.processes import BIN
from ednas_nni.cli import ADDED, COMMANDS, init_command, main, search_command, terminal
from ednas_nni.data.kinds import all_kinds
from ednas_nni.errors import JournalError, NetworkError, PluginError
from ednas_nni.networks.exporting import open_file
from ednas_nni.nn.blocks.base import own_code
from ednas_nni.record import locate

REPOSITORY = Path(__file__).parents[2]


def _run(*words: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "import sys; from ednas_nni.cli import main; sys.exit(main())", *words],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )


def test_help_names_every_command_and_loads_nothing_heavy() -> None:
    code = (
        "import sys; from ednas_nni.cli import parser; parser().print_help(); "
        "print('HEAVY', sorted({'torch', 'nni', 'rich', 'yaml', 'pydantic', 'numpy', 'requests'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "HEAVY []" in done.stdout
    for name in (*COMMANDS, *ADDED.names()):
        assert re.search(rf"^  {name}\s", done.stdout, re.MULTILINE)
    assert "experiments/ednas.yml" in done.stdout


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    from ednas_nni import __version__

    with pytest.raises(SystemExit) as end:
        main(["--version"])
    assert end.value.code == 0
    assert capsys.readouterr().out == f"ednas {__version__}\n"


def test_without_a_command_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert "To begin:" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["serch"], ["search"], ["search", "a.yml", "--trials", "0"]])
def test_a_wrong_command_line(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 2
    assert "error: " in capsys.readouterr().err


# ---- init


def _keeps(write: Callable[[Path], object], folder: Path) -> bool:
    """Whether writing studies leaves the user's own file alone."""
    mine = folder / "experiments" / "ednas.yml"
    mine.parent.mkdir(parents=True)
    mine.write_text("mine")
    write(folder)
    return mine.read_text() == "mine"


def test_init_never_overwrites(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _keeps(lambda folder: main(["init", str(folder)]), tmp_path / "a")
    assert "is not overwritten" in capsys.readouterr().err

    def careless(folder: Path) -> None:
        (folder / "experiments" / "ednas.yml").write_text(init_command.packaged("ednas.yml"))

    assert not _keeps(careless, tmp_path / "b")


def test_init_writes_studies_that_check(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], quick_tables: None
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["init"]) == 0
    told = capsys.readouterr().out
    commands = [line for line in told.splitlines() if line.startswith("  ")]
    assert len(commands) == 2 and "check experiments/ednas.yml" in commands[0] and "search" in commands[1]
    for name in init_command.STUDIES:
        assert main(["check", f"experiments/{name}"]) == 0
        shown, beside = capsys.readouterr()
        assert "architectures" in shown and "keeps" in shown and "Ready." in shown
        assert "warning" not in beside  # shipped studies have nothing to warn of
    (tmp_path / "experiments" / "ednas.yml").unlink()
    (tmp_path / "experiments" / "stub.yml").write_text("mine")
    assert main(["init"]) == 0
    assert (tmp_path / "experiments" / "stub.yml").read_text() == "mine"


def test_init_where_nothing_can_be_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "experiments").write_text("a file")
    assert main(["init", str(tmp_path)]) == 1
    assert "cannot be written" in capsys.readouterr().err


@pytest.mark.skipif(not (REPOSITORY / "experiments").is_dir(), reason="needs the repository")
@pytest.mark.parametrize("name", init_command.STUDIES)
def test_the_packaged_study_is_the_one_in_the_repository(name: str) -> None:
    text = (REPOSITORY / "experiments" / name).read_text(encoding="utf-8")
    assert init_command.packaged(name) == text
    assert init_command.packaged(name) != text.replace("device", "devise"), "a changed copy must be seen"


# ---- check


def test_check_tells_what_will_be_searched(
    experiment: Callable[..., Path], capsys: pytest.CaptureFixture[str], quick_tables: None
) -> None:
    path = experiment({"strategy": "regularized_evolution", "tasks": ["depth", "normals"], "start": []})
    assert main(["check", str(path)]) == 0
    told = capsys.readouterr()
    for word in (
        "depth (abs_error_m)",
        "600 train",
        "latency_ms",
        " ms ",
        "512 x 1024 px",
        "hardware-aware",
        "4, 2 at",
    ):
        assert word in told.out
    bound = r"latency_ms <= 24 \(checked on its upper bound latency_ms_upper90\): keeps \d+ % of random draws"
    assert re.search(bound, told.out)
    assert "segmentation" not in told.out


def test_check_warns_of_what_is_probably_not_meant(
    experiment: Callable[..., Path], capsys: pytest.CaptureFixture[str], quick_tables: None
) -> None:
    crowd = (os.cpu_count() or 1) + 1
    path = experiment({"constraints": ["latency_ms <= 17"]}, maxTrialNumber=None, trialConcurrency=crowd)
    assert main(["check", str(path)]) == 0
    told = capsys.readouterr().err
    assert "start: mobilenet_v2 lies outside the constraints and will not be trained: latency_ms_upper90 is" in told
    assert "maxTrialNumber is missing" in told and f"trialConcurrency = {crowd}" in told
    assert main(["check", str(experiment({"constraints": ["latency_ms <= 99"]}))]) == 0
    assert "hardly constrain" in capsys.readouterr().err


# ---- plugins


def test_plugins_lists_every_entry_point(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugins", "--fast"]) == 0
    told = capsys.readouterr().out
    for group in plugins.GROUPS:
        for name in plugins.names(group):
            assert re.search(rf"{group} +{name} .*not tried", told)


def test_plugins_names_the_reason_of_a_broken_one(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    point = metadata.EntryPoint("torn", "no_such_module:Thing", "ednas_nni.weightings")
    known = dict(plugins._entry_points("weightings"))
    monkeypatch.setattr(plugins, "_entry_points", lambda group: {**known, "torn": point})
    assert main(["plugins", "weightings"]) == 1
    told = capsys.readouterr()
    assert re.search(r"weightings +torn .*broken", told.out) and re.search(r"weightings +fixed .*ok", told.out)
    assert "No module named 'no_such_module'" in told.err and "Traceback" not in told.err


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("my_command:start", ""),
        ("my_command", "'mine' is not a class or function but of type module. Write module:Name"),
        ("my_bare_command:start", "HELP and configure(parser) (AttributeError: module 'my_bare_command'"),
        ("my_torn_command:start", "HELP and configure(parser) (ArgumentError: argument --help: conflicting"),
    ],
)
def test_a_wrong_command_of_a_plugin_stops_no_other(
    value: str, reason: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`ednas` goes on without it, and `ednas plugins` says why; its function may have any name."""
    start = "def start(options):\n    print('started')\n    return 0\n"
    for name, configure in (("my_command", "pass"), ("my_torn_command", "parser.add_argument('--help')")):
        text = f"HELP = 'mine'\ndef configure(parser):\n    {configure}\n{start}"
        (tmp_path / f"{name}.py").write_text(text)
    (tmp_path / "my_bare_command.py").write_text(start)
    monkeypatch.syspath_prepend(str(tmp_path))
    point = metadata.EntryPoint("mine", value, "ednas_nni.commands")
    real = plugins._registered
    monkeypatch.setattr(plugins, "_registered", lambda group: [*real(group), *[point] * (group == "commands")])
    assert main(["plugins", "devices", "--fast"]) == 0
    assert main(["plugins", "commands"]) == bool(reason)
    assert reason in " ".join(capsys.readouterr().err.split())
    if reason:
        with pytest.raises(SystemExit):
            main(["mine"])
    else:
        assert main(["mine"]) == 0 and "started" in capsys.readouterr().out


def test_a_name_that_two_distributions_register_stops_no_other(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only whoever asks for that name hears of it; a command of EDNAS itself stays what it is."""
    more = {"devices": "macs", "commands": "search"}
    real = plugins._registered

    def registered(group: str) -> list[metadata.EntryPoint]:
        added = (
            [metadata.EntryPoint(more[group], "fractions:Fraction", plugins.PREFIX + group)] if group in more else []
        )
        return [*real(group), *added]

    monkeypatch.setattr(plugins, "_registered", registered)
    assert main(["plugins", "devices"]) == 1
    told = capsys.readouterr()
    assert re.search(r"devices +params .*ok", told.out) and "Two distributions register devices 'macs'" in told.err
    assert main(["plugins", "commands"]) == 1
    assert "commands 'search': EDNAS has a command of that name itself" in capsys.readouterr().err
    assert main(["search", "no_such_file.yml"]) == 1 and "no_such_file.yml" in capsys.readouterr().err


def test_plugins_names_classes_of_another_kind_and_unfinished_ones(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """They load, but nothing can be made of them: each use refuses them, and so does the list."""
    (tmp_path / "half_done.py").write_text(
        "from ednas_nni.data.kinds.base import LabelKind\nfrom ednas_nni.nn.blocks.base import Block\n"
        "class Other: pass\nclass Unfinished(Block): pass\nclass Kind(LabelKind): pass\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    based = ("blocks", "evaluators", "exporters", "label_kinds", "services", "tasks", "weightings")
    added = {group: {"other": "half_done:Other"} for group in based}
    added["blocks"]["unfinished"], added["label_kinds"]["kind"] = "half_done:Unfinished", "half_done:Kind"
    real = plugins._registered

    def registered(group: str) -> list[metadata.EntryPoint]:
        more = added.get(group, {}).items()
        return [*real(group), *(metadata.EntryPoint(name, value, plugins.PREFIX + group) for name, value in more)]

    monkeypatch.setattr(plugins, "_registered", registered)
    for group in based:
        assert main(["plugins", group]) == 1
        told = capsys.readouterr()
        assert re.search(rf"{group} +other .*broken", told.out), group
        assert f"{group} 'other': Other is not a subclass of ednas_nni." in " ".join(told.err.split())
    assert main(["plugins", "blocks"]) == 1
    told = " ".join(capsys.readouterr().err.split())
    assert "blocks 'unfinished': Unfinished has no build, which ednas_nni.nn.blocks.base.Block asks for." in told
    all_kinds.cache_clear()
    try:
        assert "kind" not in [kind.name for kind in all_kinds()]
    finally:
        all_kinds.cache_clear()


def test_a_broken_plugin_stops_no_other_where_all_of_a_group_are_asked(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    point = {
        group: metadata.EntryPoint("se", "no_such_module:Thing", plugins.PREFIX + group) for group in plugins.GROUPS
    }
    real = plugins._registered
    monkeypatch.setattr(plugins, "_registered", lambda group: [*real(group), point[group]])
    assert exposure.variables()["EDNAS_PRELOADS"]  # of every search
    with pytest.raises(NetworkError, match="exported files end in"):
        open_file(tmp_path / "network.unknown")
    assert own_code({"ops": ["ibn_k3_e3_se"]}) == {}
    with pytest.raises(PluginError, match="no_such_module"):
        own_code({"ops": ["ibn_k3_e3", "se_k3"]})


def test_plugins_of_an_unknown_group(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugins", "strategy"]) == 1
    assert "Did you mean 'strategies'?" in capsys.readouterr().err


# ---- register, loopback


def test_register_is_idempotent(tmp_path: Path) -> None:
    first = _run("register", NNI_CONFIG_DIR=str(tmp_path))
    assert first.returncode == 0 and "now known" in first.stdout, first.stderr
    text = (tmp_path / "registered_algorithms.yml").read_text()
    assert "ednas_nni.bridge.advisor.Advisor" in text
    second = _run("register", NNI_CONFIG_DIR=str(tmp_path))
    assert "already known" in second.stdout
    assert (tmp_path / "registered_algorithms.yml").read_text() == text


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux")
def test_a_full_disk_under_the_output_is_said_to_be_one() -> None:
    code = "import sys; from ednas_nni.cli import main; sys.exit(main(['loopback']))"
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([sys.executable, "-c", code], stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert (
        done.stderr.startswith("ednas: error: standard output, or a file: No space left")
        and done.stderr.count("\n") == 1
    )


def test_loopback_prints_lines_for_a_shell(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["loopback"]) == 0
    lines = capsys.readouterr().out
    shell = f'{lines}\necho "$NODE_OPTIONS"; command -v python3'
    done = subprocess.run(["/bin/sh", "-c", shell], capture_output=True, text=True, check=True, env={"PATH": "/bin"})
    options, python = done.stdout.splitlines()
    assert options == f"--require {exposure.LOOPBACK}" and exposure.LOOPBACK.is_file()
    assert Path(python).parent == BIN


def test_node_options_keep_what_stands_there(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"NODE_OPTIONS": "--max-old-space-size=512"}
    once = exposure.node_options(given)
    assert once == f"--max-old-space-size=512 --require {exposure.LOOPBACK}"
    assert exposure.node_options({"NODE_OPTIONS": once}) == once
    monkeypatch.setattr(exposure, "LOOPBACK", Path("/a b/loopback.js"))
    assert exposure.node_options({}) == '--require "/a b/loopback.js"'


# ---- which journal is meant


def test_find_a_journal(small_journal: Path, tmp_path: Path) -> None:
    home = tmp_path / "nni"
    for text in ("abcd1234", "latest", str(small_journal), str(small_journal.parents[1])):
        assert locate.journal_of(text, home) == small_journal
    with pytest.raises(JournalError, match=r"Did you mean 'abcd1234'\?"):
        locate.journal_of("abcd1243", home)
    (home / "zzzzzzzz").mkdir()
    with pytest.raises(JournalError, match="has no journal: it is not an EDNAS search"):
        locate.journal_of("zzzzzzzz", home)
    with pytest.raises(JournalError, match="ednas search"):
        locate.journal_of("abcd1234", tmp_path / "empty")


def test_latest_is_the_search_that_began_last(tmp_path: Path) -> None:
    """Confirming an older one writes into its journal, and makes it no newer."""
    for name, begun in (("older", 1.0), ("newer", 2.0), ("torn", None)):
        journal = tmp_path / name / "ednas" / "journal.jsonl"
        journal.parent.mkdir(parents=True)
        journal.write_text(json.dumps({"event": "study", "time": begun}) + "\n" if begun else '{"ev')
    with (tmp_path / "older/ednas/journal.jsonl").open("a") as file:
        file.write("{}\n")
    os.utime(tmp_path / "older/ednas/journal.jsonl", (2e9, 2e9))
    assert locate.journal_of("latest", tmp_path) == tmp_path / "newer/ednas/journal.jsonl"


def test_find_a_journal_that_nni_keeps_elsewhere(small_journal: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / ".experiment").write_text(json.dumps({"abcd1234": {"logDir": str(tmp_path / "nni")}}))
    assert locate.journal_of("abcd1234", home) == small_journal
    (home / ".experiment").write_text("torn {")
    with pytest.raises(JournalError):
        locate.journal_of("abcd1234", home)


def test_a_command_is_given_a_name_that_leads_to_the_search(
    small_journal: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A copy has the id of the search that it was copied from."""
    monkeypatch.setattr(locate, "EXPERIMENTS", str(tmp_path / "nni"))
    assert locate.command_name(small_journal) == "abcd1234"
    moved = tmp_path / "else where" / "abcd1234"
    shutil.copytree(small_journal.parents[1], moved)
    for _ in ("copied", "moved"):
        name = locate.command_name(moved / "ednas" / "journal.jsonl")
        assert name != "abcd1234" and locate.journal_of(*shlex.split(name)) == moved / "ednas" / "journal.jsonl"
        shutil.rmtree(small_journal.parents[1], ignore_errors=True)


# ---- resume


def test_a_resume_is_not_given_fewer_trials_than_have_begun(
    experiment: Callable[..., Path],
    small_journal: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    begun: list[object] = []
    monkeypatch.setattr(search_command, "search", lambda *words: begun.append(words) or 0)
    config = yaml.safe_load(experiment().read_text())
    (small_journal.parent / launch.CONFIG).write_text(json.dumps(config))
    assert main(["resume", str(small_journal.parents[1]), "--trials", "3"]) == 1
    assert "--trials 3: 4 trials have begun already. Name" in capsys.readouterr().err and not begun
    assert main(["resume", str(small_journal.parents[1]), "--trials", "4"]) == 0 and begun


# ---- describe


def test_describe(experiment: Callable[..., Path], capsys: pytest.CaptureFixture[str], quick_tables: None) -> None:
    path = str(experiment())
    assert main(["describe", path]) == 0
    shown = capsys.readouterr().out
    assert "stage1_depth" in shown and len(set(shown.splitlines())) == len(shown.splitlines()), "each list once"
    assert main(["describe", path, "mobilenet_v2"]) == 0
    told = capsys.readouterr().out
    assert "ibn_k3_e6" in told and "512 x 1024 px" in told
    assert re.search(r"^  latency_ms  \d+\.\d+ ms   \(edge_tpu, modelled", told, flags=re.M)
    assert max(map(len, told.splitlines())) <= terminal.LOG_WIDTH
    assert main(["describe", path, "mobilenet_v3"]) == 1
    assert "Did you mean 'mobilenet_v2'?" in capsys.readouterr().err


def test_long_notes_are_wrapped_and_nothing_of_them_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    note = "an upper bound of co-located networks; " * 9 + "\x1b[2J"
    for width in (60, 200):
        monkeypatch.setattr(terminal, "LOG_WIDTH", width)
        lines = terminal.wrapped(note, indent=6).splitlines()
        assert len(lines) > 1 and all(line.startswith(" " * 6) and len(line) <= width for line in lines)
        assert " ".join(line.strip() for line in lines) == note.replace("\x1b", "\\x1b")
    assert len(f"      {note}") > 200, "a note on one line would not pass"


def test_describe_an_architecture_of_a_search(
    experiment: Callable[..., Path], small_journal: Path, capsys: pytest.CaptureFixture[str], quick_tables: None
) -> None:
    assert main(["describe", str(experiment()), "dddddddddd", "--journal", str(small_journal)]) == 1
    assert "no architecture 'dddddddddd'" in capsys.readouterr().err


def test_check_names_the_members_that_are_trained_first(
    experiment: Callable[..., Path], quick_tables: None, capsys: pytest.CaptureFixture[str]
) -> None:
    for strategy in ("random", "ednas"):
        assert main(["check", str(experiment({"strategy": strategy}))]) == 0
        assert re.search("trained first +mobilenet_v2", capsys.readouterr().out)

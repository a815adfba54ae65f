"""`manager.js` by itself: who gets through the door, what a lost connection does, which machine gets a trial."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
from pathlib import Path

import nni_node
import psutil
import pytest

from machines.service import SCRIPT
from tests.machines.conftest import Fake

NODE = Path(nni_node.__path__[0]) / "node"
BEGIN = Path(__file__).with_name("begin.js").read_text().replace("SCRIPT", json.dumps(str(SCRIPT)))


def node(code: str, wait: bool = True) -> str:
    done = subprocess.run([str(NODE), "-e", BEGIN + code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_door_lets_in_who_knows_a_secret_to_what_trials_need(tmp_path: Path) -> None:
    (tmp_path / "ednas").mkdir()
    (tmp_path / "ednas" / "journal.jsonl").write_text("one line\n")
    code = Path(__file__).with_name("door.js").read_text()
    out = node(code.replace("ROOT", json.dumps(str(tmp_path))))
    said = json.loads(out)
    assert said["experiment"] == f"200 inner /api/v1/nni/experiment localhost:{said['port']}"
    assert said["journal"] == "200 one line\n" and said["metric"].startswith("200 inner")
    assert said["keeper"] == "101" and said["others"] == ["", "", ""], "a machine can be nobody but itself"
    assert set(said["refused"]) == {"403 "}


ENTRY = "{ host, port: 22, user: 'me', sshKeyFile: null }"
CONNECT = f"""
global.nni = {{ args: {{ port: 1 }}, paths: {{ experimentRoot: '/nonexistent' }} }};
const connect = async (host) => {{ const ssh = new script.Ssh('1', {ENTRY}); await ssh.connect(); return ssh; }};
"""


def test_a_connection_that_ends_says_why_and_takes_its_commands_along(ssh: Fake) -> None:
    code = """
    (async () => {
      const ssh = await connect('brief');
      const left = ssh.output('sleep 60').catch((error) => error.message);
      say([ssh.port, String(await (await connect('good')).output('echo hello')), await ssh.lost, await left]);
      say(await connect('away').catch((error) => error.message));
      process.exit(0);
    })();
    """
    first, second = map(json.loads, node(CONNECT + code).splitlines())
    assert first == [4242, "hello\n", *["Timeout, server brief not responding."] * 2]
    assert "Connection timed out" in second


def test_a_killed_manager_leaves_no_connection(ssh: Fake, tmp_path: Path) -> None:
    code = "connect('good').then(() => { say(1); setInterval(() => undefined, 1000); });"
    with subprocess.Popen([str(NODE), "-e", BEGIN + CONNECT + code], stdout=subprocess.PIPE) as manager:
        assert manager.stdout is not None and manager.stdout.readline() == b"1\n"
        master = psutil.Process(int((tmp_path / "ssh" / "master").read_text()))
        assert master.is_running()
        manager.kill()
    end = time.monotonic() + 10
    while master.is_running() and master.status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < end, "the connection outlives its search"
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("running", "failures", "concurrency", "chosen"),
    [
        ([0, 0], [0, 0], 6, "large"),
        ([3, 0], [0, 0], 6, "small"),
        ([4, 1], [0, 0], 6, "small"),
        ([3, 2], [0, 0], 6, "large"),
        ([4, 2], [0, 0], 6, None),
        ([0, 0], [2, 0], 6, "small"),
        ([4, 2], [0, 0], 12, "large"),
    ],
)
def test_who_has_most_room_gets_the_trial(
    running: list[int], failures: list[int], concurrency: int, chosen: str | None
) -> None:
    """Machines of four cores and two."""
    code = """
    const [running, failures, concurrency] = GIVEN;
    class Service {}
    script.mendService({ RemoteTrainingServiceV3: Service }, () => ({}));
    const service = new Service();
    service.config = { machineList: [{}, {}] };
    service.concurrency = () => concurrency;
    service.workers = [['large', 4], ['small', 2]].map(([name, weight], i) => ({
      name, weight, config: service.config.machineList[i], trials: new Set(Array(running[i]).keys()),
      failures: failures[i], restsUntil: 0, answers: () => true,
    }));
    service.workersByChannel = new Map(service.workers.map((one) => [one.name, one]));
    say((service.freest() || { name: null }).name);
    """
    assert json.loads(node(code.replace("GIVEN", json.dumps([running, failures, concurrency])))) == chosen


def test_files_come_over_as_they_are(tmp_path: Path) -> None:
    """One process sends those of one trial after another; texts, bytes like our own marks, nothing at all."""
    place = tmp_path / "nni-experiments" / "x" / "environments" / "k"
    files = {
        "a": {"trial.log": b"one\ntwo\n", "trial.stderr": b"", "examples.npz": b'{"kind":"end"}\n' * 9000},
        "b": {"result.json": b'{"architecture": "0a"}'},
        "c": {},
    }
    for job, contents in files.items():
        (place / "trials" / job).mkdir(parents=True)
        for name, content in contents.items():
            (place / "trials" / job / name).write_bytes(content)
    weights = place / "ednas" / "weights" / "0a.safetensors"
    weights.parent.mkdir(parents=True)
    network = bytes(range(256)) * 1000
    weights.write_bytes(network)
    code = """
    const words = ['-m', 'machines.host', 'pack', 'x', 'k'];
    const child = require('child_process').spawn(PYTHON, words, { env: { ...process.env, HOME } });
    const digest = (bytes) => require('crypto').createHash('sha256').update(bytes).digest('hex');
    (async () => {
      const all = [];
      const files = script.frames(child.stdout);
      for (const job of ['a', 'b', 'c']) {
        child.stdin.write(`${job}\\n`);
        for (let one; (one = (await files.next()).value).kind !== 'end';) {
          all.push([job, one.kind, one.name, digest(one.content)]);
        }
      }
      child.stdin.end();
      say([all, (await files.next()).done]);
      process.exit(0);
    })();
    """
    given = f"const PYTHON = {json.dumps(sys.executable)}, HOME = {json.dumps(str(tmp_path))};"
    sent, done = json.loads(node(given + code))
    trials = [(job, "trial", name, content) for job, left in files.items() for name, content in left.items()]
    expected = [*trials, ("b", "weights", weights.name, network)]
    expected = [[*words, hashlib.sha256(content).hexdigest()] for *words, content in expected]
    assert sorted(sent) == sorted(expected) and done
    assert not weights.exists(), "it is removed over there"

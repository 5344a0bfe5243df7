# SPDX-License-Identifier: GPL-2.0
"""Fixtures: a lab a test, a bpffs of the run's own (run-tests.sh has made the mount namespace)."""
import os, pathlib, subprocess, sys
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from gun import Gun  # noqa: E402 - the path above has to be there first
from lab import Agent, Lab  # noqa: E402

# The first needs a kernel with freplace, the second systemd as pid 1: `make vmtest` says so inside its virtual machines.
collect_ignore = [name for name, word in (("test_dispatcher.py", "SEKISHO_VM"), ("test_systemd.py", "SEKISHO_SYSTEMD"))
                  if not os.environ.get(word)]


def pytest_configure(config):
    config.addinivalue_line("markers", "alone: measures time or loss, so run-tests.sh runs it after all others, one by one")


@pytest.fixture(scope="session", autouse=True)
def own_bpffs():
    if not os.environ.get("SEKISHO_OWN_MOUNTS"):
        pytest.exit("run these through scripts/run-tests.sh: they need a mount namespace of their own")
    subprocess.run(["mount", "-t", "bpf", "bpf", "/sys/fs/bpf"], check=True)
    subprocess.run([str(pathlib.Path(__file__).parents[2] / "scripts/create-users.sh")], check=True)


@pytest.fixture
def lab():
    lab = Lab()
    yield lab
    lab.close()


@pytest.fixture
def gun(lab):
    gun = Gun(lab)
    yield gun
    gun.socket.close()


@pytest.fixture
def agent(lab):
    agents = []

    def make(config="", **kw):
        agents.append(Agent(lab, config, **kw))
        return agents[-1]

    yield make
    for one in agents:
        one.close()

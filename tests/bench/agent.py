# SPDX-License-Identifier: GPL-2.0
"""The real agent in a lab of two network namespaces: from a list's text to dropped packets, from `block add` to the
first dropped packet, and the memory that keeper, engine and kernel take."""
import json, os, pathlib, re, subprocess, sys

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "e2e"))
from lab import BUILD, EDGE, PORT, Agent, Lab, run, wait_for  # noqa: E402 - the path above has to be there first

MARKS = ("203.0.113.76", "203.0.113.77")  # last line of the list; a table is swapped as one
FIXED_BYTES = 5000000


class Stream:
    """The helper that sends a steady stream of one source while something is asked for."""

    def __init__(self, lab):
        words = [BUILD / "bench/latency", lab.attacker, "atk0", lab.edge, lab.iface, EDGE, PORT]
        self.process = subprocess.Popen([str(w) for w in words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def job(self, source, what):
        """Microseconds from the request to the first drop, and to the answer."""
        self.process.stdin.write(f"{source} {what}\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline().split()
        if not answer or answer[0] == "failed:":
            raise RuntimeError(f"{source}: {what}: {' '.join(answer) or 'the helper ended'}")
        return [float(word) for word in answer]

    def close(self):
        self.process.stdin.close()
        self.process.wait(10)


def percentile(values, share):
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def memory_mib(agent, key):
    """Sum of @key over keeper and engine."""
    pids = [agent.process.pid] + [int(pid) for pid, comm, _ in agent.children() if comm.startswith("sekisho-eng")]
    assert len(pids) == 2, agent.children()
    return sum(int(re.search(rf"^{key}:\s+(\d+)", pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text(), re.M)[1])
               for pid in pids) / 1024


def is_busy():
    """Do others use this machine? Then times of several processes tell little."""
    return os.getloadavg()[0] > os.cpu_count() + 1


def kernel_bytes(agent):
    """What the kernel charges for every map of the attached program, the ones inside the outer maps included."""
    program = agent.ask("status")["interfaces"][0]["program_id"]
    ids = json.loads(run("bpftool", "-j", "prog", "show", "id", program).stdout)["map_ids"]
    total = 0
    for one in ids:
        shown = json.loads(run("bpftool", "-j", "map", "show", "id", one).stdout)
        total += shown["bytes_memlock"]
        if shown["type"] == "array_of_maps":
            slots = json.loads(run("bpftool", "-j", "map", "dump", "id", one).stdout)
            inner = {int.from_bytes(bytes(int(byte, 16) for byte in slot["value"]), sys.byteorder)
                     for slot in slots if isinstance(slot.get("value"), list)}  # a segment may be in several slots
            total += sum(json.loads(run("bpftool", "-j", "map", "show", "id", i).stdout)["bytes_memlock"] for i in inner)
    return total


def measure_adds(agent, stream, n):
    """Block and unblock one source @n times each way; milliseconds to the first drop."""
    socket, cli, source = agent.dir / "run/sekisho.sock", BUILD / "sekisho", "198.51.100.7"
    request = json.dumps({"verb": "block.add", "prefix": source, "origin": "manual", "reason": "bench"})
    found = {"control socket": [], "command line": []}
    for _ in range(n):
        for how, what in (("control socket", f"socket {socket} {request}"),
                          ("command line", f"run {cli} -s {socket} block add {source} --reason bench")):
            found[how].append(stream.job(source, what)[0] / 1000)
            agent.cli("block", "del", source)
    return found


def measure_load(agent, stream, text):
    """Seconds from `feed update` to the first dropped packet: of the first list, then of one that replaces it."""
    words = f"run {BUILD / 'sekisho'} -s {agent.dir / 'run/sekisho.sock'} feed update bench"
    target = agent.dir / "bench.txt"
    times = []
    for source in MARKS:
        text += source + "/32\n"
        target.write_text(text)
        times.append(stream.job(source, words)[0] / 1e6)
    return times


def measure(folder, adds):
    """Folder holds list.txt. Returns a dict of figures."""
    text = (pathlib.Path(folder) / "list.txt").read_text()
    lab, found = Lab(), {}
    agent = stream = None
    try:
        agent = Agent(lab)
        (agent.dir / "bench.txt").write_text("203.0.113.99\n")
        agent.write(f"feeds:\n  - {{name: bench, path: \"{agent.dir / 'bench.txt'}\", format: plain, action: block,"
                    " interval: 24h, max-coverage: 100%, max-change: 0%, max-entries: 10000000}\n")
        agent.start()
        wait_for(lambda: agent.ask("status")["table"]["prefixes_v4"] == 1, what="the first list in force")
        empty = kernel_bytes(agent)
        stream = Stream(lab)
        found["load_s"], found["replace_s"] = measure_load(agent, stream, text)
        table = agent.ask("status")["table"]
        found["prefixes"] = table["prefixes_v4"] + table["prefixes_v6"]
        found["kernel"] = kernel_bytes(agent)
        found["kernel_empty"] = empty
        found["per_prefix"] = max(0, found["kernel"] - FIXED_BYTES) / found["prefixes"]
        found["is_busy"] = is_busy()
        found["rss_mib"], found["pss_mib"] = memory_mib(agent, "Rss"), memory_mib(agent, "Pss")
        found["adds"] = measure_adds(agent, stream, adds) if adds else {}  # with the whole list in force
        return found
    finally:
        if stream:
            stream.close()
        if agent:
            agent.close()
        lab.close()


def show(bits, found):
    print(f"The real agent, {found['prefixes']} IPv{4 if bits == 32 else 6} prefixes, text file to the first dropped packet")
    if found["is_busy"]:
        print("  noisy: others use this machine's CPUs")
    print(f"  load {found['load_s']:.3f} s, atomic replace {found['replace_s']:.3f} s")
    print(f"  kernel {found['kernel'] / 2**20:.2f} MiB, with one prefix {found['kernel_empty'] / 2**20:.2f};"
          f" {found['per_prefix']:.1f} bytes a prefix beyond 5 MB")
    print(f"  keeper and engine: RSS {found['rss_mib']:.1f} MiB, PSS {found['pss_mib']:.1f} MiB")
    for how, values in found["adds"].items():
        print(f"  block add by {how} to the first dropped packet: median {percentile(values, 0.5):.2f} ms,"
              f" p99 {percentile(values, 0.99):.2f} ms, {len(values)} adds")
    print(flush=True)

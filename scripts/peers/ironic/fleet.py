"""Brings machines of a fake-hardware Ironic from enrolled to active, as one client, and says what that cost.

Every verb goes to all machines, a few requests at a time; then the client waits until all are where it leads. Ironic tells
nobody when it is done, so one list of all machines is asked for every second: the fewest requests that a client can do with.
Prints one line of JSON; scripts/peers/ironic.sh runs it and says what is in it.
"""

import argparse
import collections
import http.client
import json
import os
import socket
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

VERSION = "1.90"
PAUSE = 1.0
# Ironic answers 409 while a machine is locked by what it does itself; as its own client, ask again.
LOCKED, TRIES, LOCKED_PAUSE = 409, 30, 0.5
PATIENCE = 900
FAILED = {"error", "enroll failed", "clean failed", "deploy failed"}
INTERFACES = {
    "bios_interface": "fake",
    "boot_interface": "fake",
    "console_interface": "no-console",
    "deploy_interface": "fake",
    "firmware_interface": "no-firmware",
    "inspect_interface": "fake",
    "management_interface": "fake",
    "network_interface": "noop",
    "power_interface": "fake",
    "raid_interface": "fake",
    "rescue_interface": "no-rescue",
    "storage_interface": "noop",
    "vendor_interface": "no-vendor",
}


class Connection(http.client.HTTPConnection):
    """HTTP on a unix socket, kept open."""

    def __init__(self, path):
        super().__init__("ironic", timeout=300)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        # Without a timeout, so that it waits while the server's backlog is full.
        self.sock.connect(self.path)
        self.sock.settimeout(self.timeout)


class Client:
    """Requests, on a connection for each thread."""

    def __init__(self, path):
        self.path, self.threads, self.counts = path, threading.local(), collections.Counter()

    def ask(self, method, path, body=None):
        headers = {"X-OpenStack-Ironic-API-Version": VERSION, "Content-Type": "application/json"}
        text = None if body is None else json.dumps(body)
        for _ in range(TRIES):
            if not hasattr(self.threads, "connection"):
                self.threads.connection = Connection(self.path)
            connection = self.threads.connection
            try:
                connection.request(method, path, text, headers)
                answer = connection.getresponse()
                data = answer.read()
            except http.client.RemoteDisconnected:
                # The server closes idle connections; this one was idle.
                connection.close()
                self.counts["reconnected"] += 1
                continue
            self.counts["requests"] += 1
            if answer.status != LOCKED:
                break
            self.counts["locked"] += 1
            time.sleep(LOCKED_PAUSE)
        if answer.status >= 300:
            raise SystemExit(f"{method} {path}: {answer.status} {data[:400]!r}")
        return json.loads(data) if data else None

    def states(self):
        """The state and the error of every machine."""
        found, marker = {}, ""
        while True:
            page = self.ask("GET", f"/v1/nodes?fields=uuid,provision_state,last_error&limit=1000{marker}")["nodes"]
            found.update((node["uuid"], (node["provision_state"], node["last_error"])) for node in page)
            if len(page) < 1000:
                return found
            marker = f"&marker={page[-1]['uuid']}"

    def wait(self, state):
        """Until every machine is in that state."""
        end = time.monotonic() + PATIENCE
        while True:
            states = self.states()
            for uuid, (found, error) in states.items():
                if found in FAILED or error:
                    raise SystemExit(f"{uuid} is in {found}: {error}")
            if all(found == state for found, _ in states.values()):
                return
            if time.monotonic() > end:
                raise SystemExit(f"not all are {state} after {PATIENCE} s: {collections.Counter(states.values())}")
            time.sleep(PAUSE)


def cpu(pids):
    """CPU seconds of processes, user and system."""
    ticks = 0
    for pid in pids:
        with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


def group(leader):
    """The processes of a group."""
    members = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            if os.getpgid(int(name)) == leader:
                members.append(int(name))
        except ProcessLookupError:
            pass
    return sorted(members)


def enrol(client, number):
    node = client.ask(
        "POST",
        "/v1/nodes",
        {
            "name": f"machine{number}",
            "driver": "fake-hardware",
            "resource_class": "baremetal",
            "properties": {"cpus": 8, "memory_mb": 16384, "local_gb": 100, "cpu_arch": "x86_64"},
            **INTERFACES,
        },
    )
    mac = "02:00:00:" + ":".join(f"{byte:02x}" for byte in number.to_bytes(3, "big"))
    client.ask("POST", "/v1/ports", {"node_uuid": node["uuid"], "address": mac})
    return node["uuid"]


def choose_image(client, uuid):
    image = {"image_source": "http://127.0.0.1:1/image.raw", "image_checksum": "0" * 32, "root_gb": 10}
    client.ask("PATCH", f"/v1/nodes/{uuid}", [{"op": "add", "path": "/instance_info", "value": image}])


def run(client, pool, machines):
    """All of them from nothing to active."""
    said = time.monotonic()

    def tell(stage):
        nonlocal said
        now = time.monotonic()
        print(f"  {stage}: {now - said:.1f} s", file=sys.stderr)
        said = now

    def all_to(verb, state):
        list(pool.map(lambda uuid: client.ask("PUT", f"/v1/nodes/{uuid}/states/provision", {"target": verb}), uuids))
        client.wait(state)
        tell(verb)

    uuids = list(pool.map(lambda number: enrol(client, number), range(machines)))
    tell("enrol")
    all_to("manage", "manageable")
    all_to("provide", "available")
    list(pool.map(lambda uuid: choose_image(client, uuid), uuids))
    tell("choose an image")
    all_to("active", "active")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--socket", required=True)
    parser.add_argument("--machines", type=int, required=True)
    parser.add_argument("--at-once", type=int, required=True)
    parser.add_argument("--group", type=int, required=True)
    parser.add_argument("--database", type=int, required=True)
    parser.add_argument("--peer", required=True)
    said = parser.parse_args()

    client = Client(said.socket)
    processes = group(said.group)
    before, database_before, began = cpu(processes), cpu([said.database]), time.monotonic()
    with ThreadPoolExecutor(said.at_once) as pool:
        run(client, pool, said.machines)
    wall, after, database_after = time.monotonic() - began, cpu(processes), cpu([said.database])
    if group(said.group) != processes:
        raise SystemExit("Ironic's processes are not those of the beginning, so their CPU time is not known")
    print(f"  {dict(client.counts)}", file=sys.stderr)
    figures = {
        "machines": said.machines,
        "wall_s": round(wall, 1),
        "cpu_s": round(after - before, 2),
        "db_cpu_s": round(database_after - database_before, 2),
        "peer": said.peer,
    }
    print(json.dumps(figures))


main()

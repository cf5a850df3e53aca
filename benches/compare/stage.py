"""Sets the stage: one event set, loaded into Annals and the peers, all opened and warm. Reused with `--keep`."""

import json
import pathlib
import shutil
import statistics
import sys
import time

import peers
from draw import Draw
from load import free, load, pieces, sizes, tenants_of
from server import Server

STARTS = 3
# Changes when the loaded data of an older version of this benchmark would not fit this one.
VERSION = 1


def note(text):
    print(f"# {text}", file=sys.stderr, flush=True)


class Stage:
    def __init__(self, args, events, folder, kinds):
        self.args, self.events = args, events
        self.folder = pathlib.Path(folder) / f"{events}-{args.seed}"
        self.data = self.folder / "audit"
        self.file = self.folder / "state.json"
        self.state, self.server, self.peers = self.read(), None, []
        try:
            self.fill(kinds)
            self.open(kinds)
        except BaseException:
            self.close()
            raise

    def read(self):
        try:
            state = json.loads(self.file.read_text())
            if state["version"] == VERSION:
                note(f"{self.folder}: what was loaded earlier is used again")
                return state
        except (OSError, ValueError, KeyError):
            pass
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(parents=True)
        return {"version": VERSION, "peers": {}}

    def write(self):
        self.file.write_text(json.dumps(self.state, indent=2))

    def fill(self, kinds):
        args = self.args
        if "annals" not in self.state:
            note(f"loading {self.events:,} events into Annals over HTTP")
            self.state["annals"] = load(
                args.annals, self.data, self.events, args.seed, args.batch, args.connections, self.folder, args.settle
            )
            # Numbers go by the order in which requests came: what peers hold of an earlier load has others.
            self.state["peers"] = {}
            self.state["tenants"] = tenants_of(args.annals, self.events, args.seed) + [["freshness-probe", 10]]
            self.write()
        wanted = {kind: peers.options(kind, args) for kind in kinds}
        missing = [kind for kind in kinds if self.state["peers"].get(kind, {}).get("options") != wanted[kind]]
        if missing:
            self.fill_peers(missing)

    def fill_peers(self, kinds):
        note(f"loading {' and '.join(kinds)} from Parquet that Annals exports")
        for kind in kinds:
            shutil.rmtree(self.folder / kind, ignore_errors=True)
        server = Server(self.args.annals, self.data)
        loaded = [peers.start(kind, self.folder / kind, self.args) for kind in kinds]
        room = self.folder / "pieces"
        room.mkdir(exist_ok=True)
        try:
            spent = {peer.name: peer.call("create")[0] for peer in loaded}
            for files in pieces(server, sorted(map(tuple, self.state["tenants"])), room, not self.args.no_record):
                for peer in loaded:
                    spent[peer.name] += peer.call("insert", files)[0]
                for file in files:
                    file.unlink()
                if free(self.folder) < 4e9:
                    sys.exit(f"less than 4 GB are left below {self.folder}: leave out a peer or the record (--no-record)")
            for peer in loaded:
                spent[peer.name] += peer.call("finish")[0]
                rows = peer.call("rows", "SELECT count(*) FROM events")[1]
                if int(rows[0][0]) != self.events + 10:
                    sys.exit(f"{peer.name} holds {rows[0][0]} events of {self.events + 10}")
                peak, size = peer.memory()["peak"], peer.call("size")[1]
                peer.stop()
                self.state["peers"][peer.name] = {
                    "version": peer.version, "seconds": spent[peer.name], "peak_rss_while_loading": peak,
                    "bytes_per_event": size / self.events, "options": peer.options,
                }
            self.write()
        finally:
            server.stop()
            for peer in loaded:
                peer.stop()
            shutil.rmtree(room, ignore_errors=True)

    def open(self, kinds):
        """Starts Annals anew, several times, and the peers; every side touches all its files once."""
        starts = []
        for _ in range(STARTS):
            if self.server:
                self.server.stop()
            self.server = Server(self.args.annals, self.data)
            starts.append(self.server.start_seconds)
        figures = self.state["annals"]
        figures["start_seconds"] = statistics.median(starts)
        figures["rss_after_start"] = self.server.memory()["now"]
        figures["segments"] = self.server.state()["segments"]
        figures["bytes"] = sizes(self.data, self.server, self.events)
        self.peers = [peers.start(kind, self.folder / kind, self.args) for kind in kinds]
        self.server.get("/api/v1/top?tenant=*&field=source")
        for peer in self.peers:
            peer.call("rows", "SELECT source, count(*) FROM events GROUP BY source")
        ranked = sorted(self.state["tenants"], key=lambda item: -item[1])
        self.largest = tuple(ranked[0])
        self.draw = Draw(self.server, [tenant for tenant, _ in ranked], self.args.seed)
        time.sleep(0.5)

    def gather(self):
        """The memory that the questions took, into the figures."""
        memory = self.server.memory()
        self.state["annals"]["rss_peak_while_asked"] = memory["peak"]
        self.state["annals"]["rss_anonymous_at_the_end"] = memory["anonymous"]
        for peer in self.peers:
            self.state["peers"][peer.name]["rss_peak_while_asked"] = peer.memory()["peak"]
        return {"annals": self.state["annals"], "peers": {peer.name: self.state["peers"][peer.name] for peer in self.peers}}

    def close(self):
        for side in [self.server, *self.peers]:
            if side:
                side.stop()
        if not self.args.keep:
            shutil.rmtree(self.folder, ignore_errors=True)

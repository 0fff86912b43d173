#!/usr/bin/env python3
"""One row of the mixing bench for Janus AudioBridge: N G.711 talkers in one room, by the same load generator.

Usage: janus.py MIXING TALKERS [SECONDS]    MIXING is the built bench program (cargo bench --no-run --bench mixing tells where it is)

Janus runs on core 0 and the generator on core 1, as the bench's own servers do. Every address is on loopback. Needs Debian's `janus`.
"""
import json, os, socket, subprocess, sys, tempfile, time, urllib.error, urllib.request

MIXING, TALKERS, SECONDS = sys.argv[1], int(sys.argv[2]), sys.argv[3] if len(sys.argv) > 3 else "5"
LIBRARY = "/usr/lib/x86_64-linux-gnu/janus"
# Every plugin and transport that this does not use, so that nothing else runs in the process.
PLUGINS = [name for name in sorted(os.listdir(f"{LIBRARY}/plugins")) if name.endswith(".so") and "audiobridge" not in name]
TRANSPORTS = [name for name in sorted(os.listdir(f"{LIBRARY}/transports")) if name.endswith(".so") and "http" not in name]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def configure(folder, port):
    # Two ports a participant, outside of what the kernel gives to others.
    low = 10000
    files = {
        "janus.jcfg": f"""general: {{ configs_folder = "{folder}"; plugins_folder = "{LIBRARY}/plugins"; transports_folder = "{LIBRARY}/transports";
            log_to_stdout = true; debug_level = 2; interface = "127.0.0.1"; session_timeout = 0 }}
            media: {{ rtp_port_range = "{low}-{low + 20000}" }}
            nat: {{ ice_enforce_list = "lo" }}
            plugins: {{ disable = "{','.join(PLUGINS)}" }}
            transports: {{ disable = "{','.join(TRANSPORTS)}" }}""",
        "janus.plugin.audiobridge.jcfg": f"""general: {{ local_ip = "127.0.0.1"; rtp_port_range = "{low}-{low + 20000}" }}
            room-1: {{ sampling_rate = "8000"; spatial_audio = false; audiolevel_event = true; allow_rtp_participants = true; record = false }}""",
        "janus.transport.http.jcfg": f"""general: {{ json = "compact"; base_path = "/janus"; http = true; port = {port}; ip = "127.0.0.1"; https = false }}
            admin: {{ admin_http = false }}""",
    }
    for name, text in files.items():
        with open(f"{folder}/{name}", "w") as file:
            file.write(text)


class Api:
    def __init__(self, port):
        self.base, self.count = f"http://127.0.0.1:{port}/janus", 0

    def post(self, path, message):
        self.count += 1
        message["transaction"] = str(self.count)
        request = urllib.request.Request(self.base + path, json.dumps(message).encode(), {"Content-Type": "application/json"})
        return json.load(urllib.request.urlopen(request, timeout=10))

    def join(self, session, number, address):
        """Brings one participant in, and says where Janus wants its packets."""
        ip, port = address.rsplit(":", 1)
        handle = self.post(session, {"janus": "attach", "plugin": "janus.plugin.audiobridge"})["data"]["id"]
        body = {"request": "join", "room": 1, "display": str(number), "codec": "pcmu", "rtp": {"ip": ip, "port": int(port), "payload_type": 0}}
        self.post(f"{session}/{handle}", {"janus": "message", "body": body})
        while True:
            # Everybody who is in hears of everybody who comes: many events at a time.
            for event in json.load(urllib.request.urlopen(f"{self.base}{session}?maxev=500", timeout=30)):
                data = event.get("plugindata", {}).get("data", {})
                if "error" in data:
                    sys.exit(f"janus: participant {number}: {data['error']}")
                if event.get("sender") == handle and data.get("audiobridge") == "joined" and "rtp" in data:
                    return f"{data['rtp']['ip']}:{data['rtp']['port']}"


def main():
    port = free_port()
    with tempfile.TemporaryDirectory() as folder, open(f"{folder}/log", "w") as log:
        configure(folder, port)
        janus = subprocess.Popen(["taskset", "-c", "0", "janus", "-F", folder, "-C", f"{folder}/janus.jcfg"], stdout=log, stderr=log)
        try:
            api, patience = Api(port), time.monotonic() + 10
            while True:
                try:
                    session = "/%d" % api.post("", {"janus": "create"})["data"]["id"]
                    break
                except (urllib.error.URLError, ConnectionError):
                    if janus.poll() is not None or time.monotonic() > patience:
                        sys.exit("janus: it did not start:\n" + open(f"{folder}/log").read()[-2000:])
                    time.sleep(0.1)
            command = ["taskset", "-c", "1", MIXING, "load", "--announce", str(TALKERS), "--to", "-", "--seconds", SECONDS, "--pid", str(janus.pid)]
            load = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            announced = [load.stdout.readline().strip() for _ in range(TALKERS)]
            joined = [api.join(session, number, address) for number, address in enumerate(announced)]
            told, _ = load.communicate("\n".join(joined) + "\n", timeout=int(SECONDS) + 60)
            legs, cpu = [line for line in told.splitlines() if line not in ("begin", "end")]
            received, spectra = legs.split("|")
            share = float(cpu.split(":")[1].split("%")[0])
            print(f"| janus | {TALKERS} | {share:.1f} | {share * 1e4 / TALKERS:.0f} | {TALKERS * 100 / share:.0f} | {received} | {spectra} | - | - |", flush=True)
        finally:
            janus.terminate()
            janus.wait()


main()

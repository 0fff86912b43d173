//! A telephone: baresip without sound hardware. Its microphone is a tone in a file, what it hears is recorded, and it is steered by a socket.

use std::{
    collections::BTreeSet,
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    time::Duration,
};

use confkit::{
    clock,
    media::{tone::Generator, wav::Recorder},
};
use serde_json::{Value, json};

use crate::{
    hearing::Recording,
    place::{PATIENCE, Place, Process, command, wait_until},
    server::Server,
    sockets::sockets,
};

/// Debian's package of it.
const PACKAGE: &str = "baresip-core";
/// Longest that one runs, whatever becomes of the test.
const LIFE: Duration = Duration::from_secs(120);
/// Level of its tone.
const LEVEL_DBFS: f32 = -20.0;

/// A telephone.
pub struct Phone {
    process: Process,
    folder: PathBuf,
    control: TcpStream,
    received: Vec<u8>,
    events: Vec<Value>,
    /// Where it is called.
    pub sip: SocketAddr,
}

impl Phone {
    /// A telephone without an account, that answers every call and whistles at a frequency in hertz.
    pub fn guest(place: &Place, name: &str, frequency: f32) -> Self {
        Self::start(place, name, frequency, &format!("<sip:{name}@phones.example;transport=udp>;regint=0"))
    }

    /// The telephone of a user, which registers.
    pub fn user(place: &Place, server: &Server, name: &str, frequency: f32) -> Self {
        let (at, password) = (server.address(), server.password(name));
        Self::start(place, name, frequency, &format!("<sip:{name}@{at};transport=udp>;auth_user={name};auth_pass={password};regint=600"))
    }

    fn start(place: &Place, name: &str, frequency: f32, account: &str) -> Self {
        let folder = place.folder(name);
        let (microphone, heard) = (folder.join("microphone.wav"), place.folder(&format!("{name}/heard")));
        whistle(&microphone, frequency);
        let templates = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/baresip");
        let modules = modules();
        for (file, text) in [("config", None), ("accounts", Some(account))] {
            let template = fs::read_to_string(templates.join(file)).expect("a template");
            let text = template
                .replace("@account@", text.unwrap_or_default())
                .replace("@name@", name)
                .replace("@modules@", modules.to_str().expect("a path"))
                .replace("@microphone@", microphone.to_str().expect("a path"))
                .replace("@heard@", heard.to_str().expect("a path"));
            fs::write(folder.join(file), text).expect("written");
        }
        // Line by line, though it speaks into a file.
        let mut baresip = command("stdbuf");
        baresip.args(["-oL", "-eL", "baresip", "-4", "-s", "-t", &LIFE.as_secs().to_string(), "-f"]).arg(&folder).env("HOME", &folder);
        assert!(command("baresip").arg("-h").output().is_ok(), "{}", absent());
        let mut process = Process::start(place, name, "coreutils", &mut baresip);
        process.wait_for_log("baresip is ready");
        // All its ports are the system's choice. The media ports come with a call; of the listeners that of the control socket is the last.
        let udp = sockets(process.pid(), "udp", None);
        let tcp = sockets(process.pid(), "tcp", Some("0A"));
        let sip = *udp.first().unwrap_or_else(|| panic!("{name} listens nowhere: {}", process.log()));
        let control = TcpStream::connect(tcp.last().expect("a control socket")).expect("connected");
        control.set_read_timeout(Some(Duration::from_millis(50))).expect("a timeout");
        Self { process, folder, control, received: Vec::new(), events: Vec::new(), sip }
    }

    /// What it is invited by.
    pub fn uri(&self, name: &str) -> String {
        format!("sip:{name}@{}", self.sip)
    }

    /// Calls somebody.
    pub fn dial(&mut self, uri: &str) {
        self.tell("dial", uri);
    }

    /// Ends its call.
    pub fn hang_up(&mut self) {
        self.tell("hangup", "");
    }

    fn tell(&mut self, name: &str, parameter: &str) {
        let body = json!({"command": name, "params": parameter, "token": name}).to_string();
        write!(self.control, "{}:{body},", body.len()).expect("told");
    }

    /// Waits for an event, such as CALL_ESTABLISHED.
    pub fn wait_for(&mut self, event: &str) -> Value {
        self.wait_for_either(event, event)
    }

    /// Waits for one of two events.
    pub fn wait_for_either(&mut self, one: &str, other: &str) -> Value {
        let begun = clock::now();
        loop {
            if let Some(at) = self.events.iter().position(|e| e["type"] == one || e["type"] == other) {
                return self.events.remove(at);
            }
            assert!(begun.elapsed() < PATIENCE, "no {one}, only {:?}; {}", self.events, self.process.log());
            self.listen();
        }
    }

    /// Takes what the control socket has: netstrings of JSON.
    fn listen(&mut self) {
        let mut bytes = [0; 4096];
        if let Ok(len) = self.control.read(&mut bytes) {
            self.received.extend_from_slice(&bytes[..len]);
        }
        while let Some(colon) = self.received.iter().position(|&byte| byte == b':') {
            let length: usize = std::str::from_utf8(&self.received[..colon]).ok().and_then(|n| n.parse().ok()).expect("a netstring");
            let end = colon + 1 + length;
            if self.received.len() <= end {
                return;
            }
            let message: Value = serde_json::from_slice(&self.received[colon + 1..end]).expect("JSON");
            self.received.drain(..=end);
            if message["event"] == true {
                self.events.push(message);
            }
        }
    }

    /// What it hears, in its latest call.
    pub fn recording(&self) -> Recording {
        let heard = self.folder.join("heard");
        let newest = || {
            let files = fs::read_dir(&heard).expect("a folder").filter_map(Result::ok).map(|file| file.path());
            files.filter(|path| path.to_string_lossy().ends_with("-dec.wav")).max()
        };
        let mut found = None;
        wait_until(
            || format!("a recording in {}", heard.display()),
            || {
                found = newest();
                found.is_some()
            },
        );
        Recording::new(found.expect("found"))
    }

    /// Every SIP message that it sent and received, as it prints them.
    pub fn trace(&self) -> String {
        self.process.log()
    }

    /// Waits until its trace has a text.
    pub fn wait_for_trace(&mut self, text: &str) {
        self.process.wait_for_log(text);
    }

    /// The port in the latest session description that it sent.
    pub fn media_port(&self) -> u16 {
        let ports = sockets(self.process.pid(), "udp", None);
        let trace = self.trace();
        let offered = trace.split("m=audio ").skip(1).filter_map(|rest| rest.split(' ').next()?.parse().ok());
        let own: BTreeSet<u16> = ports.iter().map(SocketAddr::port).collect();
        offered.filter(|port| own.contains(port)).last().unwrap_or_else(|| panic!("no media port of {own:?} in {trace}"))
    }
}

fn absent() -> String {
    format!("baresip is not installed. This test needs it; as root: apt-get install --yes --no-install-recommends {PACKAGE}")
}

/// Where Debian, or a build of one's own, has the modules.
fn modules() -> PathBuf {
    let places = ["/usr/lib/baresip/modules", "/usr/local/lib/baresip/modules"];
    places.iter().map(PathBuf::from).find(|path| path.join("g711.so").exists()).unwrap_or_else(|| panic!("{}", absent()))
}

/// A minute of a tone.
fn whistle(file: &Path, frequency: f32) {
    let mut recorder = Recorder::new(fs::File::create(file).expect("a file"), 8000).expect("a recording");
    let samples: Vec<i16> = Generator::endless(frequency, LEVEL_DBFS, 8000).take(60 * 8000).collect();
    recorder.write(&samples).expect("written");
    recorder.finish().expect("written");
}

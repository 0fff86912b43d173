//! A `relayd` of a test's own: started, asked, stopped.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream, UdpSocket},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, Stdio},
    sync::mpsc::{Receiver, sync_channel},
    time::Duration,
};

use confkit::{
    account::Credentials as Passwords,
    sip::{
        digest::{Client, Credentials},
        message::{Framing, Message, Request, Response, parse},
    },
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use rand::SeedableRng as _;
use serde_json::Value;

/// How long anything may take before a test gives up.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// The program with an environment of its own.
pub fn relayd(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_relayd"));
    command.args(args).env_clear().env("PATH", "/usr/bin:/bin").stdin(Stdio::null());
    command
}

/// A daemon that runs; killed when the test is over.
pub struct Daemon {
    child: Child,
    input: Option<ChildStdin>,
    log: PathBuf,
    _home: tempfile::TempDir,
    pub ready: Value,
}

impl Daemon {
    /// One whose data goes with it.
    pub fn ephemeral(args: &[&str]) -> Self {
        Self::with(&[&["--ephemeral"], args].concat(), &[])
    }

    /// One on a data directory, with ports of the system's choice.
    pub fn on(data: &Path, args: &[&str]) -> Self {
        let data = data.to_str().expect("path");
        let all = [&["--json", "--listen", "127.0.0.1:0", "--data-dir", data], args].concat();
        Self::with(&all, &[("RELAYD_LISTEN_HTTP", "[{address: '127.0.0.1:0'}]")])
    }

    /// One with arguments and variables; waits until it is ready.
    pub fn with(args: &[&str], variables: &[(&str, &str)]) -> Self {
        let home = tempfile::tempdir().expect("directory");
        let log = home.path().join("log");
        let mut command = relayd(args);
        command.envs(variables.iter().copied()).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.stderr(fs::File::create(&log).expect("log")).spawn().expect("relayd starts");
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().expect("piped"));
        let line = first_line(output);
        let read = || fs::read_to_string(&log).unwrap_or_default();
        let Ok(line) = line.recv_timeout(PATIENCE) else {
            let _ = child.kill();
            panic!("{args:?} is not ready: {}", read());
        };
        let ready = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error} in {line:?}: {}", read()));
        Self { child, input, log, _home: home, ready }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn data_dir(&self) -> PathBuf {
        self.ready["data_dir"].as_str().expect("data_dir").into()
    }

    pub fn env(&self, name: &str) -> String {
        self.ready["env"][name].as_str().unwrap_or_else(|| panic!("{name} in {}", self.ready)).to_owned()
    }

    /// The password that the credentials file has for a user.
    pub fn password(&self, user: &str) -> String {
        let credentials = Passwords::read(&self.data_dir().join("credentials.yaml")).expect("credentials");
        credentials.password(&user.parse().expect("name")).unwrap_or_else(|| panic!("{user} has a password")).reveal().to_owned()
    }

    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).expect("log")
    }

    pub fn wait_for_log(&self, text: &str) {
        wait_until(&format!("the log says {text}"), || self.log().contains(text));
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.pid().try_into().expect("a pid")), signal).expect("signalled");
    }

    pub fn close_input(&mut self) {
        self.input = None;
    }

    /// SIGTERM, and the end that it should lead to.
    pub fn terminate(mut self) {
        self.signal(Signal::SIGTERM);
        assert_eq!(self.wait(), 0, "{}", self.log());
    }

    /// SIGKILL.
    pub fn kill(mut self) {
        self.signal(Signal::SIGKILL);
        let _ = self.child.wait();
    }

    /// The exit code.
    pub fn wait(&mut self) -> i32 {
        let begun = confkit::clock::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("waited for") {
                return status.code().expect("an exit code");
            }
            assert!(begun.elapsed() < PATIENCE, "it does not end: {}", self.log());
            pause();
        }
    }

    /// Where it listens by UDP.
    pub fn sip(&self) -> SocketAddr {
        let uri = self.ready["sip"].as_str().expect("sip");
        uri.trim_start_matches("sip:").split(';').next().expect("an address").parse().expect("an address")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The first line, as soon as there is one; the rest is read on, so that the daemon never waits for a reader.
fn first_line(mut output: BufReader<impl std::io::Read + Send + 'static>) -> Receiver<String> {
    let (tell, told) = sync_channel(1);
    std::thread::spawn(move || {
        let mut line = String::new();
        if output.read_line(&mut line).is_ok_and(|len| len > 0) {
            let _ = tell.send(line);
        }
        let _ = output.read_to_end(&mut Vec::new());
    });
    told
}

/// Waits for something that nobody announces.
pub fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let begun = confkit::clock::now();
    while !done() {
        assert!(begun.elapsed() < PATIENCE, "in vain: {what}");
        pause();
    }
}

#[expect(clippy::disallowed_methods, reason = "another process is waited for, which tells nobody")]
fn pause() {
    std::thread::sleep(Duration::from_millis(10));
}

/// GET: status and body.
pub fn get(daemon: &Daemon, path: &str) -> (u16, String) {
    let http = daemon.ready["http"].as_str().expect("http").trim_start_matches("http://");
    let mut stream = TcpStream::connect(http).expect("connected");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {http}\r\nConnection: close\r\n\r\n").expect("asked");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("answered");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    (head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status"), body.to_owned())
}

/// The value of a metric.
pub fn sample(metrics: &str, name: &str) -> f64 {
    let line = metrics.lines().find(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(' ')));
    let line = line.unwrap_or_else(|| panic!("{name} in\n{metrics}"));
    line.rsplit(' ').next().and_then(|value| value.parse().ok()).expect("a number")
}

/// REGISTERs a contact over UDP with a password; the last status.
pub fn register(daemon: &Daemon, user: &str, password: &str) -> u16 {
    let server = daemon.sip();
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
    socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    let own = socket.local_addr().expect("address");
    let mut client = Client::new(Credentials::new(user, password));
    let mut rng = rand_chacha::ChaCha12Rng::from_seed([u8::try_from(own.port() % 251).expect("small"); 32]);
    let mut request = message(&format!(
        "REGISTER sip:{server} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bK{0}a;rport\r\nMax-Forwards: 70\r\n\
         From: <sip:{user}@{server}>;tag={0}\r\nTo: <sip:{user}@{server}>\r\nCall-ID: {0}@{own}\r\nCSeq: 1 REGISTER\r\n\
         Contact: <sip:{user}@{own}>\r\nExpires: 60\r\nContent-Length: 0\r\n\r\n",
        own.port()
    ));
    let first = exchange(&socket, server, &request);
    if first.status != 401 {
        return first.status;
    }
    client.answer(&first, &mut request, &mut rng).expect("a challenge that can be answered");
    request.headers.set("CSeq", "2 REGISTER");
    request.headers.set("Via", format!("SIP/2.0/UDP {own};branch=z9hG4bK{}b;rport", own.port()));
    exchange(&socket, server, &request).status
}

/// The other end of a call by UDP, byte for byte.
pub struct Phone {
    socket: UdpSocket,
    pub own: SocketAddr,
}

impl Phone {
    pub fn new() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a port");
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let own = socket.local_addr().expect("address");
        Self { socket, own }
    }

    /// Calls a conference as a guest, and acknowledges the answer: its status.
    pub fn call(&self, daemon: &Daemon, conference: &str) -> u16 {
        self.invite(daemon, conference, "m=audio 9 RTP/AVP 0\r\n").status
    }

    /// Calls somebody with these media lines, and acknowledges the answer.
    pub fn invite(&self, daemon: &Daemon, conference: &str, lines: &str) -> Response {
        let (server, own) = (daemon.sip(), self.own);
        let sdp = format!("v=0\r\no=- 1 1 IN IP4 {0}\r\ns=-\r\nc=IN IP4 {0}\r\nt=0 0\r\n{lines}", own.ip());
        let head = |method: &str, branch: &str, to: &str| {
            format!(
                "{method} sip:{conference}@{server} SIP/2.0\r\nVia: SIP/2.0/UDP {own};branch=z9hG4bK{branch};rport\r\nMax-Forwards: 70\r\n\
                 From: <sip:phone@{own}>;tag=1\r\nTo: {to}\r\nCall-ID: {0}\r\nCSeq: 1 {method}\r\nContact: <sip:phone@{own}>\r\n",
                own.port()
            )
        };
        let to = format!("<sip:{conference}@{server}>");
        let invite = head("INVITE", "a", &to) + &format!("Content-Type: application/sdp\r\nContent-Length: {}\r\n\r\n{sdp}", sdp.len());
        let answer = exchange(&self.socket, server, &message(&invite));
        let to = answer.headers.get("To").expect("a To").to_owned();
        let ack = head("ACK", if answer.status < 300 { "b" } else { "a" }, &to) + "Content-Length: 0\r\n\r\n";
        self.socket.send_to(ack.as_bytes(), server).expect("sent");
        answer
    }

    /// The next request, and where it came from.
    pub fn request(&self) -> (Request, SocketAddr) {
        loop {
            let mut bytes = vec![0; 65_536];
            let (len, from) = self.socket.recv_from(&mut bytes).expect("a request");
            bytes.truncate(len);
            match parse(&bytes.into(), Framing::Datagram) {
                Ok(Message::Request(request)) => return (request, from),
                Ok(Message::Response(_)) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    /// Answers a request.
    pub fn answer(&self, request: &Request, to: SocketAddr, status: u16, headers: &[(&str, &str)]) {
        let mut response = request.response(status, "phone");
        for (name, value) in headers {
            response.headers.set(name, *value);
        }
        self.socket.send_to(&response.to_bytes(), to).expect("sent");
    }
}

fn message(text: &str) -> Request {
    match parse(&text.to_owned().into(), Framing::Datagram) {
        Ok(Message::Request(request)) => request,
        other => panic!("{other:?}"),
    }
}

fn exchange(socket: &UdpSocket, server: SocketAddr, request: &Request) -> Response {
    socket.send_to(&request.to_bytes(), server).expect("sent");
    loop {
        let mut bytes = vec![0; 65_536];
        let len = socket.recv(&mut bytes).expect("an answer");
        bytes.truncate(len);
        match parse(&bytes.into(), Framing::Datagram) {
            Ok(Message::Response(response)) if response.status >= 200 => return response,
            Ok(Message::Response(_)) => {}
            other => panic!("{other:?}"),
        }
    }
}

//! wormhole-rs (`magic-wormhole-cli`), through its relay, with a mailbox and a relay of its own beside it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    time::Duration,
};

use confkit::clock;

use crate::{
    files::hash_in,
    process::{self, Program, cpu},
    small::{free_port, until_listening},
    targets::Row,
    throughput::Sample,
};

/// See the [module](self).
pub struct Wormhole {
    program: String,
    /// Where mailbox and relay keep what they keep.
    folder: tempfile::TempDir,
    /// Ends with this program.
    _mailbox: Program,
    transit: Program,
    /// Where they are.
    rendezvous: String,
    relay: String,
}

impl Wormhole {
    /// Starts both servers.
    ///
    /// # Errors
    /// What is missing.
    pub fn find(folder: &Path) -> Result<Self, String> {
        let variable = |name: &str| std::env::var(name).map_err(|_| format!("{name} names nothing"));
        let (program, twist) = (variable("WORMHOLE")?, variable("TWIST")?);
        for program in [&program, &twist] {
            let works = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
            works.map_err(|error| format!("{program}: {error}"))?;
        }
        let folder = tempfile::tempdir_in(folder).expect("a folder");
        let serve = |plugin: &str, port: u16| {
            let at = format!("--port=tcp:{port}:interface=127.0.0.1");
            let mut command = Command::new(&twist);
            command.args(["--log-level=critical", plugin, &at]).current_dir(folder.path());
            let server = Program::start_silent(plugin, &mut command);
            until_listening(port);
            server
        };
        let (mailbox, transit) = (free_port(), free_port());
        let (_mailbox, server) = (serve("wormhole-mailbox", mailbox), serve("transitrelay", transit));
        let (rendezvous, relay) = (format!("ws://127.0.0.1:{mailbox}/v1"), format!("tcp://127.0.0.1:{transit}"));
        Ok(Self { program, folder, _mailbox, transit: server, rendezvous, relay })
    }

    fn run(&self, args: &[&str], cwd: &Path) -> Command {
        let mut command = Command::new(&self.program);
        command.args(args).args(["--rendezvous-server", &self.rendezvous, "--relay-server", &self.relay, "--force-relay"]);
        command.current_dir(cwd).env("HOME", self.folder.path());
        // It would leave its code on whoever's clipboard.
        command.env_remove("DISPLAY").env_remove("WAYLAND_DISPLAY");
        command
    }

    /// One file, from the start of the receiver.
    pub fn transfer(&self, sample: &Sample) -> Row {
        let received: PathBuf = tempfile::tempdir_in(&sample.folder).expect("a folder").keep();
        let file = sample.file.to_str().expect("a path of ours");
        // Each run has a code of its own: the sender shows it, but in a way that is made for people.
        let code = format!("{}-confkit-bench", 1 + process_number());
        let mut sender = Program::start("wormhole-rs send", &mut self.run(&["send", "--no-qr", "--code", &code, file], &received));
        while !sender.line().contains("wormhole-rs receive") {}
        let (before, load, began) = (cpu(self.transit.pid()), process::load(), clock::now());
        let receive = ["receive", "--noconfirm", &code, "--out-dir", "."];
        let receiver = Program::start("wormhole-rs receive", &mut self.run(&receive, &received)).end();
        let sender = sender.end().cpu;
        let relay = cpu(self.transit.pid()) - before;
        assert_eq!(hash_in(&received), sample.hash, "what came is not what was sent");
        fs::remove_dir_all(received).expect("removed");
        Row::new("wormhole-rs", began, receiver.at, [sender, receiver.cpu, relay], load)
    }
}

fn process_number() -> u128 {
    clock::wall().duration_since(std::time::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_micros() % 1_000_000
}

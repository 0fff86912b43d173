//! Hosts of a test's own: network namespaces with a router between them, in which real programs run. Everything of it ends with the test's process,
//! however that ends: the router's namespace is the process's own, and each other is kept by a process that ends with its input.

use std::process::{Child, ChildStdin, Command, Stdio};

use crate::place::{command, run};

/// Debian's packages of what is used.
const PACKAGES: &str = "iproute2 util-linux";
/// Set in the namespace, so that nobody makes another one in it.
const INSIDE: &str = "CONFKIT_HOSTS_NAMESPACE";
/// What is needed, tried where it leaves nothing behind.
const TRIED: &str = "ip link set lo up && ip link add name b0 type bridge && ip link add name v0 type veth peer name v1 && \
                     echo 1 > /proc/sys/net/ipv4/ip_forward && unshare --net true";

/// Runs a test on the router of networks that it makes. `name` is its full name. What the system lacks, where it does.
pub fn on_a_router(name: &str, test: impl FnOnce()) -> Result<(), String> {
    if std::env::var_os(INSIDE).is_some() {
        ip(&["link", "set", "lo", "up"]);
        std::fs::write("/proc/sys/net/ipv4/ip_forward", "1").expect("a router");
        test();
        return Ok(());
    }
    let mut why = String::new();
    for apart in [&["--net"][..], &["--user", "--map-root-user", "--net"]] {
        match command("unshare").args(apart).args(["sh", "-c", TRIED]).output() {
            Ok(tried) if tried.status.success() => {
                let this = std::env::current_exe().expect("this program");
                let said =
                    run(PACKAGES, command("unshare").args(apart).arg(this).args(["--exact", name, "--nocapture"]).env(INSIDE, "yes"));
                assert!(said.contains("1 passed"), "{name} in a namespace of its own: {said}");
                println!("{said}");
                return Ok(());
            }
            Ok(tried) => why = String::from_utf8_lossy(&tried.stderr).trim().to_owned(),
            Err(error) => why = error.to_string(),
        }
    }
    Err(why)
}

/// `ip`, on the router.
pub fn ip(args: &[&str]) {
    run(PACKAGES, command("ip").args(args));
}

/// A host that programs run on.
pub struct Host {
    keeper: Child,
    _input: ChildStdin,
}

impl Host {
    /// One with an address in a network of 24 bits, whose router has its first address. `behind` is what the router calls the cable to it.
    pub fn new(behind: &str, address: &str) -> Self {
        // It says that it is there, so that its namespace is.
        let mut keeper = command("unshare");
        let mut keeper = keeper
            .args(["--net", "sh", "-c", "echo && exec cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("unshare: {error}"));
        let input = keeper.stdin.take().expect("piped");
        std::io::Read::read_exact(keeper.stdout.as_mut().expect("piped"), &mut [0]).expect("it is there");
        let host = Self { keeper, _input: input };
        ip(&["link", "add", "name", behind, "type", "veth", "peer", "name", "eth0", "netns", &host.keeper.id().to_string()]);
        ip(&["link", "set", behind, "up"]);
        let (network, _) = address.rsplit_once('.').expect("an address");
        for words in [
            &["link", "set", "lo", "up"][..],
            &["address", "add", &format!("{address}/24"), "dev", "eth0"],
            &["link", "set", "eth0", "up"],
            &["route", "add", "default", "via", &format!("{network}.1")],
        ] {
            run(PACKAGES, host.command("ip").args(words));
        }
        host
    }

    /// A program on it.
    pub fn command(&self, program: &str) -> Command {
        let mut nsenter = command("nsenter");
        nsenter.arg(format!("--net=/proc/{}/ns/net", self.keeper.id())).arg(program);
        nsenter
    }
}

impl Drop for Host {
    fn drop(&mut self) {
        let _ = self.keeper.kill();
        let _ = self.keeper.wait();
    }
}

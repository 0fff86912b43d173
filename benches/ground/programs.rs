//! The programs that are measured.

use std::{path::Path, process::Command};

use crate::process::Program;

pub const CONFCTL: &str = env!("CARGO_BIN_EXE_confctl");
pub const FSHARE: &str = env!("CARGO_BIN_EXE_fshare");
pub const RELAYD: &str = env!("CARGO_BIN_EXE_relayd");

/// The program of the same build, or the one that a variable of its name in capitals names.
pub fn program(built: &str) -> Command {
    let variable = Path::new(built).file_name().and_then(|name| name.to_str()).unwrap_or_default().to_uppercase();
    let mut command = Command::new(std::env::var(variable).unwrap_or_else(|_| built.to_owned()));
    // It sees nothing of how ours are configured here.
    for (name, _) in std::env::vars_os() {
        if ["CONFKIT_", "RELAYD_", "XDG_"].iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
            command.env_remove(name);
        }
    }
    command
}

/// `relayd`, which ends with this program.
pub fn daemon(name: &str, mut command: Command, folder: &Path, args: &[&str], variables: &[(&str, &str)]) -> Program {
    command.args(["--ephemeral", "--until-eof"]).args(args).envs(variables.iter().copied()).env("TMPDIR", folder);
    // Its log would fill a pipe that nobody reads.
    command.env("CONFKIT_LOG", "error");
    Program::start(name, &mut command)
}

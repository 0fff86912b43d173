//! `relayd`: see [`confkit::cli::relayd`].

fn main() -> std::process::ExitCode {
    confkit::cli::relayd::main()
}

//! `fshare`: see [`confkit::cli::fshare`].

fn main() -> std::process::ExitCode {
    confkit::cli::fshare::main()
}

//! `confctl`: see [`confkit::cli::confctl`].

fn main() -> std::process::ExitCode {
    confkit::cli::confctl::main()
}

//! `fshare words`, and what completion scripts make of it: the words of a code, in the shell.

use clap_complete::Shell;

use crate::{
    channel::code,
    cli::{Failure, output::Output},
};

/// Shown under the help.
pub const EXAMPLES: &str = "Examples:\n  fshare words 7-crys";

/// What was typed.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The beginning of a code
    #[arg(value_name = "CODE")]
    pub begun: String,
}

/// Prints how the code may go on, one to a line; nothing where that cannot be said.
///
/// # Errors
/// Standard output is gone.
pub fn run(args: &Args, output: &Output) -> Result<(), Failure> {
    let lines: String = code::completions(&args.begun).iter().flat_map(|whole| [whole, "\n"]).collect();
    output.verbatim(lines.as_bytes())
}

/// The completion script of a shell, with codes.
pub fn with_codes(script: String, shell: Shell) -> String {
    match shell {
        Shell::Bash => script.replace("complete -F _fshare -o", "complete -F _fshare_codes -o") + BASH,
        Shell::Zsh => script.replace(ZSH_CODE, "that the sender shows; you are asked for it if it is left out:_fshare_codes").replacen(
            ZSH_END,
            &[ZSH, ZSH_END].concat(),
            1,
        ),
        Shell::Fish => script + FISH,
        _ => script,
    }
}

/// Behind the verb recv, and where a code has begun, its words; else what the script says.
const BASH: &str = r#"
_fshare_codes() {
    local word cur="${COMP_WORDS[COMP_CWORD]}"
    if [[ "${cur}" =~ ^[0-9]+-[a-zA-Z] ]]; then
        for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do
            if [[ "${word}" == recv ]]; then
                COMPREPLY=( $(fshare words "${cur}" 2>/dev/null) )
                compopt -o nospace 2>/dev/null
                return 0
            fi
        done
    fi
    _fshare "$@"
}
"#;

/// What the script has for a code.
const ZSH_CODE: &str = "that the sender shows; you are asked for it if it is left out:_default";
/// Where the script begins to do something.
const ZSH_END: &str = "if [ \"$funcstack[1]\" = \"_fshare\" ]; then";
const ZSH: &str = r#"_fshare_codes() {
    local -a codes
    codes=( ${(f)"$(fshare words "${PREFIX}" 2>/dev/null)"} )
    compadd -S '' -a codes
}

"#;

const FISH: &str = r#"complete -c fshare -n "__fish_fshare_using_subcommand recv" -f -a '(fshare words (commandline -ct) 2>/dev/null)'
"#;

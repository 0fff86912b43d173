# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_relayd_global_optspecs
    string join \n roles= listen= ephemeral user= env-file= until-eof trace-sip= trace-secrets json q/quiet v/verbose color= config= timeout= data-dir= h/help V/version
end

function __fish_relayd_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_relayd_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_relayd_using_subcommand
    set -l cmd (__fish_relayd_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c relayd -n "__fish_relayd_needs_command" -l roles -d 'Roles to run: as (application server, focus), ms (media server), fs (file server), relay [default: all of them]' -r
complete -c relayd -n "__fish_relayd_needs_command" -l listen -d 'Listen here instead of on loopback: an IP address, with or without a port' -r
complete -c relayd -n "__fish_relayd_needs_command" -l user -d 'Create this account at start if it does not exist; its password goes into the credentials file (repeatable)' -r
complete -c relayd -n "__fish_relayd_needs_command" -l env-file -d 'Write the environment for the other programs to this file, as lines for a shell to source' -r -F
complete -c relayd -n "__fish_relayd_needs_command" -l trace-sip -d 'Write every SIP message to FILE (a ladder) and to FILE.pcap; secrets are masked' -r -F
complete -c relayd -n "__fish_relayd_needs_command" -l color -d 'When to use colour: auto (on a terminal, unless NO_COLOR is set), always, never' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c relayd -n "__fish_relayd_needs_command" -l config -d 'Read the configuration from this file' -r -F
complete -c relayd -n "__fish_relayd_needs_command" -l timeout -d 'Give up if the other side does not answer within this time, such as 5s [default: 10s]' -r
complete -c relayd -n "__fish_relayd_needs_command" -l data-dir -d 'Folder for accounts, keys and conferences' -r -f -a "(__fish_complete_directories)"
complete -c relayd -n "__fish_relayd_needs_command" -l ephemeral -d 'For scripts: use ports chosen by the system, keep data in a temporary folder that is removed at the end, and print one JSON line on standard output when ready'
complete -c relayd -n "__fish_relayd_needs_command" -l until-eof -d 'Exit when standard input is closed, so that a script that dies leaves nothing behind'
complete -c relayd -n "__fish_relayd_needs_command" -l trace-secrets -d 'Do not mask secrets in the trace'
complete -c relayd -n "__fish_relayd_needs_command" -l json -d 'Print JSON: one document for a result, one line for each event'
complete -c relayd -n "__fish_relayd_needs_command" -s q -l quiet -d 'Print only results and errors'
complete -c relayd -n "__fish_relayd_needs_command" -s v -l verbose -d 'Log more; repeat for even more (-vv, -vvv)'
complete -c relayd -n "__fish_relayd_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c relayd -n "__fish_relayd_needs_command" -s V -l version -d 'Print version'
complete -c relayd -n "__fish_relayd_needs_command" -f -a "run" -d 'Run the daemon (the default without a command)'
complete -c relayd -n "__fish_relayd_needs_command" -f -a "check-config" -d 'Check a configuration file without starting anything'
complete -c relayd -n "__fish_relayd_needs_command" -f -a "print-config" -d 'Print the effective configuration and where each value comes from'
complete -c relayd -n "__fish_relayd_needs_command" -f -a "user" -d 'Manage accounts'
complete -c relayd -n "__fish_relayd_needs_command" -f -a "completions" -d 'Print the completion script of a shell'
complete -c relayd -n "__fish_relayd_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c relayd -n "__fish_relayd_using_subcommand run" -l roles -d 'Roles to run: as (application server, focus), ms (media server), fs (file server), relay [default: all of them]' -r
complete -c relayd -n "__fish_relayd_using_subcommand run" -l listen -d 'Listen here instead of on loopback: an IP address, with or without a port' -r
complete -c relayd -n "__fish_relayd_using_subcommand run" -l user -d 'Create this account at start if it does not exist; its password goes into the credentials file (repeatable)' -r
complete -c relayd -n "__fish_relayd_using_subcommand run" -l env-file -d 'Write the environment for the other programs to this file, as lines for a shell to source' -r -F
complete -c relayd -n "__fish_relayd_using_subcommand run" -l trace-sip -d 'Write every SIP message to FILE (a ladder) and to FILE.pcap; secrets are masked' -r -F
complete -c relayd -n "__fish_relayd_using_subcommand run" -l color -d 'When to use colour: auto (on a terminal, unless NO_COLOR is set), always, never' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c relayd -n "__fish_relayd_using_subcommand run" -l config -d 'Read the configuration from this file' -r -F
complete -c relayd -n "__fish_relayd_using_subcommand run" -l timeout -d 'Give up if the other side does not answer within this time, such as 5s [default: 10s]' -r
complete -c relayd -n "__fish_relayd_using_subcommand run" -l data-dir -d 'Folder for accounts, keys and conferences' -r -f -a "(__fish_complete_directories)"
complete -c relayd -n "__fish_relayd_using_subcommand run" -l ephemeral -d 'For scripts: use ports chosen by the system, keep data in a temporary folder that is removed at the end, and print one JSON line on standard output when ready'
complete -c relayd -n "__fish_relayd_using_subcommand run" -l until-eof -d 'Exit when standard input is closed, so that a script that dies leaves nothing behind'
complete -c relayd -n "__fish_relayd_using_subcommand run" -l trace-secrets -d 'Do not mask secrets in the trace'
complete -c relayd -n "__fish_relayd_using_subcommand run" -l json -d 'Print JSON: one document for a result, one line for each event'
complete -c relayd -n "__fish_relayd_using_subcommand run" -s q -l quiet -d 'Print only results and errors'
complete -c relayd -n "__fish_relayd_using_subcommand run" -s v -l verbose -d 'Log more; repeat for even more (-vv, -vvv)'
complete -c relayd -n "__fish_relayd_using_subcommand run" -s h -l help -d 'Print help'
complete -c relayd -n "__fish_relayd_using_subcommand check-config" -l color -d 'When to use colour: auto (on a terminal, unless NO_COLOR is set), always, never' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c relayd -n "__fish_relayd_using_subcommand check-config" -l config -d 'Read the configuration from this file' -r -F
complete -c relayd -n "__fish_relayd_using_subcommand check-config" -l timeout -d 'Give up if the other side does not answer within this time, such as 5s [default: 10s]' -r
complete -c relayd -n "__fish_relayd_using_subcommand check-config" -l data-dir -d 'Folder for accounts, keys and conferences' -r -f -a "(__fish_complete_directories)"
complete -c relayd -n "__fish_relayd_using_subcommand check-config" -l json -d 'Print JSON: one document for a result, one line for each event'
complete -c relayd -n "__fish_relayd_using_subcommand check-config" -s q -l quiet -d 'Print only results and errors'
complete -c relayd -n "__fish_relayd_using_subcommand check-config" -s v -l verbose -d 'Log more; repeat for even more (-vv, -vvv)'
complete -c relayd -n "__fish_relayd_using_subcommand check-config" -s h -l help -d 'Print help'
complete -c relayd -n "__fish_relayd_using_subcommand print-config" -l roles -d 'Roles to run: as (application server, focus), ms (media server), fs (file server), relay [default: all of them]' -r
complete -c relayd -n "__fish_relayd_using_subcommand print-config" -l listen -d 'Listen here instead of on loopback: an IP address, with or without a port' -r
complete -c relayd -n "__fish_relayd_using_subcommand print-config" -l color -d 'When to use colour: auto (on a terminal, unless NO_COLOR is set), always, never' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c relayd -n "__fish_relayd_using_subcommand print-config" -l config -d 'Read the configuration from this file' -r -F
complete -c relayd -n "__fish_relayd_using_subcommand print-config" -l timeout -d 'Give up if the other side does not answer within this time, such as 5s [default: 10s]' -r
complete -c relayd -n "__fish_relayd_using_subcommand print-config" -l data-dir -d 'Folder for accounts, keys and conferences' -r -f -a "(__fish_complete_directories)"
complete -c relayd -n "__fish_relayd_using_subcommand print-config" -l json -d 'Print JSON: one document for a result, one line for each event'
complete -c relayd -n "__fish_relayd_using_subcommand print-config" -s q -l quiet -d 'Print only results and errors'
complete -c relayd -n "__fish_relayd_using_subcommand print-config" -s v -l verbose -d 'Log more; repeat for even more (-vv, -vvv)'
complete -c relayd -n "__fish_relayd_using_subcommand print-config" -s h -l help -d 'Print help'
complete -c relayd -n "__fish_relayd_using_subcommand user; and not __fish_seen_subcommand_from add passwd del list help" -l color -d 'When to use colour: auto (on a terminal, unless NO_COLOR is set), always, never' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c relayd -n "__fish_relayd_using_subcommand user; and not __fish_seen_subcommand_from add passwd del list help" -l config -d 'Read the configuration from this file' -r -F
complete -c relayd -n "__fish_relayd_using_subcommand user; and not __fish_seen_subcommand_from add passwd del list help" -l timeout -d 'Give up if the other side does not answer within this time, such as 5s [default: 10s]' -r
complete -c relayd -n "__fish_relayd_using_subcommand user; and not __fish_seen_subcommand_from add passwd del list help" -l data-dir -d 'Folder for accounts, keys and conferences' -r -f -a "(__fish_complete_directories)"
complete -c relayd -n "__fish_relayd_using_subcommand user; and not __fish_seen_subcommand_from add passwd del list help" -l json -d 'Print JSON: one document for a result, one line for each event'
complete -c relayd -n "__fish_relayd_using_subcommand user; and not __fish_seen_subcommand_from add passwd del list help" -s q -l quiet -d 'Print only results and errors'
complete -c relayd -n "__fish_relayd_using_subcommand user; and not __fish_seen_subcommand_from add passwd del list help" -s v -l verbose -d 'Log more; repeat for even more (-vv, -vvv)'
complete -c relayd -n "__fish_relayd_using_subcommand user; and not __fish_seen_subcommand_from add passwd del list help" -s h -l help -d 'Print help'
complete -c relayd -n "__fish_relayd_using_subcommand user; and not __fish_seen_subcommand_from add passwd del list help" -f -a "add" -d 'Create an account'
complete -c relayd -n "__fish_relayd_using_subcommand user; and not __fish_seen_subcommand_from add passwd del list help" -f -a "passwd" -d 'Change the password of an account'
complete -c relayd -n "__fish_relayd_using_subcommand user; and not __fish_seen_subcommand_from add passwd del list help" -f -a "del" -d 'Delete an account'
complete -c relayd -n "__fish_relayd_using_subcommand user; and not __fish_seen_subcommand_from add passwd del list help" -f -a "list" -d 'List the accounts'
complete -c relayd -n "__fish_relayd_using_subcommand user; and not __fish_seen_subcommand_from add passwd del list help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c relayd -n "__fish_relayd_using_subcommand user; and __fish_seen_subcommand_from add" -l role -d 'What the account may do: user (create conferences and control its own) or admin (everything)' -r
complete -c relayd -n "__fish_relayd_using_subcommand user; and __fish_seen_subcommand_from add" -l password-file -d 'Read the password from the first line of this file (or set CONFKIT_PASSWORD, or enter it when asked)' -r -F
complete -c relayd -n "__fish_relayd_using_subcommand user; and __fish_seen_subcommand_from add" -l color -d 'When to use colour: auto (on a terminal, unless NO_COLOR is set), always, never' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c relayd -n "__fish_relayd_using_subcommand user; and __fish_seen_subcommand_from add" -l config -d 'Read the configuration from this file' -r -F
complete -c relayd -n "__fish_relayd_using_subcommand user; and __fish_seen_subcommand_from add" -l timeout -d 'Give up if the other side does not answer within this time, such as 5s [default: 10s]' -r
complete -c relayd -n "__fish_relayd_using_subcommand user; and __fish_seen_subcommand_from add" -l data-dir -d 'Folder for accounts, keys and conferences' -r -f -a "(__fish_complete_directories)"
complete -c relayd -n "__fish_relayd_using_subcommand user; and __fish_seen_subcommand_from add" -l json -d 'Print JSON: one document for a result, one line for each event'
complete -c relayd -n "__fish_relayd_using_subcommand user; and __fish_seen_subcommand_from add" -s q -l quiet -d 'Print only results and errors'
complete -c relayd -n "__fish_relayd_using_subcommand user; and __fish_seen_subcommand_from add" -s v -l verbose -d 'Log more; repeat for even more (-vv, -vvv)'
complete -c relayd -n "__fish_relayd_using_subcommand user; and __fish_seen_subcommand_from add" -s h -l help -d 'Print help'
complete -c relayd -n "__fish_relayd_using_subcommand user; and __fish_seen_subcommand_from passwd" -l password-file -d 'Read the password from the first line of this file (or set CONFKIT_PASSWORD, or enter it when asked)' -r -F
complete -c relayd -n "__fish_relayd_using_subcommand user; and __fish_seen_subcommand_from passwd" -l color -d 'When to use colour: auto (on a terminal, unless NO_COLOR is set), always, never' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c relayd -n "__fish_relayd_using_subcommand user; and __fish_seen_subcommand_from passwd" -l config -d 'Read the configuration from this file' -r -F
complete -c relayd -n "__fish_relayd_using_subcommand user; and __fish_seen_subcommand_from passwd" -l timeout -d 'Give up if the other side does not answer within this time, such as 5s [default: 10s]' -r
complete -c relayd -n "__fish_relayd_using_subcommand user; and __fish_seen_subcommand_from passwd" -l data-dir -d 'Folder for accounts, keys and conferences' -r -f -a "(__fish_complete_directories)"
complete -c relayd -n "__fish_relayd_using_subcommand user; and __fish_seen_subcommand_from passwd" -l json -d 'Print JSON: one document for a result, one line for each event'
complete -c relayd -n "__fish_relayd_using_subcommand user; and __fish_seen_subcommand_from passwd" -s q -l quiet -d 'Print only results and errors'
complete -c relayd -n "__fish_relayd_using_subcommand user; and __fish_seen_subcommand_from passwd" -s v -l verbose -d 'Log more; repeat for even more (-vv, -vvv)'
complete -c relayd -n "__fish_relayd_using_subcommand user; and __fish_seen_subcommand_from passwd" -s h -l help -d 'Print help'
complete -c relayd -n "__fish_relayd_using_subcommand user; and __fish_seen_subcommand_from del" -l color -d 'When to use colour: auto (on a terminal, unless NO_COLOR is set), always, never' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c relayd -n "__fish_relayd_using_subcommand user; and __fish_seen_subcommand_from del" -l config -d 'Read the configuration from this file' -r -F
complete -c relayd -n "__fish_relayd_using_subcommand user; and __fish_seen_subcommand_from del" -l timeout -d 'Give up if the other side does not answer within this time, such as 5s [default: 10s]' -r
complete -c relayd -n "__fish_relayd_using_subcommand user; and __fish_seen_subcommand_from del" -l data-dir -d 'Folder for accounts, keys and conferences' -r -f -a "(__fish_complete_directories)"
complete -c relayd -n "__fish_relayd_using_subcommand user; and __fish_seen_subcommand_from del" -l json -d 'Print JSON: one document for a result, one line for each event'
complete -c relayd -n "__fish_relayd_using_subcommand user; and __fish_seen_subcommand_from del" -s q -l quiet -d 'Print only results and errors'
complete -c relayd -n "__fish_relayd_using_subcommand user; and __fish_seen_subcommand_from del" -s v -l verbose -d 'Log more; repeat for even more (-vv, -vvv)'
complete -c relayd -n "__fish_relayd_using_subcommand user; and __fish_seen_subcommand_from del" -s h -l help -d 'Print help'
complete -c relayd -n "__fish_relayd_using_subcommand user; and __fish_seen_subcommand_from list" -l color -d 'When to use colour: auto (on a terminal, unless NO_COLOR is set), always, never' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c relayd -n "__fish_relayd_using_subcommand user; and __fish_seen_subcommand_from list" -l config -d 'Read the configuration from this file' -r -F
complete -c relayd -n "__fish_relayd_using_subcommand user; and __fish_seen_subcommand_from list" -l timeout -d 'Give up if the other side does not answer within this time, such as 5s [default: 10s]' -r
complete -c relayd -n "__fish_relayd_using_subcommand user; and __fish_seen_subcommand_from list" -l data-dir -d 'Folder for accounts, keys and conferences' -r -f -a "(__fish_complete_directories)"
complete -c relayd -n "__fish_relayd_using_subcommand user; and __fish_seen_subcommand_from list" -l json -d 'Print JSON: one document for a result, one line for each event'
complete -c relayd -n "__fish_relayd_using_subcommand user; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Print only results and errors'
complete -c relayd -n "__fish_relayd_using_subcommand user; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Log more; repeat for even more (-vv, -vvv)'
complete -c relayd -n "__fish_relayd_using_subcommand user; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c relayd -n "__fish_relayd_using_subcommand user; and __fish_seen_subcommand_from help" -f -a "add" -d 'Create an account'
complete -c relayd -n "__fish_relayd_using_subcommand user; and __fish_seen_subcommand_from help" -f -a "passwd" -d 'Change the password of an account'
complete -c relayd -n "__fish_relayd_using_subcommand user; and __fish_seen_subcommand_from help" -f -a "del" -d 'Delete an account'
complete -c relayd -n "__fish_relayd_using_subcommand user; and __fish_seen_subcommand_from help" -f -a "list" -d 'List the accounts'
complete -c relayd -n "__fish_relayd_using_subcommand user; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c relayd -n "__fish_relayd_using_subcommand completions" -l color -d 'When to use colour: auto (on a terminal, unless NO_COLOR is set), always, never' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c relayd -n "__fish_relayd_using_subcommand completions" -l config -d 'Read the configuration from this file' -r -F
complete -c relayd -n "__fish_relayd_using_subcommand completions" -l timeout -d 'Give up if the other side does not answer within this time, such as 5s [default: 10s]' -r
complete -c relayd -n "__fish_relayd_using_subcommand completions" -l data-dir -d 'Folder for accounts, keys and conferences' -r -f -a "(__fish_complete_directories)"
complete -c relayd -n "__fish_relayd_using_subcommand completions" -l json -d 'Print JSON: one document for a result, one line for each event'
complete -c relayd -n "__fish_relayd_using_subcommand completions" -s q -l quiet -d 'Print only results and errors'
complete -c relayd -n "__fish_relayd_using_subcommand completions" -s v -l verbose -d 'Log more; repeat for even more (-vv, -vvv)'
complete -c relayd -n "__fish_relayd_using_subcommand completions" -s h -l help -d 'Print help'
complete -c relayd -n "__fish_relayd_using_subcommand help; and not __fish_seen_subcommand_from run check-config print-config user completions help" -f -a "run" -d 'Run the daemon (the default without a command)'
complete -c relayd -n "__fish_relayd_using_subcommand help; and not __fish_seen_subcommand_from run check-config print-config user completions help" -f -a "check-config" -d 'Check a configuration file without starting anything'
complete -c relayd -n "__fish_relayd_using_subcommand help; and not __fish_seen_subcommand_from run check-config print-config user completions help" -f -a "print-config" -d 'Print the effective configuration and where each value comes from'
complete -c relayd -n "__fish_relayd_using_subcommand help; and not __fish_seen_subcommand_from run check-config print-config user completions help" -f -a "user" -d 'Manage accounts'
complete -c relayd -n "__fish_relayd_using_subcommand help; and not __fish_seen_subcommand_from run check-config print-config user completions help" -f -a "completions" -d 'Print the completion script of a shell'
complete -c relayd -n "__fish_relayd_using_subcommand help; and not __fish_seen_subcommand_from run check-config print-config user completions help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c relayd -n "__fish_relayd_using_subcommand help; and __fish_seen_subcommand_from user" -f -a "add" -d 'Create an account'
complete -c relayd -n "__fish_relayd_using_subcommand help; and __fish_seen_subcommand_from user" -f -a "passwd" -d 'Change the password of an account'
complete -c relayd -n "__fish_relayd_using_subcommand help; and __fish_seen_subcommand_from user" -f -a "del" -d 'Delete an account'
complete -c relayd -n "__fish_relayd_using_subcommand help; and __fish_seen_subcommand_from user" -f -a "list" -d 'List the accounts'

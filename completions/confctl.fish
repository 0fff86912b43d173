# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_confctl_global_optspecs
    string join \n json q/quiet v/verbose color= config= timeout= server= as= credentials= password-file= ca= h/help V/version
end

function __fish_confctl_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_confctl_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_confctl_using_subcommand
    set -l cmd (__fish_confctl_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c confctl -n "__fish_confctl_needs_command" -l color -d 'When to use colour: auto (on a terminal, unless NO_COLOR is set), always, never' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c confctl -n "__fish_confctl_needs_command" -l config -d 'Read the configuration from this file' -r -F
complete -c confctl -n "__fish_confctl_needs_command" -l timeout -d 'Give up if the other side does not answer within this time, such as 5s [default: 10s]' -r
complete -c confctl -n "__fish_confctl_needs_command" -l server -d 'Server to use [default: from the configuration, else loopback]' -r
complete -c confctl -n "__fish_confctl_needs_command" -l as -d 'Account to act as' -r
complete -c confctl -n "__fish_confctl_needs_command" -l credentials -d 'File that maps accounts to passwords (YAML, readable by its owner only)' -r -F
complete -c confctl -n "__fish_confctl_needs_command" -l password-file -d 'Read the password from the first line of this file (or set CONFKIT_PASSWORD, or enter it when asked)' -r -F
complete -c confctl -n "__fish_confctl_needs_command" -l ca -d 'Certificate of the authority that must have signed the server\'s (PEM)' -r -F
complete -c confctl -n "__fish_confctl_needs_command" -l json -d 'Print JSON: one document for a result, one line for each event'
complete -c confctl -n "__fish_confctl_needs_command" -s q -l quiet -d 'Print only results and errors'
complete -c confctl -n "__fish_confctl_needs_command" -s v -l verbose -d 'Log more; repeat for even more (-vv, -vvv)'
complete -c confctl -n "__fish_confctl_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c confctl -n "__fish_confctl_needs_command" -s V -l version -d 'Print version'
complete -c confctl -n "__fish_confctl_needs_command" -f -a "create" -d 'Create a conference'
complete -c confctl -n "__fish_confctl_needs_command" -f -a "list" -d 'List the conferences'
complete -c confctl -n "__fish_confctl_needs_command" -f -a "show" -d 'Show a conference and who is in it'
complete -c confctl -n "__fish_confctl_needs_command" -f -a "end" -d 'End a conference: everybody gets a BYE'
complete -c confctl -n "__fish_confctl_needs_command" -f -a "invite" -d 'Call somebody into a conference'
complete -c confctl -n "__fish_confctl_needs_command" -f -a "kick" -d 'Remove somebody from a conference'
complete -c confctl -n "__fish_confctl_needs_command" -f -a "mute" -d 'Mute a participant: nobody hears it'
complete -c confctl -n "__fish_confctl_needs_command" -f -a "unmute" -d 'Unmute a participant: it is heard again'
complete -c confctl -n "__fish_confctl_needs_command" -f -a "deaf" -d 'Deafen a participant: it hears nobody'
complete -c confctl -n "__fish_confctl_needs_command" -f -a "undeaf" -d 'Undeafen a participant: it hears the others again'
complete -c confctl -n "__fish_confctl_needs_command" -f -a "volume" -d 'Make a participant louder or quieter'
complete -c confctl -n "__fish_confctl_needs_command" -f -a "lock" -d 'Lock a conference: nobody else can join'
complete -c confctl -n "__fish_confctl_needs_command" -f -a "unlock" -d 'Unlock a conference: people can join again'
complete -c confctl -n "__fish_confctl_needs_command" -f -a "pin" -d 'Set or clear the PIN of a conference'
complete -c confctl -n "__fish_confctl_needs_command" -f -a "grant" -d 'Grant a right to somebody'
complete -c confctl -n "__fish_confctl_needs_command" -f -a "revoke" -d 'Revoke a right from somebody'
complete -c confctl -n "__fish_confctl_needs_command" -f -a "watch" -d 'Print events as they happen'
complete -c confctl -n "__fish_confctl_needs_command" -f -a "join" -d 'Join a conference, with audio and files'
complete -c confctl -n "__fish_confctl_needs_command" -f -a "ua" -d 'Run named terminals in the background, and control them'
complete -c confctl -n "__fish_confctl_needs_command" -f -a "message" -d 'Send an instant message'
complete -c confctl -n "__fish_confctl_needs_command" -f -a "status" -d 'Show the state of the server'
complete -c confctl -n "__fish_confctl_needs_command" -f -a "run" -d 'Run a scenario file: several terminals, steps, expectations'
complete -c confctl -n "__fish_confctl_needs_command" -f -a "demo" -d 'Run a demonstration: a server, three terminals with real audio, a shared file, and what each terminal heard and received'
complete -c confctl -n "__fish_confctl_needs_command" -f -a "completions" -d 'Print the completion script of a shell'
complete -c confctl -n "__fish_confctl_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c confctl -n "__fish_confctl_using_subcommand create" -l title -d 'Title shown to people' -r
complete -c confctl -n "__fish_confctl_using_subcommand create" -l pin-file -d 'Read the PIN from the first line of this file (or set CONFKIT_PIN)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand create" -l guests -d 'Whether callers without an account may enter: yes, no, or auto (only while the server listens on loopback)' -r -f -a "yes\t''
no\t''
auto\t''"
complete -c confctl -n "__fish_confctl_using_subcommand create" -l max -d 'Maximum number of participants' -r
complete -c confctl -n "__fish_confctl_using_subcommand create" -l share -d 'Who may share files without a grant: everybody with an account (all), the chair, or only those named by confctl grant (named)' -r -f -a "all\t''
chair\t''
named\t''"
complete -c confctl -n "__fish_confctl_using_subcommand create" -l receive -d 'Who receives what is shared: everybody (all), the chair, or only those named by confctl grant (named)' -r -f -a "all\t''
chair\t''
named\t''"
complete -c confctl -n "__fish_confctl_using_subcommand create" -l ttl -d 'End it after this time' -r
complete -c confctl -n "__fish_confctl_using_subcommand create" -l color -d 'When to use colour: auto (on a terminal, unless NO_COLOR is set), always, never' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c confctl -n "__fish_confctl_using_subcommand create" -l config -d 'Read the configuration from this file' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand create" -l timeout -d 'Give up if the other side does not answer within this time, such as 5s [default: 10s]' -r
complete -c confctl -n "__fish_confctl_using_subcommand create" -l server -d 'Server to use [default: from the configuration, else loopback]' -r
complete -c confctl -n "__fish_confctl_using_subcommand create" -l as -d 'Account to act as' -r
complete -c confctl -n "__fish_confctl_using_subcommand create" -l credentials -d 'File that maps accounts to passwords (YAML, readable by its owner only)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand create" -l password-file -d 'Read the password from the first line of this file (or set CONFKIT_PASSWORD, or enter it when asked)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand create" -l ca -d 'Certificate of the authority that must have signed the server\'s (PEM)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand create" -l json -d 'Print JSON: one document for a result, one line for each event'
complete -c confctl -n "__fish_confctl_using_subcommand create" -s q -l quiet -d 'Print only results and errors'
complete -c confctl -n "__fish_confctl_using_subcommand create" -s v -l verbose -d 'Log more; repeat for even more (-vv, -vvv)'
complete -c confctl -n "__fish_confctl_using_subcommand create" -s h -l help -d 'Print help'
complete -c confctl -n "__fish_confctl_using_subcommand list" -l color -d 'When to use colour: auto (on a terminal, unless NO_COLOR is set), always, never' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c confctl -n "__fish_confctl_using_subcommand list" -l config -d 'Read the configuration from this file' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand list" -l timeout -d 'Give up if the other side does not answer within this time, such as 5s [default: 10s]' -r
complete -c confctl -n "__fish_confctl_using_subcommand list" -l server -d 'Server to use [default: from the configuration, else loopback]' -r
complete -c confctl -n "__fish_confctl_using_subcommand list" -l as -d 'Account to act as' -r
complete -c confctl -n "__fish_confctl_using_subcommand list" -l credentials -d 'File that maps accounts to passwords (YAML, readable by its owner only)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand list" -l password-file -d 'Read the password from the first line of this file (or set CONFKIT_PASSWORD, or enter it when asked)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand list" -l ca -d 'Certificate of the authority that must have signed the server\'s (PEM)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand list" -l json -d 'Print JSON: one document for a result, one line for each event'
complete -c confctl -n "__fish_confctl_using_subcommand list" -s q -l quiet -d 'Print only results and errors'
complete -c confctl -n "__fish_confctl_using_subcommand list" -s v -l verbose -d 'Log more; repeat for even more (-vv, -vvv)'
complete -c confctl -n "__fish_confctl_using_subcommand list" -s h -l help -d 'Print help'
complete -c confctl -n "__fish_confctl_using_subcommand show" -l color -d 'When to use colour: auto (on a terminal, unless NO_COLOR is set), always, never' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c confctl -n "__fish_confctl_using_subcommand show" -l config -d 'Read the configuration from this file' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand show" -l timeout -d 'Give up if the other side does not answer within this time, such as 5s [default: 10s]' -r
complete -c confctl -n "__fish_confctl_using_subcommand show" -l server -d 'Server to use [default: from the configuration, else loopback]' -r
complete -c confctl -n "__fish_confctl_using_subcommand show" -l as -d 'Account to act as' -r
complete -c confctl -n "__fish_confctl_using_subcommand show" -l credentials -d 'File that maps accounts to passwords (YAML, readable by its owner only)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand show" -l password-file -d 'Read the password from the first line of this file (or set CONFKIT_PASSWORD, or enter it when asked)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand show" -l ca -d 'Certificate of the authority that must have signed the server\'s (PEM)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand show" -l json -d 'Print JSON: one document for a result, one line for each event'
complete -c confctl -n "__fish_confctl_using_subcommand show" -s q -l quiet -d 'Print only results and errors'
complete -c confctl -n "__fish_confctl_using_subcommand show" -s v -l verbose -d 'Log more; repeat for even more (-vv, -vvv)'
complete -c confctl -n "__fish_confctl_using_subcommand show" -s h -l help -d 'Print help'
complete -c confctl -n "__fish_confctl_using_subcommand end" -l color -d 'When to use colour: auto (on a terminal, unless NO_COLOR is set), always, never' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c confctl -n "__fish_confctl_using_subcommand end" -l config -d 'Read the configuration from this file' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand end" -l timeout -d 'Give up if the other side does not answer within this time, such as 5s [default: 10s]' -r
complete -c confctl -n "__fish_confctl_using_subcommand end" -l server -d 'Server to use [default: from the configuration, else loopback]' -r
complete -c confctl -n "__fish_confctl_using_subcommand end" -l as -d 'Account to act as' -r
complete -c confctl -n "__fish_confctl_using_subcommand end" -l credentials -d 'File that maps accounts to passwords (YAML, readable by its owner only)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand end" -l password-file -d 'Read the password from the first line of this file (or set CONFKIT_PASSWORD, or enter it when asked)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand end" -l ca -d 'Certificate of the authority that must have signed the server\'s (PEM)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand end" -l json -d 'Print JSON: one document for a result, one line for each event'
complete -c confctl -n "__fish_confctl_using_subcommand end" -s q -l quiet -d 'Print only results and errors'
complete -c confctl -n "__fish_confctl_using_subcommand end" -s v -l verbose -d 'Log more; repeat for even more (-vv, -vvv)'
complete -c confctl -n "__fish_confctl_using_subcommand end" -s h -l help -d 'Print help'
complete -c confctl -n "__fish_confctl_using_subcommand invite" -l color -d 'When to use colour: auto (on a terminal, unless NO_COLOR is set), always, never' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c confctl -n "__fish_confctl_using_subcommand invite" -l config -d 'Read the configuration from this file' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand invite" -l timeout -d 'Give up if the other side does not answer within this time, such as 5s [default: 10s]' -r
complete -c confctl -n "__fish_confctl_using_subcommand invite" -l server -d 'Server to use [default: from the configuration, else loopback]' -r
complete -c confctl -n "__fish_confctl_using_subcommand invite" -l as -d 'Account to act as' -r
complete -c confctl -n "__fish_confctl_using_subcommand invite" -l credentials -d 'File that maps accounts to passwords (YAML, readable by its owner only)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand invite" -l password-file -d 'Read the password from the first line of this file (or set CONFKIT_PASSWORD, or enter it when asked)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand invite" -l ca -d 'Certificate of the authority that must have signed the server\'s (PEM)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand invite" -l json -d 'Print JSON: one document for a result, one line for each event'
complete -c confctl -n "__fish_confctl_using_subcommand invite" -s q -l quiet -d 'Print only results and errors'
complete -c confctl -n "__fish_confctl_using_subcommand invite" -s v -l verbose -d 'Log more; repeat for even more (-vv, -vvv)'
complete -c confctl -n "__fish_confctl_using_subcommand invite" -s h -l help -d 'Print help'
complete -c confctl -n "__fish_confctl_using_subcommand kick" -l color -d 'When to use colour: auto (on a terminal, unless NO_COLOR is set), always, never' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c confctl -n "__fish_confctl_using_subcommand kick" -l config -d 'Read the configuration from this file' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand kick" -l timeout -d 'Give up if the other side does not answer within this time, such as 5s [default: 10s]' -r
complete -c confctl -n "__fish_confctl_using_subcommand kick" -l server -d 'Server to use [default: from the configuration, else loopback]' -r
complete -c confctl -n "__fish_confctl_using_subcommand kick" -l as -d 'Account to act as' -r
complete -c confctl -n "__fish_confctl_using_subcommand kick" -l credentials -d 'File that maps accounts to passwords (YAML, readable by its owner only)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand kick" -l password-file -d 'Read the password from the first line of this file (or set CONFKIT_PASSWORD, or enter it when asked)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand kick" -l ca -d 'Certificate of the authority that must have signed the server\'s (PEM)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand kick" -l json -d 'Print JSON: one document for a result, one line for each event'
complete -c confctl -n "__fish_confctl_using_subcommand kick" -s q -l quiet -d 'Print only results and errors'
complete -c confctl -n "__fish_confctl_using_subcommand kick" -s v -l verbose -d 'Log more; repeat for even more (-vv, -vvv)'
complete -c confctl -n "__fish_confctl_using_subcommand kick" -s h -l help -d 'Print help'
complete -c confctl -n "__fish_confctl_using_subcommand mute" -l color -d 'When to use colour: auto (on a terminal, unless NO_COLOR is set), always, never' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c confctl -n "__fish_confctl_using_subcommand mute" -l config -d 'Read the configuration from this file' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand mute" -l timeout -d 'Give up if the other side does not answer within this time, such as 5s [default: 10s]' -r
complete -c confctl -n "__fish_confctl_using_subcommand mute" -l server -d 'Server to use [default: from the configuration, else loopback]' -r
complete -c confctl -n "__fish_confctl_using_subcommand mute" -l as -d 'Account to act as' -r
complete -c confctl -n "__fish_confctl_using_subcommand mute" -l credentials -d 'File that maps accounts to passwords (YAML, readable by its owner only)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand mute" -l password-file -d 'Read the password from the first line of this file (or set CONFKIT_PASSWORD, or enter it when asked)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand mute" -l ca -d 'Certificate of the authority that must have signed the server\'s (PEM)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand mute" -l all -d 'Everybody'
complete -c confctl -n "__fish_confctl_using_subcommand mute" -l json -d 'Print JSON: one document for a result, one line for each event'
complete -c confctl -n "__fish_confctl_using_subcommand mute" -s q -l quiet -d 'Print only results and errors'
complete -c confctl -n "__fish_confctl_using_subcommand mute" -s v -l verbose -d 'Log more; repeat for even more (-vv, -vvv)'
complete -c confctl -n "__fish_confctl_using_subcommand mute" -s h -l help -d 'Print help'
complete -c confctl -n "__fish_confctl_using_subcommand unmute" -l color -d 'When to use colour: auto (on a terminal, unless NO_COLOR is set), always, never' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c confctl -n "__fish_confctl_using_subcommand unmute" -l config -d 'Read the configuration from this file' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand unmute" -l timeout -d 'Give up if the other side does not answer within this time, such as 5s [default: 10s]' -r
complete -c confctl -n "__fish_confctl_using_subcommand unmute" -l server -d 'Server to use [default: from the configuration, else loopback]' -r
complete -c confctl -n "__fish_confctl_using_subcommand unmute" -l as -d 'Account to act as' -r
complete -c confctl -n "__fish_confctl_using_subcommand unmute" -l credentials -d 'File that maps accounts to passwords (YAML, readable by its owner only)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand unmute" -l password-file -d 'Read the password from the first line of this file (or set CONFKIT_PASSWORD, or enter it when asked)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand unmute" -l ca -d 'Certificate of the authority that must have signed the server\'s (PEM)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand unmute" -l all -d 'Everybody'
complete -c confctl -n "__fish_confctl_using_subcommand unmute" -l json -d 'Print JSON: one document for a result, one line for each event'
complete -c confctl -n "__fish_confctl_using_subcommand unmute" -s q -l quiet -d 'Print only results and errors'
complete -c confctl -n "__fish_confctl_using_subcommand unmute" -s v -l verbose -d 'Log more; repeat for even more (-vv, -vvv)'
complete -c confctl -n "__fish_confctl_using_subcommand unmute" -s h -l help -d 'Print help'
complete -c confctl -n "__fish_confctl_using_subcommand deaf" -l color -d 'When to use colour: auto (on a terminal, unless NO_COLOR is set), always, never' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c confctl -n "__fish_confctl_using_subcommand deaf" -l config -d 'Read the configuration from this file' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand deaf" -l timeout -d 'Give up if the other side does not answer within this time, such as 5s [default: 10s]' -r
complete -c confctl -n "__fish_confctl_using_subcommand deaf" -l server -d 'Server to use [default: from the configuration, else loopback]' -r
complete -c confctl -n "__fish_confctl_using_subcommand deaf" -l as -d 'Account to act as' -r
complete -c confctl -n "__fish_confctl_using_subcommand deaf" -l credentials -d 'File that maps accounts to passwords (YAML, readable by its owner only)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand deaf" -l password-file -d 'Read the password from the first line of this file (or set CONFKIT_PASSWORD, or enter it when asked)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand deaf" -l ca -d 'Certificate of the authority that must have signed the server\'s (PEM)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand deaf" -l all -d 'Everybody'
complete -c confctl -n "__fish_confctl_using_subcommand deaf" -l json -d 'Print JSON: one document for a result, one line for each event'
complete -c confctl -n "__fish_confctl_using_subcommand deaf" -s q -l quiet -d 'Print only results and errors'
complete -c confctl -n "__fish_confctl_using_subcommand deaf" -s v -l verbose -d 'Log more; repeat for even more (-vv, -vvv)'
complete -c confctl -n "__fish_confctl_using_subcommand deaf" -s h -l help -d 'Print help'
complete -c confctl -n "__fish_confctl_using_subcommand undeaf" -l color -d 'When to use colour: auto (on a terminal, unless NO_COLOR is set), always, never' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c confctl -n "__fish_confctl_using_subcommand undeaf" -l config -d 'Read the configuration from this file' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand undeaf" -l timeout -d 'Give up if the other side does not answer within this time, such as 5s [default: 10s]' -r
complete -c confctl -n "__fish_confctl_using_subcommand undeaf" -l server -d 'Server to use [default: from the configuration, else loopback]' -r
complete -c confctl -n "__fish_confctl_using_subcommand undeaf" -l as -d 'Account to act as' -r
complete -c confctl -n "__fish_confctl_using_subcommand undeaf" -l credentials -d 'File that maps accounts to passwords (YAML, readable by its owner only)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand undeaf" -l password-file -d 'Read the password from the first line of this file (or set CONFKIT_PASSWORD, or enter it when asked)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand undeaf" -l ca -d 'Certificate of the authority that must have signed the server\'s (PEM)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand undeaf" -l all -d 'Everybody'
complete -c confctl -n "__fish_confctl_using_subcommand undeaf" -l json -d 'Print JSON: one document for a result, one line for each event'
complete -c confctl -n "__fish_confctl_using_subcommand undeaf" -s q -l quiet -d 'Print only results and errors'
complete -c confctl -n "__fish_confctl_using_subcommand undeaf" -s v -l verbose -d 'Log more; repeat for even more (-vv, -vvv)'
complete -c confctl -n "__fish_confctl_using_subcommand undeaf" -s h -l help -d 'Print help'
complete -c confctl -n "__fish_confctl_using_subcommand volume" -l direction -d 'Direction: in (what others hear of the participant) or out (what the participant hears)' -r -f -a "in\t'What others hear of it'
out\t'What it hears'"
complete -c confctl -n "__fish_confctl_using_subcommand volume" -l color -d 'When to use colour: auto (on a terminal, unless NO_COLOR is set), always, never' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c confctl -n "__fish_confctl_using_subcommand volume" -l config -d 'Read the configuration from this file' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand volume" -l timeout -d 'Give up if the other side does not answer within this time, such as 5s [default: 10s]' -r
complete -c confctl -n "__fish_confctl_using_subcommand volume" -l server -d 'Server to use [default: from the configuration, else loopback]' -r
complete -c confctl -n "__fish_confctl_using_subcommand volume" -l as -d 'Account to act as' -r
complete -c confctl -n "__fish_confctl_using_subcommand volume" -l credentials -d 'File that maps accounts to passwords (YAML, readable by its owner only)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand volume" -l password-file -d 'Read the password from the first line of this file (or set CONFKIT_PASSWORD, or enter it when asked)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand volume" -l ca -d 'Certificate of the authority that must have signed the server\'s (PEM)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand volume" -l json -d 'Print JSON: one document for a result, one line for each event'
complete -c confctl -n "__fish_confctl_using_subcommand volume" -s q -l quiet -d 'Print only results and errors'
complete -c confctl -n "__fish_confctl_using_subcommand volume" -s v -l verbose -d 'Log more; repeat for even more (-vv, -vvv)'
complete -c confctl -n "__fish_confctl_using_subcommand volume" -s h -l help -d 'Print help'
complete -c confctl -n "__fish_confctl_using_subcommand lock" -l color -d 'When to use colour: auto (on a terminal, unless NO_COLOR is set), always, never' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c confctl -n "__fish_confctl_using_subcommand lock" -l config -d 'Read the configuration from this file' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand lock" -l timeout -d 'Give up if the other side does not answer within this time, such as 5s [default: 10s]' -r
complete -c confctl -n "__fish_confctl_using_subcommand lock" -l server -d 'Server to use [default: from the configuration, else loopback]' -r
complete -c confctl -n "__fish_confctl_using_subcommand lock" -l as -d 'Account to act as' -r
complete -c confctl -n "__fish_confctl_using_subcommand lock" -l credentials -d 'File that maps accounts to passwords (YAML, readable by its owner only)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand lock" -l password-file -d 'Read the password from the first line of this file (or set CONFKIT_PASSWORD, or enter it when asked)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand lock" -l ca -d 'Certificate of the authority that must have signed the server\'s (PEM)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand lock" -l json -d 'Print JSON: one document for a result, one line for each event'
complete -c confctl -n "__fish_confctl_using_subcommand lock" -s q -l quiet -d 'Print only results and errors'
complete -c confctl -n "__fish_confctl_using_subcommand lock" -s v -l verbose -d 'Log more; repeat for even more (-vv, -vvv)'
complete -c confctl -n "__fish_confctl_using_subcommand lock" -s h -l help -d 'Print help'
complete -c confctl -n "__fish_confctl_using_subcommand unlock" -l color -d 'When to use colour: auto (on a terminal, unless NO_COLOR is set), always, never' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c confctl -n "__fish_confctl_using_subcommand unlock" -l config -d 'Read the configuration from this file' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand unlock" -l timeout -d 'Give up if the other side does not answer within this time, such as 5s [default: 10s]' -r
complete -c confctl -n "__fish_confctl_using_subcommand unlock" -l server -d 'Server to use [default: from the configuration, else loopback]' -r
complete -c confctl -n "__fish_confctl_using_subcommand unlock" -l as -d 'Account to act as' -r
complete -c confctl -n "__fish_confctl_using_subcommand unlock" -l credentials -d 'File that maps accounts to passwords (YAML, readable by its owner only)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand unlock" -l password-file -d 'Read the password from the first line of this file (or set CONFKIT_PASSWORD, or enter it when asked)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand unlock" -l ca -d 'Certificate of the authority that must have signed the server\'s (PEM)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand unlock" -l json -d 'Print JSON: one document for a result, one line for each event'
complete -c confctl -n "__fish_confctl_using_subcommand unlock" -s q -l quiet -d 'Print only results and errors'
complete -c confctl -n "__fish_confctl_using_subcommand unlock" -s v -l verbose -d 'Log more; repeat for even more (-vv, -vvv)'
complete -c confctl -n "__fish_confctl_using_subcommand unlock" -s h -l help -d 'Print help'
complete -c confctl -n "__fish_confctl_using_subcommand pin" -l pin-file -d 'Read the PIN from the first line of this file (or set CONFKIT_PIN)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand pin" -l color -d 'When to use colour: auto (on a terminal, unless NO_COLOR is set), always, never' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c confctl -n "__fish_confctl_using_subcommand pin" -l config -d 'Read the configuration from this file' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand pin" -l timeout -d 'Give up if the other side does not answer within this time, such as 5s [default: 10s]' -r
complete -c confctl -n "__fish_confctl_using_subcommand pin" -l server -d 'Server to use [default: from the configuration, else loopback]' -r
complete -c confctl -n "__fish_confctl_using_subcommand pin" -l as -d 'Account to act as' -r
complete -c confctl -n "__fish_confctl_using_subcommand pin" -l credentials -d 'File that maps accounts to passwords (YAML, readable by its owner only)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand pin" -l password-file -d 'Read the password from the first line of this file (or set CONFKIT_PASSWORD, or enter it when asked)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand pin" -l ca -d 'Certificate of the authority that must have signed the server\'s (PEM)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand pin" -l json -d 'Print JSON: one document for a result, one line for each event'
complete -c confctl -n "__fish_confctl_using_subcommand pin" -s q -l quiet -d 'Print only results and errors'
complete -c confctl -n "__fish_confctl_using_subcommand pin" -s v -l verbose -d 'Log more; repeat for even more (-vv, -vvv)'
complete -c confctl -n "__fish_confctl_using_subcommand pin" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c confctl -n "__fish_confctl_using_subcommand grant" -l color -d 'When to use colour: auto (on a terminal, unless NO_COLOR is set), always, never' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c confctl -n "__fish_confctl_using_subcommand grant" -l config -d 'Read the configuration from this file' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand grant" -l timeout -d 'Give up if the other side does not answer within this time, such as 5s [default: 10s]' -r
complete -c confctl -n "__fish_confctl_using_subcommand grant" -l server -d 'Server to use [default: from the configuration, else loopback]' -r
complete -c confctl -n "__fish_confctl_using_subcommand grant" -l as -d 'Account to act as' -r
complete -c confctl -n "__fish_confctl_using_subcommand grant" -l credentials -d 'File that maps accounts to passwords (YAML, readable by its owner only)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand grant" -l password-file -d 'Read the password from the first line of this file (or set CONFKIT_PASSWORD, or enter it when asked)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand grant" -l ca -d 'Certificate of the authority that must have signed the server\'s (PEM)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand grant" -l json -d 'Print JSON: one document for a result, one line for each event'
complete -c confctl -n "__fish_confctl_using_subcommand grant" -s q -l quiet -d 'Print only results and errors'
complete -c confctl -n "__fish_confctl_using_subcommand grant" -s v -l verbose -d 'Log more; repeat for even more (-vv, -vvv)'
complete -c confctl -n "__fish_confctl_using_subcommand grant" -s h -l help -d 'Print help'
complete -c confctl -n "__fish_confctl_using_subcommand revoke" -l color -d 'When to use colour: auto (on a terminal, unless NO_COLOR is set), always, never' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c confctl -n "__fish_confctl_using_subcommand revoke" -l config -d 'Read the configuration from this file' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand revoke" -l timeout -d 'Give up if the other side does not answer within this time, such as 5s [default: 10s]' -r
complete -c confctl -n "__fish_confctl_using_subcommand revoke" -l server -d 'Server to use [default: from the configuration, else loopback]' -r
complete -c confctl -n "__fish_confctl_using_subcommand revoke" -l as -d 'Account to act as' -r
complete -c confctl -n "__fish_confctl_using_subcommand revoke" -l credentials -d 'File that maps accounts to passwords (YAML, readable by its owner only)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand revoke" -l password-file -d 'Read the password from the first line of this file (or set CONFKIT_PASSWORD, or enter it when asked)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand revoke" -l ca -d 'Certificate of the authority that must have signed the server\'s (PEM)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand revoke" -l json -d 'Print JSON: one document for a result, one line for each event'
complete -c confctl -n "__fish_confctl_using_subcommand revoke" -s q -l quiet -d 'Print only results and errors'
complete -c confctl -n "__fish_confctl_using_subcommand revoke" -s v -l verbose -d 'Log more; repeat for even more (-vv, -vvv)'
complete -c confctl -n "__fish_confctl_using_subcommand revoke" -s h -l help -d 'Print help'
complete -c confctl -n "__fish_confctl_using_subcommand watch" -l for -d 'Stop after this time' -r
complete -c confctl -n "__fish_confctl_using_subcommand watch" -l color -d 'When to use colour: auto (on a terminal, unless NO_COLOR is set), always, never' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c confctl -n "__fish_confctl_using_subcommand watch" -l config -d 'Read the configuration from this file' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand watch" -l timeout -d 'Give up if the other side does not answer within this time, such as 5s [default: 10s]' -r
complete -c confctl -n "__fish_confctl_using_subcommand watch" -l server -d 'Server to use [default: from the configuration, else loopback]' -r
complete -c confctl -n "__fish_confctl_using_subcommand watch" -l as -d 'Account to act as' -r
complete -c confctl -n "__fish_confctl_using_subcommand watch" -l credentials -d 'File that maps accounts to passwords (YAML, readable by its owner only)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand watch" -l password-file -d 'Read the password from the first line of this file (or set CONFKIT_PASSWORD, or enter it when asked)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand watch" -l ca -d 'Certificate of the authority that must have signed the server\'s (PEM)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand watch" -l all -d 'Every conference of the server'
complete -c confctl -n "__fish_confctl_using_subcommand watch" -l json -d 'Print JSON: one document for a result, one line for each event'
complete -c confctl -n "__fish_confctl_using_subcommand watch" -s q -l quiet -d 'Print only results and errors'
complete -c confctl -n "__fish_confctl_using_subcommand watch" -s v -l verbose -d 'Log more; repeat for even more (-vv, -vvv)'
complete -c confctl -n "__fish_confctl_using_subcommand watch" -s h -l help -d 'Print help'
complete -c confctl -n "__fish_confctl_using_subcommand join" -l mic -d 'What the microphone picks up: a WAV file, a tone of HZ hertz, or silence' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand join" -l record -d 'Record what is heard (16-bit WAV)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand join" -l for -d 'Leave after this time' -r
complete -c confctl -n "__fish_confctl_using_subcommand join" -l dtmf -d 'Keys to press after joining: 0-9 * # A-D, a comma for a pause of a second' -r
complete -c confctl -n "__fish_confctl_using_subcommand join" -l display-name -d 'Name that others see' -r
complete -c confctl -n "__fish_confctl_using_subcommand join" -l codecs -d 'Codecs to offer, best first: PCMU, PCMA' -r -f -a "PCMU\t''
PCMA\t''"
complete -c confctl -n "__fish_confctl_using_subcommand join" -l share -d 'Share these files and folders after joining; - for standard input' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand join" -l via -d 'How to open the share: by re-INVITE, or by INFO' -r -f -a "reinvite\t'By re-INVITE'
info\t'By INFO'"
complete -c confctl -n "__fish_confctl_using_subcommand join" -l download -d 'Receive what is shared into this folder [default: decline it]' -r -f -a "(__fish_complete_directories)"
complete -c confctl -n "__fish_confctl_using_subcommand join" -l on-file -d 'Run this shell command for every file received; its path is $1' -r -f -a "(__fish_complete_command)"
complete -c confctl -n "__fish_confctl_using_subcommand join" -l limit -d 'Transfer at most this many bytes a second for each share, such as 2MiB/s' -r
complete -c confctl -n "__fish_confctl_using_subcommand join" -l pin-file -d 'Read the PIN from the first line of this file (or set CONFKIT_PIN)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand join" -l color -d 'When to use colour: auto (on a terminal, unless NO_COLOR is set), always, never' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c confctl -n "__fish_confctl_using_subcommand join" -l config -d 'Read the configuration from this file' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand join" -l timeout -d 'Give up if the other side does not answer within this time, such as 5s [default: 10s]' -r
complete -c confctl -n "__fish_confctl_using_subcommand join" -l server -d 'Server to use [default: from the configuration, else loopback]' -r
complete -c confctl -n "__fish_confctl_using_subcommand join" -l as -d 'Account to act as' -r
complete -c confctl -n "__fish_confctl_using_subcommand join" -l credentials -d 'File that maps accounts to passwords (YAML, readable by its owner only)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand join" -l password-file -d 'Read the password from the first line of this file (or set CONFKIT_PASSWORD, or enter it when asked)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand join" -l ca -d 'Certificate of the authority that must have signed the server\'s (PEM)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand join" -l stats -d 'Report what was heard: packets, loss, jitter, level, strongest frequencies'
complete -c confctl -n "__fish_confctl_using_subcommand join" -l overwrite -d 'Replace files that already exist'
complete -c confctl -n "__fish_confctl_using_subcommand join" -l rename -d 'Give the new file another name if its own is taken: "name (1).ext"'
complete -c confctl -n "__fish_confctl_using_subcommand join" -l skip -d 'Keep files that already exist, and discard the new ones'
complete -c confctl -n "__fish_confctl_using_subcommand join" -l json -d 'Print JSON: one document for a result, one line for each event'
complete -c confctl -n "__fish_confctl_using_subcommand join" -s q -l quiet -d 'Print only results and errors'
complete -c confctl -n "__fish_confctl_using_subcommand join" -s v -l verbose -d 'Log more; repeat for even more (-vv, -vvv)'
complete -c confctl -n "__fish_confctl_using_subcommand join" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and not __fish_seen_subcommand_from start stop list call answer hangup share get unshare dtmf mute unmute message status help" -l color -d 'When to use colour: auto (on a terminal, unless NO_COLOR is set), always, never' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c confctl -n "__fish_confctl_using_subcommand ua; and not __fish_seen_subcommand_from start stop list call answer hangup share get unshare dtmf mute unmute message status help" -l config -d 'Read the configuration from this file' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand ua; and not __fish_seen_subcommand_from start stop list call answer hangup share get unshare dtmf mute unmute message status help" -l timeout -d 'Give up if the other side does not answer within this time, such as 5s [default: 10s]' -r
complete -c confctl -n "__fish_confctl_using_subcommand ua; and not __fish_seen_subcommand_from start stop list call answer hangup share get unshare dtmf mute unmute message status help" -l server -d 'Server to use [default: from the configuration, else loopback]' -r
complete -c confctl -n "__fish_confctl_using_subcommand ua; and not __fish_seen_subcommand_from start stop list call answer hangup share get unshare dtmf mute unmute message status help" -l as -d 'Account to act as' -r
complete -c confctl -n "__fish_confctl_using_subcommand ua; and not __fish_seen_subcommand_from start stop list call answer hangup share get unshare dtmf mute unmute message status help" -l credentials -d 'File that maps accounts to passwords (YAML, readable by its owner only)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand ua; and not __fish_seen_subcommand_from start stop list call answer hangup share get unshare dtmf mute unmute message status help" -l password-file -d 'Read the password from the first line of this file (or set CONFKIT_PASSWORD, or enter it when asked)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand ua; and not __fish_seen_subcommand_from start stop list call answer hangup share get unshare dtmf mute unmute message status help" -l ca -d 'Certificate of the authority that must have signed the server\'s (PEM)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand ua; and not __fish_seen_subcommand_from start stop list call answer hangup share get unshare dtmf mute unmute message status help" -l json -d 'Print JSON: one document for a result, one line for each event'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and not __fish_seen_subcommand_from start stop list call answer hangup share get unshare dtmf mute unmute message status help" -s q -l quiet -d 'Print only results and errors'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and not __fish_seen_subcommand_from start stop list call answer hangup share get unshare dtmf mute unmute message status help" -s v -l verbose -d 'Log more; repeat for even more (-vv, -vvv)'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and not __fish_seen_subcommand_from start stop list call answer hangup share get unshare dtmf mute unmute message status help" -s h -l help -d 'Print help'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and not __fish_seen_subcommand_from start stop list call answer hangup share get unshare dtmf mute unmute message status help" -a "start" -d 'Start a terminal (no NAME before the verb)'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and not __fish_seen_subcommand_from start stop list call answer hangup share get unshare dtmf mute unmute message status help" -a "stop" -d 'Stop a terminal: it hangs up and exits (no NAME before the verb)'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and not __fish_seen_subcommand_from start stop list call answer hangup share get unshare dtmf mute unmute message status help" -a "list" -d 'List the running terminals (no NAME before the verb)'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and not __fish_seen_subcommand_from start stop list call answer hangup share get unshare dtmf mute unmute message status help" -a "call" -d 'Call a conference or any SIP address'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and not __fish_seen_subcommand_from start stop list call answer hangup share get unshare dtmf mute unmute message status help" -a "answer" -d 'Answer the ringing call'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and not __fish_seen_subcommand_from start stop list call answer hangup share get unshare dtmf mute unmute message status help" -a "hangup" -d 'Hang up'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and not __fish_seen_subcommand_from start stop list call answer hangup share get unshare dtmf mute unmute message status help" -a "share" -d 'Share files in the call'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and not __fish_seen_subcommand_from start stop list call answer hangup share get unshare dtmf mute unmute message status help" -a "get" -d 'Receive what is shared in the call; returns once everything is here and verified'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and not __fish_seen_subcommand_from start stop list call answer hangup share get unshare dtmf mute unmute message status help" -a "unshare" -d 'Stop sharing, or leave a share'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and not __fish_seen_subcommand_from start stop list call answer hangup share get unshare dtmf mute unmute message status help" -a "dtmf" -d 'Press keys on the keypad (DTMF)'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and not __fish_seen_subcommand_from start stop list call answer hangup share get unshare dtmf mute unmute message status help" -a "mute" -d 'Mute the microphone'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and not __fish_seen_subcommand_from start stop list call answer hangup share get unshare dtmf mute unmute message status help" -a "unmute" -d 'Unmute the microphone'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and not __fish_seen_subcommand_from start stop list call answer hangup share get unshare dtmf mute unmute message status help" -a "message" -d 'Send an instant message'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and not __fish_seen_subcommand_from start stop list call answer hangup share get unshare dtmf mute unmute message status help" -a "status" -d 'Show the state of the terminal'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and not __fish_seen_subcommand_from start stop list call answer hangup share get unshare dtmf mute unmute message status help" -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from start" -l mic -d 'What the microphone picks up: a WAV file, a tone of HZ hertz, or silence' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from start" -l record -d 'Record what is heard (16-bit WAV)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from start" -l call -d 'Call this conference or URI after starting' -r
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from start" -l download -d 'Receive what is shared into this folder; without it, shares are declined, and confctl ua get can fetch them by name' -r -f -a "(__fish_complete_directories)"
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from start" -l limit -d 'Transfer at most this many bytes a second for each share, such as 2MiB/s' -r
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from start" -l ring -d 'Let a call ring this long before answering it automatically' -r
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from start" -l display-name -d 'Name that others see' -r
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from start" -l pin-file -d 'Read the PIN from the first line of this file (or set CONFKIT_PIN)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from start" -l color -d 'When to use colour: auto (on a terminal, unless NO_COLOR is set), always, never' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from start" -l config -d 'Read the configuration from this file' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from start" -l timeout -d 'Give up if the other side does not answer within this time, such as 5s [default: 10s]' -r
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from start" -l server -d 'Server to use [default: from the configuration, else loopback]' -r
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from start" -l as -d 'Account to act as' -r
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from start" -l credentials -d 'File that maps accounts to passwords (YAML, readable by its owner only)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from start" -l password-file -d 'Read the password from the first line of this file (or set CONFKIT_PASSWORD, or enter it when asked)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from start" -l ca -d 'Certificate of the authority that must have signed the server\'s (PEM)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from start" -l no-register -d 'Do not register the account: nobody can call it'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from start" -l foreground -d 'Stay in the foreground, for service supervisors'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from start" -l json -d 'Print JSON: one document for a result, one line for each event'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from start" -s q -l quiet -d 'Print only results and errors'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from start" -s v -l verbose -d 'Log more; repeat for even more (-vv, -vvv)'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from start" -s h -l help -d 'Print help'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from stop" -l color -d 'When to use colour: auto (on a terminal, unless NO_COLOR is set), always, never' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from stop" -l config -d 'Read the configuration from this file' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from stop" -l timeout -d 'Give up if the other side does not answer within this time, such as 5s [default: 10s]' -r
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from stop" -l server -d 'Server to use [default: from the configuration, else loopback]' -r
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from stop" -l as -d 'Account to act as' -r
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from stop" -l credentials -d 'File that maps accounts to passwords (YAML, readable by its owner only)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from stop" -l password-file -d 'Read the password from the first line of this file (or set CONFKIT_PASSWORD, or enter it when asked)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from stop" -l ca -d 'Certificate of the authority that must have signed the server\'s (PEM)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from stop" -l json -d 'Print JSON: one document for a result, one line for each event'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from stop" -s q -l quiet -d 'Print only results and errors'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from stop" -s v -l verbose -d 'Log more; repeat for even more (-vv, -vvv)'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from stop" -s h -l help -d 'Print help'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from list" -l color -d 'When to use colour: auto (on a terminal, unless NO_COLOR is set), always, never' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from list" -l config -d 'Read the configuration from this file' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from list" -l timeout -d 'Give up if the other side does not answer within this time, such as 5s [default: 10s]' -r
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from list" -l server -d 'Server to use [default: from the configuration, else loopback]' -r
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from list" -l as -d 'Account to act as' -r
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from list" -l credentials -d 'File that maps accounts to passwords (YAML, readable by its owner only)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from list" -l password-file -d 'Read the password from the first line of this file (or set CONFKIT_PASSWORD, or enter it when asked)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from list" -l ca -d 'Certificate of the authority that must have signed the server\'s (PEM)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from list" -l json -d 'Print JSON: one document for a result, one line for each event'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from list" -s q -l quiet -d 'Print only results and errors'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from list" -s v -l verbose -d 'Log more; repeat for even more (-vv, -vvv)'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from list" -s h -l help -d 'Print help'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from call" -l pin-file -d 'Read the PIN from the first line of this file (or set CONFKIT_PIN)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from call" -l color -d 'When to use colour: auto (on a terminal, unless NO_COLOR is set), always, never' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from call" -l config -d 'Read the configuration from this file' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from call" -l timeout -d 'Give up if the other side does not answer within this time, such as 5s [default: 10s]' -r
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from call" -l server -d 'Server to use [default: from the configuration, else loopback]' -r
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from call" -l as -d 'Account to act as' -r
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from call" -l credentials -d 'File that maps accounts to passwords (YAML, readable by its owner only)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from call" -l password-file -d 'Read the password from the first line of this file (or set CONFKIT_PASSWORD, or enter it when asked)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from call" -l ca -d 'Certificate of the authority that must have signed the server\'s (PEM)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from call" -l json -d 'Print JSON: one document for a result, one line for each event'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from call" -s q -l quiet -d 'Print only results and errors'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from call" -s v -l verbose -d 'Log more; repeat for even more (-vv, -vvv)'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from call" -s h -l help -d 'Print help'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from answer" -l color -d 'When to use colour: auto (on a terminal, unless NO_COLOR is set), always, never' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from answer" -l config -d 'Read the configuration from this file' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from answer" -l timeout -d 'Give up if the other side does not answer within this time, such as 5s [default: 10s]' -r
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from answer" -l server -d 'Server to use [default: from the configuration, else loopback]' -r
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from answer" -l as -d 'Account to act as' -r
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from answer" -l credentials -d 'File that maps accounts to passwords (YAML, readable by its owner only)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from answer" -l password-file -d 'Read the password from the first line of this file (or set CONFKIT_PASSWORD, or enter it when asked)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from answer" -l ca -d 'Certificate of the authority that must have signed the server\'s (PEM)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from answer" -l json -d 'Print JSON: one document for a result, one line for each event'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from answer" -s q -l quiet -d 'Print only results and errors'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from answer" -s v -l verbose -d 'Log more; repeat for even more (-vv, -vvv)'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from answer" -s h -l help -d 'Print help'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from hangup" -l color -d 'When to use colour: auto (on a terminal, unless NO_COLOR is set), always, never' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from hangup" -l config -d 'Read the configuration from this file' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from hangup" -l timeout -d 'Give up if the other side does not answer within this time, such as 5s [default: 10s]' -r
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from hangup" -l server -d 'Server to use [default: from the configuration, else loopback]' -r
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from hangup" -l as -d 'Account to act as' -r
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from hangup" -l credentials -d 'File that maps accounts to passwords (YAML, readable by its owner only)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from hangup" -l password-file -d 'Read the password from the first line of this file (or set CONFKIT_PASSWORD, or enter it when asked)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from hangup" -l ca -d 'Certificate of the authority that must have signed the server\'s (PEM)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from hangup" -l json -d 'Print JSON: one document for a result, one line for each event'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from hangup" -s q -l quiet -d 'Print only results and errors'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from hangup" -s v -l verbose -d 'Log more; repeat for even more (-vv, -vvv)'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from hangup" -s h -l help -d 'Print help'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from share" -l via -d 'How to open the share: by re-INVITE, or by INFO' -r -f -a "reinvite\t'By re-INVITE'
info\t'By INFO'"
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from share" -l to -d 'Share only with this user, participant (by id) or URI (repeatable) [default: everybody who may receive]' -r
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from share" -l color -d 'When to use colour: auto (on a terminal, unless NO_COLOR is set), always, never' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from share" -l config -d 'Read the configuration from this file' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from share" -l timeout -d 'Give up if the other side does not answer within this time, such as 5s [default: 10s]' -r
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from share" -l server -d 'Server to use [default: from the configuration, else loopback]' -r
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from share" -l as -d 'Account to act as' -r
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from share" -l credentials -d 'File that maps accounts to passwords (YAML, readable by its owner only)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from share" -l password-file -d 'Read the password from the first line of this file (or set CONFKIT_PASSWORD, or enter it when asked)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from share" -l ca -d 'Certificate of the authority that must have signed the server\'s (PEM)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from share" -l wait -d 'Wait until everything is at the server'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from share" -l json -d 'Print JSON: one document for a result, one line for each event'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from share" -s q -l quiet -d 'Print only results and errors'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from share" -s v -l verbose -d 'Log more; repeat for even more (-vv, -vvv)'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from share" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from get" -s o -l output -d 'Folder to put it in [default: that of --download, else the one in which the terminal was started]' -r -f -a "(__fish_complete_directories)"
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from get" -l color -d 'When to use colour: auto (on a terminal, unless NO_COLOR is set), always, never' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from get" -l config -d 'Read the configuration from this file' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from get" -l timeout -d 'Give up if the other side does not answer within this time, such as 5s [default: 10s]' -r
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from get" -l server -d 'Server to use [default: from the configuration, else loopback]' -r
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from get" -l as -d 'Account to act as' -r
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from get" -l credentials -d 'File that maps accounts to passwords (YAML, readable by its owner only)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from get" -l password-file -d 'Read the password from the first line of this file (or set CONFKIT_PASSWORD, or enter it when asked)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from get" -l ca -d 'Certificate of the authority that must have signed the server\'s (PEM)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from get" -l json -d 'Print JSON: one document for a result, one line for each event'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from get" -s q -l quiet -d 'Print only results and errors'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from get" -s v -l verbose -d 'Log more; repeat for even more (-vv, -vvv)'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from get" -s h -l help -d 'Print help'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from unshare" -l color -d 'When to use colour: auto (on a terminal, unless NO_COLOR is set), always, never' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from unshare" -l config -d 'Read the configuration from this file' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from unshare" -l timeout -d 'Give up if the other side does not answer within this time, such as 5s [default: 10s]' -r
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from unshare" -l server -d 'Server to use [default: from the configuration, else loopback]' -r
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from unshare" -l as -d 'Account to act as' -r
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from unshare" -l credentials -d 'File that maps accounts to passwords (YAML, readable by its owner only)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from unshare" -l password-file -d 'Read the password from the first line of this file (or set CONFKIT_PASSWORD, or enter it when asked)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from unshare" -l ca -d 'Certificate of the authority that must have signed the server\'s (PEM)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from unshare" -l json -d 'Print JSON: one document for a result, one line for each event'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from unshare" -s q -l quiet -d 'Print only results and errors'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from unshare" -s v -l verbose -d 'Log more; repeat for even more (-vv, -vvv)'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from unshare" -s h -l help -d 'Print help'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from dtmf" -l color -d 'When to use colour: auto (on a terminal, unless NO_COLOR is set), always, never' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from dtmf" -l config -d 'Read the configuration from this file' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from dtmf" -l timeout -d 'Give up if the other side does not answer within this time, such as 5s [default: 10s]' -r
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from dtmf" -l server -d 'Server to use [default: from the configuration, else loopback]' -r
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from dtmf" -l as -d 'Account to act as' -r
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from dtmf" -l credentials -d 'File that maps accounts to passwords (YAML, readable by its owner only)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from dtmf" -l password-file -d 'Read the password from the first line of this file (or set CONFKIT_PASSWORD, or enter it when asked)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from dtmf" -l ca -d 'Certificate of the authority that must have signed the server\'s (PEM)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from dtmf" -l json -d 'Print JSON: one document for a result, one line for each event'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from dtmf" -s q -l quiet -d 'Print only results and errors'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from dtmf" -s v -l verbose -d 'Log more; repeat for even more (-vv, -vvv)'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from dtmf" -s h -l help -d 'Print help'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from mute" -l color -d 'When to use colour: auto (on a terminal, unless NO_COLOR is set), always, never' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from mute" -l config -d 'Read the configuration from this file' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from mute" -l timeout -d 'Give up if the other side does not answer within this time, such as 5s [default: 10s]' -r
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from mute" -l server -d 'Server to use [default: from the configuration, else loopback]' -r
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from mute" -l as -d 'Account to act as' -r
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from mute" -l credentials -d 'File that maps accounts to passwords (YAML, readable by its owner only)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from mute" -l password-file -d 'Read the password from the first line of this file (or set CONFKIT_PASSWORD, or enter it when asked)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from mute" -l ca -d 'Certificate of the authority that must have signed the server\'s (PEM)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from mute" -l json -d 'Print JSON: one document for a result, one line for each event'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from mute" -s q -l quiet -d 'Print only results and errors'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from mute" -s v -l verbose -d 'Log more; repeat for even more (-vv, -vvv)'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from mute" -s h -l help -d 'Print help'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from unmute" -l color -d 'When to use colour: auto (on a terminal, unless NO_COLOR is set), always, never' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from unmute" -l config -d 'Read the configuration from this file' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from unmute" -l timeout -d 'Give up if the other side does not answer within this time, such as 5s [default: 10s]' -r
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from unmute" -l server -d 'Server to use [default: from the configuration, else loopback]' -r
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from unmute" -l as -d 'Account to act as' -r
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from unmute" -l credentials -d 'File that maps accounts to passwords (YAML, readable by its owner only)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from unmute" -l password-file -d 'Read the password from the first line of this file (or set CONFKIT_PASSWORD, or enter it when asked)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from unmute" -l ca -d 'Certificate of the authority that must have signed the server\'s (PEM)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from unmute" -l json -d 'Print JSON: one document for a result, one line for each event'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from unmute" -s q -l quiet -d 'Print only results and errors'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from unmute" -s v -l verbose -d 'Log more; repeat for even more (-vv, -vvv)'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from unmute" -s h -l help -d 'Print help'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from message" -l color -d 'When to use colour: auto (on a terminal, unless NO_COLOR is set), always, never' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from message" -l config -d 'Read the configuration from this file' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from message" -l timeout -d 'Give up if the other side does not answer within this time, such as 5s [default: 10s]' -r
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from message" -l server -d 'Server to use [default: from the configuration, else loopback]' -r
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from message" -l as -d 'Account to act as' -r
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from message" -l credentials -d 'File that maps accounts to passwords (YAML, readable by its owner only)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from message" -l password-file -d 'Read the password from the first line of this file (or set CONFKIT_PASSWORD, or enter it when asked)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from message" -l ca -d 'Certificate of the authority that must have signed the server\'s (PEM)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from message" -l json -d 'Print JSON: one document for a result, one line for each event'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from message" -s q -l quiet -d 'Print only results and errors'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from message" -s v -l verbose -d 'Log more; repeat for even more (-vv, -vvv)'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from message" -s h -l help -d 'Print help'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from status" -l color -d 'When to use colour: auto (on a terminal, unless NO_COLOR is set), always, never' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from status" -l config -d 'Read the configuration from this file' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from status" -l timeout -d 'Give up if the other side does not answer within this time, such as 5s [default: 10s]' -r
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from status" -l server -d 'Server to use [default: from the configuration, else loopback]' -r
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from status" -l as -d 'Account to act as' -r
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from status" -l credentials -d 'File that maps accounts to passwords (YAML, readable by its owner only)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from status" -l password-file -d 'Read the password from the first line of this file (or set CONFKIT_PASSWORD, or enter it when asked)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from status" -l ca -d 'Certificate of the authority that must have signed the server\'s (PEM)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from status" -l json -d 'Print JSON: one document for a result, one line for each event'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from status" -s q -l quiet -d 'Print only results and errors'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from status" -s v -l verbose -d 'Log more; repeat for even more (-vv, -vvv)'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from status" -s h -l help -d 'Print help'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from help" -f -a "start" -d 'Start a terminal (no NAME before the verb)'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from help" -f -a "stop" -d 'Stop a terminal: it hangs up and exits (no NAME before the verb)'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from help" -f -a "list" -d 'List the running terminals (no NAME before the verb)'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from help" -f -a "call" -d 'Call a conference or any SIP address'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from help" -f -a "answer" -d 'Answer the ringing call'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from help" -f -a "hangup" -d 'Hang up'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from help" -f -a "share" -d 'Share files in the call'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from help" -f -a "get" -d 'Receive what is shared in the call; returns once everything is here and verified'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from help" -f -a "unshare" -d 'Stop sharing, or leave a share'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from help" -f -a "dtmf" -d 'Press keys on the keypad (DTMF)'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from help" -f -a "mute" -d 'Mute the microphone'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from help" -f -a "unmute" -d 'Unmute the microphone'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from help" -f -a "message" -d 'Send an instant message'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from help" -f -a "status" -d 'Show the state of the terminal'
complete -c confctl -n "__fish_confctl_using_subcommand ua; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c confctl -n "__fish_confctl_using_subcommand message" -l color -d 'When to use colour: auto (on a terminal, unless NO_COLOR is set), always, never' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c confctl -n "__fish_confctl_using_subcommand message" -l config -d 'Read the configuration from this file' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand message" -l timeout -d 'Give up if the other side does not answer within this time, such as 5s [default: 10s]' -r
complete -c confctl -n "__fish_confctl_using_subcommand message" -l server -d 'Server to use [default: from the configuration, else loopback]' -r
complete -c confctl -n "__fish_confctl_using_subcommand message" -l as -d 'Account to act as' -r
complete -c confctl -n "__fish_confctl_using_subcommand message" -l credentials -d 'File that maps accounts to passwords (YAML, readable by its owner only)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand message" -l password-file -d 'Read the password from the first line of this file (or set CONFKIT_PASSWORD, or enter it when asked)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand message" -l ca -d 'Certificate of the authority that must have signed the server\'s (PEM)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand message" -l json -d 'Print JSON: one document for a result, one line for each event'
complete -c confctl -n "__fish_confctl_using_subcommand message" -s q -l quiet -d 'Print only results and errors'
complete -c confctl -n "__fish_confctl_using_subcommand message" -s v -l verbose -d 'Log more; repeat for even more (-vv, -vvv)'
complete -c confctl -n "__fish_confctl_using_subcommand message" -s h -l help -d 'Print help'
complete -c confctl -n "__fish_confctl_using_subcommand status" -l color -d 'When to use colour: auto (on a terminal, unless NO_COLOR is set), always, never' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c confctl -n "__fish_confctl_using_subcommand status" -l config -d 'Read the configuration from this file' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand status" -l timeout -d 'Give up if the other side does not answer within this time, such as 5s [default: 10s]' -r
complete -c confctl -n "__fish_confctl_using_subcommand status" -l server -d 'Server to use [default: from the configuration, else loopback]' -r
complete -c confctl -n "__fish_confctl_using_subcommand status" -l as -d 'Account to act as' -r
complete -c confctl -n "__fish_confctl_using_subcommand status" -l credentials -d 'File that maps accounts to passwords (YAML, readable by its owner only)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand status" -l password-file -d 'Read the password from the first line of this file (or set CONFKIT_PASSWORD, or enter it when asked)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand status" -l ca -d 'Certificate of the authority that must have signed the server\'s (PEM)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand status" -l json -d 'Print JSON: one document for a result, one line for each event'
complete -c confctl -n "__fish_confctl_using_subcommand status" -s q -l quiet -d 'Print only results and errors'
complete -c confctl -n "__fish_confctl_using_subcommand status" -s v -l verbose -d 'Log more; repeat for even more (-vv, -vvv)'
complete -c confctl -n "__fish_confctl_using_subcommand status" -s h -l help -d 'Print help'
complete -c confctl -n "__fish_confctl_using_subcommand run" -l junit -d 'Write a JUnit report' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand run" -l report -d 'Write a report as a single self-contained HTML page' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand run" -l var -d 'Set a variable of the scenario; repeatable' -r
complete -c confctl -n "__fish_confctl_using_subcommand run" -l color -d 'When to use colour: auto (on a terminal, unless NO_COLOR is set), always, never' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c confctl -n "__fish_confctl_using_subcommand run" -l config -d 'Read the configuration from this file' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand run" -l timeout -d 'Give up if the other side does not answer within this time, such as 5s [default: 10s]' -r
complete -c confctl -n "__fish_confctl_using_subcommand run" -l server -d 'Server to use [default: from the configuration, else loopback]' -r
complete -c confctl -n "__fish_confctl_using_subcommand run" -l as -d 'Account to act as' -r
complete -c confctl -n "__fish_confctl_using_subcommand run" -l credentials -d 'File that maps accounts to passwords (YAML, readable by its owner only)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand run" -l password-file -d 'Read the password from the first line of this file (or set CONFKIT_PASSWORD, or enter it when asked)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand run" -l ca -d 'Certificate of the authority that must have signed the server\'s (PEM)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand run" -l json -d 'Print JSON: one document for a result, one line for each event'
complete -c confctl -n "__fish_confctl_using_subcommand run" -s q -l quiet -d 'Print only results and errors'
complete -c confctl -n "__fish_confctl_using_subcommand run" -s v -l verbose -d 'Log more; repeat for even more (-vv, -vvv)'
complete -c confctl -n "__fish_confctl_using_subcommand run" -s h -l help -d 'Print help'
complete -c confctl -n "__fish_confctl_using_subcommand demo" -l keep -d 'Keep the recordings, the files, the SIP trace and the report in this folder' -r -f -a "(__fish_complete_directories)"
complete -c confctl -n "__fish_confctl_using_subcommand demo" -l mute -d 'Mute one of the three, so that the others do not hear it and the demonstration fails with exit code 10' -r
complete -c confctl -n "__fish_confctl_using_subcommand demo" -l color -d 'When to use colour: auto (on a terminal, unless NO_COLOR is set), always, never' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c confctl -n "__fish_confctl_using_subcommand demo" -l config -d 'Read the configuration from this file' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand demo" -l timeout -d 'Give up if the other side does not answer within this time, such as 5s [default: 10s]' -r
complete -c confctl -n "__fish_confctl_using_subcommand demo" -l server -d 'Server to use [default: from the configuration, else loopback]' -r
complete -c confctl -n "__fish_confctl_using_subcommand demo" -l as -d 'Account to act as' -r
complete -c confctl -n "__fish_confctl_using_subcommand demo" -l credentials -d 'File that maps accounts to passwords (YAML, readable by its owner only)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand demo" -l password-file -d 'Read the password from the first line of this file (or set CONFKIT_PASSWORD, or enter it when asked)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand demo" -l ca -d 'Certificate of the authority that must have signed the server\'s (PEM)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand demo" -l apart -d 'Run the media server and the file server as separate processes'
complete -c confctl -n "__fish_confctl_using_subcommand demo" -l print -d 'Print the scenario instead of running it'
complete -c confctl -n "__fish_confctl_using_subcommand demo" -l json -d 'Print JSON: one document for a result, one line for each event'
complete -c confctl -n "__fish_confctl_using_subcommand demo" -s q -l quiet -d 'Print only results and errors'
complete -c confctl -n "__fish_confctl_using_subcommand demo" -s v -l verbose -d 'Log more; repeat for even more (-vv, -vvv)'
complete -c confctl -n "__fish_confctl_using_subcommand demo" -s h -l help -d 'Print help'
complete -c confctl -n "__fish_confctl_using_subcommand completions" -l color -d 'When to use colour: auto (on a terminal, unless NO_COLOR is set), always, never' -r -f -a "auto\t'On a terminal, unless `NO_COLOR` is set'
always\t'Also into files and pipes'
never\t'Not at all'"
complete -c confctl -n "__fish_confctl_using_subcommand completions" -l config -d 'Read the configuration from this file' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand completions" -l timeout -d 'Give up if the other side does not answer within this time, such as 5s [default: 10s]' -r
complete -c confctl -n "__fish_confctl_using_subcommand completions" -l server -d 'Server to use [default: from the configuration, else loopback]' -r
complete -c confctl -n "__fish_confctl_using_subcommand completions" -l as -d 'Account to act as' -r
complete -c confctl -n "__fish_confctl_using_subcommand completions" -l credentials -d 'File that maps accounts to passwords (YAML, readable by its owner only)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand completions" -l password-file -d 'Read the password from the first line of this file (or set CONFKIT_PASSWORD, or enter it when asked)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand completions" -l ca -d 'Certificate of the authority that must have signed the server\'s (PEM)' -r -F
complete -c confctl -n "__fish_confctl_using_subcommand completions" -l json -d 'Print JSON: one document for a result, one line for each event'
complete -c confctl -n "__fish_confctl_using_subcommand completions" -s q -l quiet -d 'Print only results and errors'
complete -c confctl -n "__fish_confctl_using_subcommand completions" -s v -l verbose -d 'Log more; repeat for even more (-vv, -vvv)'
complete -c confctl -n "__fish_confctl_using_subcommand completions" -s h -l help -d 'Print help'
complete -c confctl -n "__fish_confctl_using_subcommand help; and not __fish_seen_subcommand_from create list show end invite kick mute unmute deaf undeaf volume lock unlock pin grant revoke watch join ua message status run demo completions help" -f -a "create" -d 'Create a conference'
complete -c confctl -n "__fish_confctl_using_subcommand help; and not __fish_seen_subcommand_from create list show end invite kick mute unmute deaf undeaf volume lock unlock pin grant revoke watch join ua message status run demo completions help" -f -a "list" -d 'List the conferences'
complete -c confctl -n "__fish_confctl_using_subcommand help; and not __fish_seen_subcommand_from create list show end invite kick mute unmute deaf undeaf volume lock unlock pin grant revoke watch join ua message status run demo completions help" -f -a "show" -d 'Show a conference and who is in it'
complete -c confctl -n "__fish_confctl_using_subcommand help; and not __fish_seen_subcommand_from create list show end invite kick mute unmute deaf undeaf volume lock unlock pin grant revoke watch join ua message status run demo completions help" -f -a "end" -d 'End a conference: everybody gets a BYE'
complete -c confctl -n "__fish_confctl_using_subcommand help; and not __fish_seen_subcommand_from create list show end invite kick mute unmute deaf undeaf volume lock unlock pin grant revoke watch join ua message status run demo completions help" -f -a "invite" -d 'Call somebody into a conference'
complete -c confctl -n "__fish_confctl_using_subcommand help; and not __fish_seen_subcommand_from create list show end invite kick mute unmute deaf undeaf volume lock unlock pin grant revoke watch join ua message status run demo completions help" -f -a "kick" -d 'Remove somebody from a conference'
complete -c confctl -n "__fish_confctl_using_subcommand help; and not __fish_seen_subcommand_from create list show end invite kick mute unmute deaf undeaf volume lock unlock pin grant revoke watch join ua message status run demo completions help" -f -a "mute" -d 'Mute a participant: nobody hears it'
complete -c confctl -n "__fish_confctl_using_subcommand help; and not __fish_seen_subcommand_from create list show end invite kick mute unmute deaf undeaf volume lock unlock pin grant revoke watch join ua message status run demo completions help" -f -a "unmute" -d 'Unmute a participant: it is heard again'
complete -c confctl -n "__fish_confctl_using_subcommand help; and not __fish_seen_subcommand_from create list show end invite kick mute unmute deaf undeaf volume lock unlock pin grant revoke watch join ua message status run demo completions help" -f -a "deaf" -d 'Deafen a participant: it hears nobody'
complete -c confctl -n "__fish_confctl_using_subcommand help; and not __fish_seen_subcommand_from create list show end invite kick mute unmute deaf undeaf volume lock unlock pin grant revoke watch join ua message status run demo completions help" -f -a "undeaf" -d 'Undeafen a participant: it hears the others again'
complete -c confctl -n "__fish_confctl_using_subcommand help; and not __fish_seen_subcommand_from create list show end invite kick mute unmute deaf undeaf volume lock unlock pin grant revoke watch join ua message status run demo completions help" -f -a "volume" -d 'Make a participant louder or quieter'
complete -c confctl -n "__fish_confctl_using_subcommand help; and not __fish_seen_subcommand_from create list show end invite kick mute unmute deaf undeaf volume lock unlock pin grant revoke watch join ua message status run demo completions help" -f -a "lock" -d 'Lock a conference: nobody else can join'
complete -c confctl -n "__fish_confctl_using_subcommand help; and not __fish_seen_subcommand_from create list show end invite kick mute unmute deaf undeaf volume lock unlock pin grant revoke watch join ua message status run demo completions help" -f -a "unlock" -d 'Unlock a conference: people can join again'
complete -c confctl -n "__fish_confctl_using_subcommand help; and not __fish_seen_subcommand_from create list show end invite kick mute unmute deaf undeaf volume lock unlock pin grant revoke watch join ua message status run demo completions help" -f -a "pin" -d 'Set or clear the PIN of a conference'
complete -c confctl -n "__fish_confctl_using_subcommand help; and not __fish_seen_subcommand_from create list show end invite kick mute unmute deaf undeaf volume lock unlock pin grant revoke watch join ua message status run demo completions help" -f -a "grant" -d 'Grant a right to somebody'
complete -c confctl -n "__fish_confctl_using_subcommand help; and not __fish_seen_subcommand_from create list show end invite kick mute unmute deaf undeaf volume lock unlock pin grant revoke watch join ua message status run demo completions help" -f -a "revoke" -d 'Revoke a right from somebody'
complete -c confctl -n "__fish_confctl_using_subcommand help; and not __fish_seen_subcommand_from create list show end invite kick mute unmute deaf undeaf volume lock unlock pin grant revoke watch join ua message status run demo completions help" -f -a "watch" -d 'Print events as they happen'
complete -c confctl -n "__fish_confctl_using_subcommand help; and not __fish_seen_subcommand_from create list show end invite kick mute unmute deaf undeaf volume lock unlock pin grant revoke watch join ua message status run demo completions help" -f -a "join" -d 'Join a conference, with audio and files'
complete -c confctl -n "__fish_confctl_using_subcommand help; and not __fish_seen_subcommand_from create list show end invite kick mute unmute deaf undeaf volume lock unlock pin grant revoke watch join ua message status run demo completions help" -f -a "ua" -d 'Run named terminals in the background, and control them'
complete -c confctl -n "__fish_confctl_using_subcommand help; and not __fish_seen_subcommand_from create list show end invite kick mute unmute deaf undeaf volume lock unlock pin grant revoke watch join ua message status run demo completions help" -f -a "message" -d 'Send an instant message'
complete -c confctl -n "__fish_confctl_using_subcommand help; and not __fish_seen_subcommand_from create list show end invite kick mute unmute deaf undeaf volume lock unlock pin grant revoke watch join ua message status run demo completions help" -f -a "status" -d 'Show the state of the server'
complete -c confctl -n "__fish_confctl_using_subcommand help; and not __fish_seen_subcommand_from create list show end invite kick mute unmute deaf undeaf volume lock unlock pin grant revoke watch join ua message status run demo completions help" -f -a "run" -d 'Run a scenario file: several terminals, steps, expectations'
complete -c confctl -n "__fish_confctl_using_subcommand help; and not __fish_seen_subcommand_from create list show end invite kick mute unmute deaf undeaf volume lock unlock pin grant revoke watch join ua message status run demo completions help" -f -a "demo" -d 'Run a demonstration: a server, three terminals with real audio, a shared file, and what each terminal heard and received'
complete -c confctl -n "__fish_confctl_using_subcommand help; and not __fish_seen_subcommand_from create list show end invite kick mute unmute deaf undeaf volume lock unlock pin grant revoke watch join ua message status run demo completions help" -f -a "completions" -d 'Print the completion script of a shell'
complete -c confctl -n "__fish_confctl_using_subcommand help; and not __fish_seen_subcommand_from create list show end invite kick mute unmute deaf undeaf volume lock unlock pin grant revoke watch join ua message status run demo completions help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c confctl -n "__fish_confctl_using_subcommand help; and __fish_seen_subcommand_from ua" -f -a "start" -d 'Start a terminal (no NAME before the verb)'
complete -c confctl -n "__fish_confctl_using_subcommand help; and __fish_seen_subcommand_from ua" -f -a "stop" -d 'Stop a terminal: it hangs up and exits (no NAME before the verb)'
complete -c confctl -n "__fish_confctl_using_subcommand help; and __fish_seen_subcommand_from ua" -f -a "list" -d 'List the running terminals (no NAME before the verb)'
complete -c confctl -n "__fish_confctl_using_subcommand help; and __fish_seen_subcommand_from ua" -f -a "call" -d 'Call a conference or any SIP address'
complete -c confctl -n "__fish_confctl_using_subcommand help; and __fish_seen_subcommand_from ua" -f -a "answer" -d 'Answer the ringing call'
complete -c confctl -n "__fish_confctl_using_subcommand help; and __fish_seen_subcommand_from ua" -f -a "hangup" -d 'Hang up'
complete -c confctl -n "__fish_confctl_using_subcommand help; and __fish_seen_subcommand_from ua" -f -a "share" -d 'Share files in the call'
complete -c confctl -n "__fish_confctl_using_subcommand help; and __fish_seen_subcommand_from ua" -f -a "get" -d 'Receive what is shared in the call; returns once everything is here and verified'
complete -c confctl -n "__fish_confctl_using_subcommand help; and __fish_seen_subcommand_from ua" -f -a "unshare" -d 'Stop sharing, or leave a share'
complete -c confctl -n "__fish_confctl_using_subcommand help; and __fish_seen_subcommand_from ua" -f -a "dtmf" -d 'Press keys on the keypad (DTMF)'
complete -c confctl -n "__fish_confctl_using_subcommand help; and __fish_seen_subcommand_from ua" -f -a "mute" -d 'Mute the microphone'
complete -c confctl -n "__fish_confctl_using_subcommand help; and __fish_seen_subcommand_from ua" -f -a "unmute" -d 'Unmute the microphone'
complete -c confctl -n "__fish_confctl_using_subcommand help; and __fish_seen_subcommand_from ua" -f -a "message" -d 'Send an instant message'
complete -c confctl -n "__fish_confctl_using_subcommand help; and __fish_seen_subcommand_from ua" -f -a "status" -d 'Show the state of the terminal'

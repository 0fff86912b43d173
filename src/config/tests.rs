//! What users see of the configuration: precedence, typos, rules, the reference.

use std::path::{Path as FilePath, PathBuf};

use super::*;

fn with(text: &str) -> Result<Loaded, ConfigError> {
    let mut sources = Sources::default();
    let directory = tempfile::tempdir().expect("directory");
    sources.file = Some(write(&directory, text));
    load(&sources)
}

fn write(directory: &tempfile::TempDir, text: &str) -> PathBuf {
    let path = directory.path().join("relayd.yaml");
    std::fs::write(&path, text).expect("written");
    path
}

/// The problems of a text, without the file's directory.
fn problems(text: &str) -> Vec<String> {
    match with(text).map(|_| ()).expect_err("refused") {
        ConfigError::Problems { problems } => problems
            .iter()
            .map(|problem| {
                let text = problem.to_string();
                text.find("relayd.yaml").map_or(text.clone(), |at| text[at..].to_owned())
            })
            .collect(),
        other => vec![other.to_string()],
    }
}

fn environment(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

#[test]
fn nothing_at_all_listens_on_loopback_with_every_role() {
    let config = load(&Sources::default()).expect("defaults").config;
    assert!(config.listen.is_loopback_only());
    assert_eq!(config.roles, Roles::all());
    assert_eq!(config, Config::default());
}

#[test]
fn an_unknown_key_is_named_with_its_line_and_the_nearest_known_one() {
    assert_eq!(
        problems("roles: all\nmedia:\n  latch: yes\n  prots: 20000-20100\n"),
        ["relayd.yaml:4: media.prots: unknown key; did you mean \"ports\"?"]
    );
    assert_eq!(problems("lisen: {}\n"), ["relayd.yaml:1: lisen: unknown key; did you mean \"listen\"?"]);
    assert_eq!(
        problems("listen:\n  sip:\n    - transport: udp\n      adress: 127.0.0.1:5060\n"),
        [
            "relayd.yaml:4: listen.sip[0].adress: unknown key; did you mean \"address\"?",
            "relayd.yaml:3: listen.sip[0]: has no \"address\", which must be given",
        ]
    );
}

#[test]
fn a_key_in_the_wrong_section_is_told_its_right_place() {
    assert_eq!(problems("guests: yes\n"), ["relayd.yaml:1: guests: unknown key; did you mean \"conference.guests\"?"]);
}

#[test]
fn a_slip_in_a_key_of_another_section_is_told_its_right_place() {
    assert_eq!(problems("sip:\n  lisen: []\n"), ["relayd.yaml:2: sip.lisen: unknown key; did you mean \"listen.sip\"?"]);
    assert_eq!(
        problems("media:\n  session_expire: 30m\n"),
        ["relayd.yaml:2: media.session_expire: unknown key; did you mean \"sip.session_expires\"?"]
    );
}

#[test]
fn a_bare_number_is_seconds() {
    let config = with("stop: {grace: 10}\n").expect("sound").config;
    assert_eq!(config.stop.grace.get(), std::time::Duration::from_secs(10));
}

#[test]
fn a_key_that_resembles_nothing_gets_the_list_of_what_is_known() {
    assert_eq!(problems("stop:\n  xyzzy: 1\n"), ["relayd.yaml:2: stop.xyzzy: unknown key; known here: grace"]);
}

#[test]
fn a_value_that_is_not_of_its_form_is_told_what_would_be() {
    for (text, expected) in [
        ("stop: {grace: -10}\n", "relayd.yaml:1: stop.grace: \"-10\" is not a duration from 0s to 1h: expected number at 0"),
        ("stop:\n  grace: 2h\n", "relayd.yaml:2: stop.grace: 2h is not a duration from 0s to 1h"),
        (
            "media: {ports: 20000}\n",
            "relayd.yaml:1: media.ports: \"20000\" is not a range of ports such as 20000-29999, or system: there is no - between two ports",
        ),
        (
            "media: {ports: 20001-20002}\n",
            "relayd.yaml:1: media.ports: \"20001-20002\" is not a range of ports such as 20000-29999, or system: it holds no pair of an even and the next port",
        ),
        (
            "media:\n  codecs: [pcmu, opus]\n",
            "relayd.yaml:2: media.codecs[1]: \"opus\" is not pcmu or pcma: this version mixes pcmu and pcma",
        ),
        ("roles: [as, swarm]\n", "relayd.yaml:1: roles: \"swarm\" comes with a later version; there are as, ms, fs, relay, and all"),
        ("roles: [as, sm]\n", "relayd.yaml:1: roles: \"sm\" is no role; there are as, ms, fs, relay, and all"),
        ("media: [1]\n", "relayd.yaml:1: media: is a list; expected keys with values"),
        ("realm:\n", ""),
        (
            "conference: {guests: maybe}\n",
            "relayd.yaml:1: conference.guests: \"maybe\" is not auto, yes or no: a guest policy is auto, yes or no",
        ),
        ("limits: {calls: 0}\n", "relayd.yaml:1: limits.calls: 0 is not a number from 1 to 1000000"),
        ("data_dir: ~/confkit\n", "relayd.yaml:1: data_dir: begins with ~, which only a shell expands; write the whole path"),
    ] {
        if expected.is_empty() {
            assert!(with(text).is_ok(), "{text}");
        } else {
            assert_eq!(problems(text), [expected]);
        }
    }
}

#[test]
fn all_problems_are_told_at_once() {
    assert_eq!(problems("meda: {}\nstop: {grace: soon}\nroles: []\n").len(), 3);
}

#[test]
fn what_is_not_yaml_is_told_where() {
    let error = with("roles: [as\nmedia: {}\n").map(|_| ()).expect_err("refused").to_string();
    assert!(error.contains("line 2") || error.contains("line 1"), "{error}");
    let twice = with("media: {}\nroles: all\nmedia: {}\n").map(|_| ()).expect_err("refused").to_string();
    assert!(twice.contains("duplicate"), "{twice}");
    assert!(with("just words").map(|_| ()).expect_err("refused").to_string().contains("expected keys"));
    assert!(with("").is_ok(), "an empty file says nothing");
}

#[test]
fn flags_win_over_the_environment_that_over_the_file_and_that_over_defaults() {
    let directory = tempfile::tempdir().expect("directory");
    let file = write(&directory, "media:\n  ports: 30000-30009\n  latch: yes\n  threads: 3\nstop:\n  grace: 1s\n");
    let loaded = load(&Sources {
        file: Some(file.clone()),
        environment: environment(&[("RELAYD_MEDIA_THREADS", "4"), ("RELAYD_STOP_GRACE", "2s"), ("PATH", "/bin")]),
        flags: vec![Flag { flag: "--grace", key: "stop.grace", value: "3s".into() }],
        ..Sources::default()
    })
    .expect("loaded");
    let config = &loaded.config;
    assert_eq!((config.media.latch, config.media.threads, config.stop.grace.get().as_secs()), (true, Threads(Some(4)), 3));
    let origins: Vec<(String, String)> = loaded
        .layers
        .effective(config)
        .iter()
        .filter(|value| value.origin != Origin::Default)
        .map(|value| (value.key.to_string(), value.origin.to_string()))
        .collect();
    let at = |line| format!("{}:{line}", file.display());
    let expected = [
        ("media.ports", at(2)),
        ("media.latch", at(3)),
        ("media.threads", "$RELAYD_MEDIA_THREADS".to_owned()),
        ("stop.grace", "--grace".to_owned()),
    ];
    assert_eq!(origins, expected.map(|(key, origin)| (key.to_owned(), origin)));
}

#[test]
fn the_environment_holds_lists_and_maps_as_yaml_and_lists_by_commas() {
    let loaded = load(&Sources {
        environment: environment(&[
            ("RELAYD_ROLES", "ms"),
            ("RELAYD_MEDIA_CODECS", "pcma, pcmu"),
            ("RELAYD_LISTEN_SIP", "[{transport: tcp, address: '[::1]:5070'}]"),
            ("RELAYD_CONTROLLERS", "127.0.0.1"),
        ]),
        ..Sources::default()
    });
    let config = loaded.expect("loaded").config;
    assert_eq!(config.media.codecs.len(), 2);
    assert_eq!(config.listen.sip[0].address, "[::1]:5070".parse().expect("address"));
    assert!(config.roles.has(Role::Ms) && !config.roles.has(Role::As));
}

#[test]
fn a_wrong_value_in_the_environment_names_its_variable() {
    let error = load(&Sources { environment: environment(&[("RELAYD_STOP_GRACE", "soon")]), ..Sources::default() });
    let error = error.map(|_| ()).expect_err("refused").to_string();
    assert!(error.starts_with("$RELAYD_STOP_GRACE: stop.grace: \"soon\" is not"), "{error}");
}

#[test]
fn a_misspelt_variable_is_warned_of_and_not_an_error() {
    let sources =
        Sources { environment: environment(&[("RELAYD_STOP_GRCE", "1s"), ("RELAYD_PORT", "tcp://10.0.0.1")]), ..Sources::default() };
    let loaded = load(&sources).expect("loaded");
    let warned: Vec<String> = loaded.unknown_variables().iter().map(ToString::to_string).collect();
    assert_eq!(warned[0], "the environment variable RELAYD_STOP_GRCE is not a setting; did you mean RELAYD_STOP_GRACE?");
}

#[test]
fn no_two_keys_have_the_same_variable() {
    let mut names: Vec<String> = leaves(&Config::kind()).iter().map(|key| variable(ENVIRONMENT_PREFIX, key)).collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all);
}

#[test]
fn listening_wide_without_tls_is_refused_listener_by_listener() {
    let text = "listen:\n  sip:\n    - {transport: udp, address: 192.0.2.1:5060, allow_plain: true}\n    - {transport: tcp, address: 192.0.2.1:5060}\n    \
                - {transport: tls, address: 192.0.2.1:5061}\n  http:\n    - {address: 192.0.2.1:80}\n    - {address: 192.0.2.1:443, tls: yes}\n";
    let problems = problems(text);
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].starts_with("relayd.yaml:4: listen.sip[1].address: tcp on 192.0.2.1:5060 can be read by others"), "{problems:?}");
    assert!(problems[1].starts_with("relayd.yaml:7: listen.http[0].address: http on 192.0.2.1:80 can be read"), "{problems:?}");
}

#[test]
fn a_wildcard_without_a_name_that_peers_can_be_told_is_refused() {
    let listen = |advertise: &str| {
        format!(
            "listen:\n  sip:\n    - {{transport: tls, address: '[::]:5061'}}\n    - {{transport: tls, address: 0.0.0.0:5061{advertise}}}\n    \
             - {{transport: tcp, address: 127.0.0.1:5060}}\n"
        )
    };
    let problems = problems(&listen(""));
    assert_eq!(problems.len(), 2, "{problems:?}");
    assert!(problems[0].starts_with("relayd.yaml:3: listen.sip[0].advertise: is needed, since peers cannot be told ::"), "{problems:?}");
    assert!(
        problems[1].starts_with("relayd.yaml:4: listen.sip[1].advertise: is needed, since peers cannot be told 0.0.0.0"),
        "{problems:?}"
    );
    with(&listen(", advertise: conf.example")).expect("one name does for a transport");
}

#[test]
fn the_listen_flag_moves_every_listener_and_the_port_of_sip() {
    let moved = |listen: &str| load(&Sources { listen: Some(listen.into()), ..Sources::default() });
    let config = moved("127.0.0.2:6060").expect("loopback").config;
    let sip: Vec<String> = config.listen.sip.iter().map(|listener| listener.address.to_string()).collect();
    assert_eq!(sip, ["127.0.0.2:6060", "127.0.0.2:6060", "127.0.0.2:6061"]);
    assert_eq!(config.listen.http[0].address.to_string(), "127.0.0.2:8080");
    assert_eq!(moved("[::1]").expect("loopback").config.listen.sip[2].address.to_string(), "[::1]:5061");
    let wide = moved("0.0.0.0").map(|_| ()).expect_err("plain and wide").to_string();
    assert!(wide.contains("--listen: listen.sip[0].address: udp on 0.0.0.0:5060 can be read by others"), "{wide}");
    assert!(moved("everywhere").map(|_| ()).expect_err("no address").to_string().contains("--listen"));
}

#[test]
fn an_ephemeral_daemon_lets_the_system_choose_and_a_file_still_wins() {
    let loaded = load(&Sources { ephemeral: true, ..Sources::default() }).expect("loaded");
    assert!(loaded.config.listen.sip.iter().all(|listener| listener.address.port() == 0));
    assert_eq!(loaded.config.media.ports, PortRange::System);
    let directory = tempfile::tempdir().expect("directory");
    let file = write(&directory, "media: {ports: 30000-30009}\n");
    let loaded = load(&Sources { ephemeral: true, file: Some(file), ..Sources::default() }).expect("loaded");
    assert_eq!(loaded.config.media.ports, PortRange::Range { first: 30_000, last: 30_009 });
}

#[test]
fn parts_that_do_not_fit_together_are_refused() {
    for (text, expected) in [
        ("tls: {certificate: /c.pem}\n", "tls.certificate: needs its private key"),
        ("roles: [as]\n", "roles: the role as needs a media server"),
        ("files: {tls: no, addresses: [192.0.2.1]}\n", "files.tls: is off, and files can be read by others"),
        ("files: {advertise: [192.0.2.1, '::']}\n", "files.advertise[1]: is no address that terminals can connect to"),
        ("roles: [ms, fs]\n", "roles: the roles ms and fs without as need a process"),
        ("roles: [as]\nmedia_servers: [sip:ms.example]\n", "media_servers[0]: is not on this machine: add ;transport=tls"),
        ("controllers: [192.0.2.1]\n", "controllers[0]: \"192.0.2.1\" is not an address on loopback"),
        ("routes: [{pattern: '+49*', trunk: gw}]\n", "routes[0].trunk: there is no trunk \"gw\""),
        ("routes: [{pattern: '+49*', trunk: direct}]\n", "routes[0].pattern: a number alone names no host"),
        ("trunks: [{name: gw, uri: 'sip:gw.example', username: u}]\n", "trunks[0]: has only one of username and password_file"),
        ("sip: {session_expires: 2m, min_session_expires: 3m}\n", "sip.session_expires: is shorter than"),
        ("sip: {register_expires: 3h}\n", "sip.register_expires: does not lie between"),
        (
            "listen: {relay: [{address: '192.0.2.1:7420'}]}\n",
            "listen.relay[0].address: who applies for relay channels on 192.0.2.1:7420 can be read",
        ),
        ("relay: {advertise: ['tls://relay.example']}\n", "relay.advertise[0]: names TLS, and no listener of listen.relay has tls: true"),
        (
            "listen: {relay: [{address: '192.0.2.1:7420', tls: yes}]}\nrelay: {advertise: [relay.example]}\n",
            "relay.advertise[0]: names no TLS, and every listener of listen.relay has it: say tls://relay.example",
        ),
        ("relay: {advertise: ['https://relay.example']}\n", "relay.advertise[0]: \"https://relay.example\" is not"),
    ] {
        let problems = problems(text);
        assert!(problems.len() == 1 && problems[0].contains(expected), "{expected}: {problems:?}");
    }
    with("listen: {relay: [{address: '192.0.2.1:7420', tls: yes}]}\nrelay: {advertise: ['tls://relay.example']}\n").expect("fits");
    with("roles: [as]\nmedia_servers: ['sip:127.0.0.1:5070;transport=tcp', 'sip:ms.example;transport=tls']\n").expect("fits");
}

#[test]
fn what_print_config_prints_is_a_configuration_that_says_the_same() {
    let text = "roles: [ms]\nrealm: \"a: b\"\ndata_dir: /srv/x\nlisten:\n  sip:\n    - {transport: tls, address: '[::]:5061', advertise: conf.example}\n\
                trunks:\n  - {name: gw, uri: 'sip:gw.example;transport=tcp', addresses: [192.0.2.0/24]}\n\
                routes: [{pattern: '*@*', trunk: gw}]\ncontrollers: [as.example, 127.0.0.1]\n";
    // A realm has no colon: the one above is refused, the rest is kept.
    let loaded = with(&text.replace("a: b", "a b")).expect("loaded");
    assert!(with(text).is_err());
    let printed = print(&loaded.layers.effective(&loaded.config));
    let again = with(&printed).unwrap_or_else(|error| panic!("{error}\n{printed}"));
    assert_eq!(again.config, loaded.config, "{printed}");
    assert!(printed.contains("grace: 10s # default"), "{printed}");
}

#[test]
fn without_a_configured_realm_it_is_the_first_domain() {
    assert_eq!(Config::default().realm_at_first_start(), "confkit");
    assert_eq!(with("domains: [a.example, b.example]\n").expect("loaded").config.realm_at_first_start(), "a.example");
    assert_eq!(with("domains: [a.example]\nrealm: r\n").expect("loaded").config.realm_at_first_start(), "r");
}

#[test]
fn data_goes_where_systemd_or_the_user_keeps_it() {
    let directory =
        |pairs: &[(&str, &str)]| load(&Sources { environment: environment(pairs), ..Sources::default() }).expect("loaded").config.data_dir;
    let home = ("HOME", "/home/x");
    assert_eq!(directory(&[home]), Some(PathBuf::from("/home/x/.local/share/confkit")));
    assert_eq!(directory(&[home, ("XDG_DATA_HOME", "/d")]), Some(PathBuf::from("/d/confkit")));
    assert_eq!(directory(&[home, ("STATE_DIRECTORY", "/var/lib/confkit:/x")]), Some(PathBuf::from("/var/lib/confkit")));
    assert_eq!(directory(&[home, ("RELAYD_DATA_DIR", "/mine")]), Some(PathBuf::from("/mine")));
    assert_eq!(directory(&[]), None);
}

#[test]
fn a_client_takes_flags_before_the_environment_before_its_file() {
    let home = tempfile::tempdir().expect("directory");
    let file = home.path().join(".config/confkit/client.yaml");
    std::fs::create_dir_all(file.parent().expect("parent")).expect("made");
    std::fs::write(&file, "server: sip:file.example\nuser: file\nca: /file.pem\n").expect("written");
    let mut sources = ClientSources {
        environment: environment(&[
            ("HOME", &home.path().display().to_string()),
            ("CONFKIT_USER", "env"),
            ("CONFKIT_SERVER", "sip:env.example"),
        ]),
        ..ClientSources::default()
    };
    sources.flags.server = Some("sip:flag.example".into());
    let config = ClientConfig::load(&sources).expect("loaded");
    assert_eq!(config.server.expect("server").to_string(), "sip:flag.example");
    assert_eq!(config.user.expect("user").as_str(), "env");
    assert_eq!(config.ca.as_deref(), Some(FilePath::new("/file.pem")));
    assert_eq!(ClientConfig::load(&ClientSources::default()).expect("nothing at all"), ClientConfig::default());
}

#[test]
fn a_relative_path_in_a_file_is_meant_from_its_folder() {
    let directory = tempfile::tempdir().expect("directory");
    let file = write(&directory, "data_dir: data\ntls: {certificate: c.pem, key: /k.pem}\n");
    let sources = Sources { file: Some(file), environment: environment(&[("RELAYD_TRACE_SIP_FILE", "here")]), ..Sources::default() };
    let config = load(&sources).expect("loaded").config;
    assert_eq!(config.data_dir, Some(directory.path().join("data")));
    assert_eq!(config.tls.certificate, Some(directory.path().join("c.pem")));
    assert_eq!(config.tls.key.as_deref(), Some(FilePath::new("/k.pem")));
    assert_eq!(config.trace_sip.file.as_deref(), Some(FilePath::new("here")), "from the environment, from where we are");
}

#[test]
fn a_client_file_that_is_named_must_be_there_and_be_right() {
    let missing = ClientSources { file: Some("/nowhere/client.yaml".into()), ..ClientSources::default() };
    assert!(matches!(ClientConfig::load(&missing), Err(ConfigError::Read { .. })));
    let directory = tempfile::tempdir().expect("directory");
    let file = write(&directory, "sever: sip:x\n");
    let error = ClientConfig::load(&ClientSources {
        environment: environment(&[("CONFKIT_CONFIG", &file.display().to_string())]),
        ..ClientSources::default()
    });
    assert!(error.expect_err("typo").to_string().ends_with("relayd.yaml:1: sever: unknown key; did you mean \"server\"?"));
}

/// `docs/operating.md` holds the reference of each configuration between two marks; it is what the program says, or this test writes it so.
#[test]
fn the_reference_in_the_document_is_the_programs() {
    let path = FilePath::new(env!("CARGO_MANIFEST_DIR")).join("docs/operating.md");
    let document = std::fs::read_to_string(&path).expect("docs/operating.md");
    let mut written = document.clone();
    for (mark, made) in [("relayd", reference::<Config>()), ("the clients", reference::<ClientConfig>())] {
        let begin = format!("<!-- reference of {mark}: made by the program; BLESS=1 cargo test config writes it anew -->\n");
        let (before, rest) = written.split_once(&begin).unwrap_or_else(|| panic!("no mark for {mark}"));
        let (_, after) = rest.split_once("<!-- end -->").expect("the end of the reference");
        written = format!("{before}{begin}{made}<!-- end -->{after}");
    }
    if std::env::var_os("BLESS").is_some() && written != document {
        std::fs::write(&path, &written).expect("written");
    } else {
        assert!(written == document, "docs/operating.md is not what the program says; BLESS=1 cargo test config writes it anew");
    }
    for key in leaves(&Config::kind()) {
        let name = key.to_string();
        let last = name.rsplit('.').next().unwrap_or(&name);
        assert!(written.contains(&format!("| `{last}` |")), "{name} has no line");
    }
}

#[test]
fn the_configurations_shown_in_the_document_are_accepted() {
    let document = std::fs::read_to_string(FilePath::new(env!("CARGO_MANIFEST_DIR")).join("docs/operating.md")).expect("docs/operating.md");
    let shown: Vec<&str> = document.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(shown.len() >= 3);
    for text in shown {
        if let Err(error) = with(text) {
            panic!("{error}\n{text}");
        }
    }
}

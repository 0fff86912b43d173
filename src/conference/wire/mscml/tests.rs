//! The RFC's own figures, round trips, and what is refused.

use std::time::Duration;

use super::*;

fn request(inner: &str) -> Result<Request, MscmlError> {
    match Body::parse(
        format!("<?xml version=\"1.0\"?><MediaServerControl version=\"1.0\"><request>{inner}</request></MediaServerControl>").as_bytes(),
    )? {
        Body::Request(request) => Ok(request),
        other => panic!("{other:?}"),
    }
}

fn verb(inner: &str) -> Verb {
    request(inner).unwrap_or_else(|e| panic!("{inner}: {e}")).verb
}

fn refusal(inner: &str) -> Response {
    match request(inner) {
        Err(MscmlError::Refused(response)) => *response,
        other => panic!("{inner}: {other:?}"),
    }
}

#[test]
fn the_rfcs_figures_are_read() {
    assert_eq!(
        verb("<configure_conference reservedtalkers=\"120\" reserveconfmedia=\"yes\"/>"),
        Verb::ConfigureConference(ConfigureConference { reserved_talkers: Some(120), reserve_conf_media: true, talkers: None }),
        "figure 6"
    );
    let Verb::Play(play) = verb("<play><prompt><audio url=\"http://prompts.example.net/en_US/welcome.au\"/></prompt></play>") else {
        panic!("figure 7")
    };
    assert_eq!(play.prompt.items, [PromptItem::Audio { url: "http://prompts.example.net/en_US/welcome.au".into() }]);
    assert_eq!(
        verb("<configure_leg mixmode=\"mute\"/>"),
        Verb::ConfigureLeg(ConfigureLeg { mix_mode: Some(MixMode::Mute), ..ConfigureLeg::default() }),
        "figure 8"
    );
    assert_eq!(
        verb(
            "<configure_conference><subscribe><events><activetalkers report=\"yes\" interval=\"60s\"/></events></subscribe></configure_conference>"
        ),
        Verb::ConfigureConference(ConfigureConference {
            talkers: Some(TalkerReports { report: true, interval: Time::After(Duration::from_secs(60)) }),
            ..ConfigureConference::default()
        }),
        "figure 9"
    );
    let figure_17 = request(
        "<play id=\"332985001\"><prompt stoponerror=\"yes\" baseurl=\"file:////var/mediaserver/prompts/\" locale=\"en_US\" offset=\"0\" gain=\"0\" \
         rate=\"0\" delay=\"0\" duration=\"infinite\" repeat=\"1\"><audio url=\"num_dialed.raw\" encoding=\"ulaw\"/>\
         <variable type=\"dig\" subtype=\"ndn\" value=\"3014170700\"/><audio url=\"num_invalid.wav\"/></prompt></play>",
    )
    .expect("figure 17");
    assert_eq!(figure_17.id.as_deref(), Some("332985001"));
    let Verb::Play(Play { prompt }) = figure_17.verb else { panic!("figure 17") };
    assert_eq!((prompt.items.len(), prompt.repeat, prompt.duration, prompt.stop_on_error), (3, Some(1), Time::Infinite, true));
    assert_eq!(prompt.items[0], PromptItem::Audio { url: "file:////var/mediaserver/prompts/num_dialed.raw".into() });
    let Verb::PlayCollect(collect) = verb(
        "<playcollect id=\"332986004\" maxdigits=\"6\" firstdigittimer=\"10000\" interdigittimer=\"5000\" extradigittimer=\"1000\" \
         interdigitcriticaltimer=\"1000\" returnkey=\"#\" escapekey=\"*\" cleardigits=\"no\" barge=\"yes\" maskdigits=\"no\">\
         <prompt baseurl=\"http://www.example.com/prompts/\"><audio url=\"generic/en_US/enter_pin.wav\"/></prompt></playcollect>",
    ) else {
        panic!("figure 18")
    };
    assert_eq!((collect.max_digits, collect.first_digit), (Some(6), Time::After(Duration::from_secs(10))));
    assert_eq!(request("<stop id=\"4578903\"/>").map(|r| (r.id, r.verb)), Ok((Some("4578903".into()), Verb::Stop)), "figure 20");
    assert_eq!(
        verb("<configure_leg><subscribe><events><keypress report=\"standard\"/></events></subscribe></configure_leg>"),
        Verb::ConfigureLeg(ConfigureLeg { keypress: Some(KeypressReport::Standard), ..ConfigureLeg::default() }),
        "figure 21"
    );
}

#[test]
fn the_rfcs_notifications_are_read() {
    let read = |inner: &str| {
        Body::parse(format!("<MediaServerControl version=\"1.0\"><notification>{inner}</notification></MediaServerControl>").as_bytes())
    };
    let figure_10 = "<conference uniqueid=\"ab34h76z\" numtalkers=\"47\"><activetalkers><talker callid=\"myhost4sn123\"/>\
        <talker callid=\"myhost2sn456\"/></activetalkers></conference>";
    let talkers = vec!["myhost4sn123".to_owned(), "myhost2sn456".to_owned()];
    assert_eq!(
        read(figure_10),
        Ok(Body::Notification(Notification::Conference { unique_id: "ab34h76z".into(), num_talkers: 47, talkers }))
    );
    let figure_24 =
        "<keypress digit=\"#\" length=\"long\" method=\"long\" interdigittime=\"200\"><status command=\"idle\" duration=\"4\"/></keypress>";
    let key = Notification::Keypress { digit: '#', long: true, method: KeypressMethod::Long, since_last: Duration::from_millis(200) };
    assert_eq!(read(figure_24), Ok(Body::Notification(key)));
    assert!(matches!(read("<signal type=\"busy\"/>"), Err(MscmlError::OtherDocument(_))));
}

#[test]
fn every_body_reads_as_written() {
    let leg = ConfigureLeg {
        leg_type: Some(LegType::Listener),
        mix_mode: Some(MixMode::Parked),
        dtmf_clamp: Some(false),
        tone_clamp: Some(true),
        input_gain: Some(Gain::Fixed { level_db: -3.5 }),
        output_gain: Some(Gain::Auto { start_db: Some(1.0), target_db: None, silence_db: Some(-40.0) }),
        keypress: Some(KeypressReport::Both),
        extension: LegExtension { deaf: Some(true), pinned: Some(false) },
    };
    let prompt = Prompt {
        items: vec![
            PromptItem::Audio { url: "file:///p/a&b.wav".into() },
            PromptItem::Variable { kind: "dig".into(), subtype: Some("gen".into()), value: "42".into() },
        ],
        offset: Duration::from_millis(1500),
        repeat: None,
        delay: Duration::from_secs(2),
        duration: Time::After(Duration::from_secs(30)),
        gain_db: 3.0,
        stop_on_error: true,
    };
    let collect = PlayCollect {
        prompt: prompt.clone(),
        clear_digits: true,
        barge: false,
        max_digits: Some(8),
        first_digit: Time::Infinite,
        inter_digit: Time::Immediate,
        extra_digit: Time::After(Duration::from_millis(10)),
        escape_key: None,
        return_key: Some('D'),
        mask_digits: true,
    };
    let conference = ConfigureConference {
        reserved_talkers: Some(20),
        reserve_conf_media: false,
        talkers: Some(TalkerReports { report: true, interval: Time::After(Duration::from_millis(250)) }),
    };
    let mut response = Response::new(Some("4".into()), "playcollect", 200, "OK");
    response.reason = Some(Reason::ReturnKey);
    response.digits = Some("1234".into());
    response.play_duration = Some(Duration::from_millis(800));
    response.play_offset = Some(Duration::ZERO);
    response.error = Some(ErrorInfo { code: 404, text: "Not Found".into(), context: "file:///x".into() });
    let requests = [
        Verb::ConfigureLeg(leg),
        Verb::ConfigureLeg(ConfigureLeg::default()),
        Verb::Play(Play { prompt }),
        Verb::PlayCollect(collect),
        Verb::PlayCollect(PlayCollect::default()),
        Verb::ConfigureConference(conference),
        Verb::Stop,
    ];
    let mut bodies: Vec<Body> = requests.into_iter().map(|verb| Body::Request(Request::new(verb).with_id("a"))).collect();
    bodies.push(Body::Response(response));
    bodies.push(Body::Response(Response::new(None, "stop", 200, "OK")));
    bodies.push(Body::Notification(Notification::Conference { unique_id: "standup".into(), num_talkers: 0, talkers: Vec::new() }));
    bodies.push(Body::Notification(Notification::Keypress {
        digit: '*',
        long: false,
        method: KeypressMethod::Standard,
        since_last: Duration::ZERO,
    }));
    for body in bodies {
        assert_eq!(Body::parse(body.to_xml().as_bytes()), Ok(body));
    }
}

#[test]
fn bodies_stand_on_the_wire_as_documented() {
    let deaf = ConfigureLeg { extension: LegExtension { deaf: Some(true), pinned: None }, ..ConfigureLeg::default() };
    assert_eq!(
        Body::Request(Request::new(Verb::ConfigureLeg(deaf)).with_id("3")).to_xml(),
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><MediaServerControl version=\"1.0\"><request><configure_leg id=\"3\">\
         <leg xmlns=\"urn:confkit:mscml:1\" deaf=\"yes\"/></configure_leg></request></MediaServerControl>"
    );
    assert_eq!(
        Body::Response(Response::new(Some("3".into()), "configure_leg", 200, "OK")).to_xml(),
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><MediaServerControl version=\"1.0\">\
         <response id=\"3\" request=\"configure_leg\" code=\"200\" text=\"OK\"/></MediaServerControl>"
    );
}

#[test]
fn what_is_not_done_is_refused_with_a_response_that_names_the_request() {
    for (inner, request, code) in [
        ("<playrecord id=\"1\" recurl=\"file:///x\"/>", "playrecord", 501),
        ("<managecontent id=\"1\" src=\"x\"/>", "managecontent", 501),
        ("<faxplay id=\"1\"/>", "faxplay", 501),
        ("<dance id=\"1\"/>", "dance", 400),
        ("<configure_leg id=\"1\" mixmode=\"private\"/>", "configure_leg", 501),
        ("<configure_leg id=\"1\"><configure_team action=\"query\"/></configure_leg>", "configure_leg", 501),
        (
            "<configure_leg id=\"1\"><subscribe><events><signal type=\"busy\" report=\"yes\"/></events></subscribe></configure_leg>",
            "configure_leg",
            501,
        ),
        ("<playcollect id=\"1\"><pattern><regex value=\"x\"/></pattern></playcollect>", "playcollect", 501),
        ("<configure_leg id=\"1\" mixmode=\"loud\"/>", "configure_leg", 400),
        ("<configure_leg id=\"1\" dtmfclamp=\"maybe\"/>", "configure_leg", 400),
        ("<configure_conference id=\"1\" reservedtalkers=\"0\"/>", "configure_conference", 400),
        ("<configure_conference id=\"1\" reservedtalkers=\"-4\"/>", "configure_conference", 400),
        ("<play id=\"1\" prompturl=\"a\"><prompt/></play>", "play", 400),
        ("<play id=\"1\"><prompt repeat=\"often\"/></play>", "play", 400),
        ("<play id=\"1\"><prompt><video/></prompt></play>", "play", 400),
        ("<playcollect id=\"1\" maxdigits=\"0\"/>", "playcollect", 400),
        ("<playcollect id=\"1\" escapekey=\"x\"/>", "playcollect", 400),
        ("<playcollect id=\"1\" firstdigittimer=\"-5s\"/>", "playcollect", 400),
    ] {
        let response = refusal(inner);
        assert_eq!(
            (response.id.as_deref(), response.request.as_str(), response.code),
            (Some("1"), request, code),
            "{inner}: {}",
            response.text
        );
    }
    assert_eq!(refusal(&format!("<stop id=\"{}\"/>", "x".repeat(257))).id, None, "an id that long is not echoed");
    assert_eq!(refusal(&format!("<play><prompt>{}</prompt></play>", "<audio url=\"a\"/>".repeat(33))).code, 400);
}

#[test]
fn what_no_response_could_name_is_an_error_of_the_body() {
    for text in [
        "<MediaServerControl/>",
        "<MediaServerControl version=\"2.0\"><request><stop/></request></MediaServerControl>",
        "<MediaServerControl version=\"1.0\"><request/></MediaServerControl>",
        "<MediaServerControl version=\"1.0\"><request><stop/><stop/></request></MediaServerControl>",
        "<MediaServerControl version=\"1.0\"><request><stop/></request><response/></MediaServerControl>",
        "<MediaServerControl version=\"1.0\" xmlns=\"urn:other\"><request><stop/></request></MediaServerControl>",
        "<MediaServerControl version=\"1.0\"><response request=\"play\" text=\"\" code=\"x\"/></MediaServerControl>",
        "<html/>",
    ] {
        assert!(matches!(Body::parse(text.as_bytes()), Err(MscmlError::OtherDocument(_))), "{text}");
    }
    let entity =
        "<!DOCTYPE x [<!ENTITY a \"b\">]><MediaServerControl version=\"1.0\"><request><stop id=\"&a;\"/></request></MediaServerControl>";
    assert_eq!(Body::parse(entity.as_bytes()), Err(MscmlError::Xml(XmlError::Dtd)));
}

#[test]
fn times_are_read_in_every_form_and_never_overflow() {
    for (text, expected) in [
        ("10s", Some(Time::After(Duration::from_secs(10)))),
        ("250ms", Some(Time::After(Duration::from_millis(250)))),
        ("250", Some(Time::After(Duration::from_millis(250)))),
        ("1.5s", Some(Time::After(Duration::from_millis(1500)))),
        (" immediate ", Some(Time::Immediate)),
        ("infinite", Some(Time::Infinite)),
        ("99999999999999999999999s", Some(Time::After(Duration::from_secs(604_800)))),
        ("1e9s", None),
        ("-1s", None),
        ("inf", None),
        ("", None),
        ("s", None),
        ("1.2.3", None),
    ] {
        assert_eq!(element::time(text), expected, "{text}");
    }
}

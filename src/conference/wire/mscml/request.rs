//! Requests (RFC 5022 §5, §6, §7).

use std::time::Duration;

use roxmltree::Node;

use super::{
    ConfigureConference, ConfigureLeg, EXTENSION_NAMESPACE, Gain, KeypressReport, LegExtension, LegType, MAX_DIGITS, MAX_ID, MAX_PROMPTS,
    MixMode, MscmlError, Play, PlayCollect, Prompt, PromptItem, Request, TalkerReports, Time, Verb,
    element::{decibels, key, length, read_attr, refused, time, write_length},
};
use crate::conference::wire::xml::{self, Element, yes_no, yes_or_no};

/// Why a request is refused: code and text of the response.
type Refusal = (u16, String);

/// What the RFC has and we do not do.
const NOT_DONE: [&str; 4] = ["playrecord", "managecontent", "faxplay", "faxrecord"];

pub(super) fn read(node: Node<'_, '_>) -> Result<Request, MscmlError> {
    let mut verbs = xml::children(node, "");
    let Some(verb) = verbs.next() else { return Err(MscmlError::OtherDocument("an empty request")) };
    if verbs.next().is_some() {
        return Err(MscmlError::OtherDocument("more than one request"));
    }
    let name = verb.tag_name().name();
    let id = verb.attribute("id").filter(|id| id.len() <= MAX_ID);
    let read = if verb.attribute("id").is_some_and(|id| id.len() > MAX_ID) {
        Err((400, format!("the id is longer than {MAX_ID} bytes")))
    } else {
        match name {
            "configure_conference" => configure_conference(verb).map(Verb::ConfigureConference).map_err(bad),
            "configure_leg" => configure_leg(verb).map(Verb::ConfigureLeg),
            "play" => prompt(verb).map(|prompt| Verb::Play(Play { prompt })).map_err(bad),
            "playcollect" => play_collect(verb).map(Verb::PlayCollect),
            "stop" => Ok(Verb::Stop),
            known if NOT_DONE.contains(&known) => Err((501, format!("{known} is not implemented"))),
            _ => Err((400, "there is no such request".to_owned())),
        }
    };
    match read {
        Ok(verb) => Ok(Request { id: id.map(str::to_owned), verb }),
        Err((code, text)) => Err(refused(id, name, code, text)),
    }
}

fn bad(text: String) -> Refusal {
    (400, text)
}

fn configure_conference(node: Node<'_, '_>) -> Result<ConfigureConference, String> {
    let positive = |text: &str| text.trim().parse::<u32>().ok().filter(|n| *n > 0);
    let talkers = match subscription(node, "activetalkers") {
        Some(talkers) => Some(TalkerReports {
            report: read_attr(talkers, "report", yes_no)?.ok_or("activetalkers needs report")?,
            interval: read_attr(talkers, "interval", time)?.unwrap_or(Time::After(Duration::from_secs(60))),
        }),
        None => None,
    };
    Ok(ConfigureConference {
        reserved_talkers: read_attr(node, "reservedtalkers", positive)?,
        reserve_conf_media: read_attr(node, "reserveconfmedia", yes_no)?.unwrap_or(true),
        talkers,
    })
}

fn configure_leg(node: Node<'_, '_>) -> Result<ConfigureLeg, Refusal> {
    if xml::child(node, "", "configure_team").is_some() {
        return Err((501, "personalised mixes are not implemented".to_owned()));
    }
    if subscription(node, "signal").is_some_and(|s| s.attribute("report").and_then(yes_no) != Some(false)) {
        return Err((501, "signal events are not implemented".to_owned()));
    }
    let mix_mode = read_attr(node, "mixmode", MixMode::from_word).map_err(bad)?;
    if mix_mode == Some(MixMode::Private) {
        return Err((501, "private mixes are not implemented".to_owned()));
    }
    let keypress = match subscription(node, "keypress") {
        Some(keypress) => Some(
            read_attr(keypress, "report", KeypressReport::from_word)
                .map_err(bad)?
                .ok_or_else(|| bad("keypress needs report".to_owned()))?,
        ),
        None => None,
    };
    let read = || {
        Ok(ConfigureLeg {
            leg_type: read_attr(node, "type", LegType::from_word)?,
            mix_mode,
            dtmf_clamp: read_attr(node, "dtmfclamp", yes_no)?,
            tone_clamp: read_attr(node, "toneclamp", yes_no)?,
            input_gain: gain(node, "inputgain")?,
            output_gain: gain(node, "outputgain")?,
            keypress,
            extension: extension(node)?,
        })
    };
    read().map_err(bad)
}

/// `<subscribe><events><…/></events></subscribe>`.
fn subscription<'a, 'i>(node: Node<'a, 'i>, name: &str) -> Option<Node<'a, 'i>> {
    xml::child(xml::child(xml::child(node, "", "subscribe")?, "", "events")?, "", name)
}

fn gain(node: Node<'_, '_>, name: &'static str) -> Result<Option<Gain>, String> {
    let Some(node) = xml::child(node, "", name) else { return Ok(None) };
    if let Some(auto) = xml::child(node, "", "auto") {
        return Ok(Some(Gain::Auto {
            start_db: read_attr(auto, "startlevel", decibels)?,
            target_db: read_attr(auto, "targetlevel", decibels)?,
            silence_db: read_attr(auto, "silencethreshold", decibels)?,
        }));
    }
    let level = match xml::child(node, "", "fixed") {
        Some(fixed) => read_attr(fixed, "level", decibels)?,
        None => None,
    };
    Ok(Some(Gain::Fixed { level_db: level.unwrap_or(0.0) }))
}

fn extension(node: Node<'_, '_>) -> Result<LegExtension, String> {
    let Some(leg) = xml::child(node, EXTENSION_NAMESPACE, "leg") else { return Ok(LegExtension::default()) };
    Ok(LegExtension { deaf: read_attr(leg, "deaf", yes_no)?, pinned: read_attr(leg, "pinned", yes_no)? })
}

fn play_collect(node: Node<'_, '_>) -> Result<PlayCollect, Refusal> {
    if xml::child(node, "", "pattern").is_some() {
        return Err((501, "digit patterns are not implemented".to_owned()));
    }
    if node.attribute("ffkey").is_some() && node.attribute("ffkey") == node.attribute("rwkey") {
        return Err(bad("ffkey and rwkey are the same key".to_owned()));
    }
    let default = PlayCollect::default();
    let digits =
        |text: &str| text.trim().parse::<u32>().ok().filter(|n| *n > 0).map(|n| u8::try_from(n).unwrap_or(MAX_DIGITS).min(MAX_DIGITS));
    // An empty value turns a special key off.
    let special = |text: &str| if text.is_empty() { Some(None) } else { key(text).map(Some) };
    let read = || {
        Ok(PlayCollect {
            prompt: prompt(node)?,
            clear_digits: read_attr(node, "cleardigits", yes_no)?.unwrap_or(default.clear_digits),
            barge: read_attr(node, "barge", yes_no)?.unwrap_or(default.barge),
            max_digits: read_attr(node, "maxdigits", digits)?,
            first_digit: read_attr(node, "firstdigittimer", time)?.unwrap_or(default.first_digit),
            inter_digit: read_attr(node, "interdigittimer", time)?.unwrap_or(default.inter_digit),
            extra_digit: read_attr(node, "extradigittimer", time)?.unwrap_or(default.extra_digit),
            escape_key: read_attr(node, "escapekey", special)?.unwrap_or(default.escape_key),
            return_key: read_attr(node, "returnkey", special)?.unwrap_or(default.return_key),
            mask_digits: read_attr(node, "maskdigits", yes_no)?.unwrap_or(default.mask_digits),
        })
    };
    read().map_err(bad)
}

fn prompt(verb: Node<'_, '_>) -> Result<Prompt, String> {
    let default = Prompt::default();
    let Some(node) = xml::child(verb, "", "prompt") else {
        let items = verb.attribute("prompturl").map(|url| PromptItem::Audio { url: url.to_owned() }).into_iter().collect();
        return Ok(Prompt { items, offset: read_attr(verb, "offset", length)?.unwrap_or_default(), ..default });
    };
    if verb.attribute("prompturl").is_some() {
        return Err("prompt and prompturl exclude each other".to_owned());
    }
    let base = node.attribute("baseurl").unwrap_or("");
    let mut items = Vec::new();
    for item in xml::children(node, "") {
        if items.len() == MAX_PROMPTS {
            return Err(format!("a prompt has at most {MAX_PROMPTS} items"));
        }
        items.push(prompt_item(item, base)?);
    }
    let repeat = |text: &str| if text.trim() == "infinite" { Some(None) } else { text.trim().parse().ok().map(Some) };
    Ok(Prompt {
        items,
        offset: read_attr(node, "offset", length)?.unwrap_or(default.offset),
        repeat: read_attr(node, "repeat", repeat)?.unwrap_or(default.repeat),
        delay: read_attr(node, "delay", length)?.unwrap_or(default.delay),
        duration: read_attr(node, "duration", time)?.unwrap_or(default.duration),
        gain_db: read_attr(node, "gain", decibels)?.or(read_attr(node, "gaindelta", decibels)?).unwrap_or(default.gain_db),
        stop_on_error: read_attr(node, "stoponerror", yes_no)?.unwrap_or(default.stop_on_error),
    })
}

fn prompt_item(node: Node<'_, '_>, base: &str) -> Result<PromptItem, String> {
    let needed = |name: &'static str| node.attribute(name).map(str::to_owned).ok_or_else(|| format!("a prompt item needs {name}"));
    match node.tag_name().name() {
        "audio" => {
            let url = needed("url")?;
            // Fully qualified URLs stay as they are (§6.1.1).
            let qualified =
                url.split_once(':').is_some_and(|(scheme, _)| !scheme.is_empty() && scheme.bytes().all(|b| b.is_ascii_alphanumeric()));
            Ok(PromptItem::Audio { url: if qualified { url } else { format!("{base}{url}") } })
        }
        "variable" => Ok(PromptItem::Variable {
            kind: needed("type")?,
            subtype: node.attribute("subtype").map(str::to_owned),
            value: needed("value")?,
        }),
        _ => Err("a prompt holds audio and variable elements".to_owned()),
    }
}

pub(super) fn write(request: &Request) -> Element {
    let node = Element::new(request.name()).maybe_attr("id", request.id.as_ref());
    match &request.verb {
        Verb::ConfigureConference(c) => node
            .maybe_attr("reservedtalkers", c.reserved_talkers)
            .maybe_attr("reserveconfmedia", (!c.reserve_conf_media).then_some("no"))
            .maybe_child(
                c.talkers
                    .map(|t| subscribe(Element::new("activetalkers").attr("report", yes_or_no(t.report)).attr("interval", t.interval))),
            ),
        Verb::ConfigureLeg(c) => write_leg(node, c),
        Verb::Play(play) => node.maybe_child(write_prompt(&play.prompt)),
        Verb::PlayCollect(collect) => write_collect(node, collect),
        Verb::Stop => node,
    }
}

fn subscribe(event: Element) -> Element {
    Element::new("subscribe").child(Element::new("events").child(event))
}

fn write_leg(node: Element, c: &ConfigureLeg) -> Element {
    let extension = (c.extension != LegExtension::default()).then(|| {
        Element::new("leg")
            .attr("xmlns", EXTENSION_NAMESPACE)
            .maybe_attr("deaf", c.extension.deaf.map(yes_or_no))
            .maybe_attr("pinned", c.extension.pinned.map(yes_or_no))
    });
    node.maybe_attr("type", c.leg_type)
        .maybe_attr("mixmode", c.mix_mode)
        .maybe_attr("dtmfclamp", c.dtmf_clamp.map(yes_or_no))
        .maybe_attr("toneclamp", c.tone_clamp.map(yes_or_no))
        .maybe_child(c.input_gain.map(|g| Element::new("inputgain").child(write_gain(g))))
        .maybe_child(c.output_gain.map(|g| Element::new("outputgain").child(write_gain(g))))
        .maybe_child(c.keypress.map(|report| subscribe(Element::new("keypress").attr("report", report))))
        .maybe_child(extension)
}

fn write_gain(gain: Gain) -> Element {
    match gain {
        Gain::Fixed { level_db } => Element::new("fixed").attr("level", level_db),
        Gain::Auto { start_db, target_db, silence_db } => Element::new("auto")
            .maybe_attr("startlevel", start_db)
            .maybe_attr("targetlevel", target_db)
            .maybe_attr("silencethreshold", silence_db),
    }
}

fn write_collect(node: Element, c: &PlayCollect) -> Element {
    let default = PlayCollect::default();
    let key = |now: Option<char>, usual: Option<char>| (now != usual).then(|| now.map_or_else(String::new, String::from));
    let timer = |now: Time, usual: Time| (now != usual).then_some(now);
    node.maybe_attr("maxdigits", c.max_digits)
        .maybe_attr("firstdigittimer", timer(c.first_digit, default.first_digit))
        .maybe_attr("interdigittimer", timer(c.inter_digit, default.inter_digit))
        .maybe_attr("extradigittimer", timer(c.extra_digit, default.extra_digit))
        .maybe_attr("returnkey", key(c.return_key, default.return_key))
        .maybe_attr("escapekey", key(c.escape_key, default.escape_key))
        .maybe_attr("cleardigits", c.clear_digits.then_some("yes"))
        .maybe_attr("barge", (!c.barge).then_some("no"))
        .maybe_attr("maskdigits", c.mask_digits.then_some("yes"))
        .maybe_child(write_prompt(&c.prompt))
}

fn write_prompt(prompt: &Prompt) -> Option<Element> {
    if *prompt == Prompt::default() {
        return None;
    }
    let item = |item: &PromptItem| match item {
        PromptItem::Audio { url } => Element::new("audio").attr("url", url),
        PromptItem::Variable { kind, subtype, value } => {
            Element::new("variable").attr("type", kind).maybe_attr("subtype", subtype.as_ref()).attr("value", value)
        }
    };
    let repeat = match prompt.repeat {
        Some(1) => None,
        Some(times) => Some(times.to_string()),
        None => Some("infinite".to_owned()),
    };
    Some(
        Element::new("prompt")
            .maybe_attr("offset", (!prompt.offset.is_zero()).then(|| write_length(prompt.offset)))
            .maybe_attr("repeat", repeat)
            .maybe_attr("delay", (!prompt.delay.is_zero()).then(|| write_length(prompt.delay)))
            .maybe_attr("duration", (prompt.duration != Time::Infinite).then_some(prompt.duration))
            .maybe_attr("gain", (prompt.gain_db != 0.0).then_some(prompt.gain_db))
            .maybe_attr("stoponerror", prompt.stop_on_error.then_some("yes"))
            .children(prompt.items.iter().map(item)),
    )
}

use super::*;

fn entry(path: &str, kind: Kind) -> Entry {
    Entry::new(path.parse().expect("safe"), kind)
}

fn file(path: &str, size: u64) -> Entry {
    entry(path, Kind::File { size: Some(size) })
}

fn link(path: &str, target: &str) -> Entry {
    entry(path, Kind::Symlink { target: target.to_owned() })
}

#[test]
fn what_is_printed_is_read_back_and_is_what_the_documentation_shows() {
    let mtime = Some(Mtime { seconds: 1_795_175_276, nanos: 5 });
    let entries = vec![
        Entry { mode: Some(0o755), ..entry("talk", Kind::Directory) },
        Entry { mode: Some(0o4644), mtime, mime: Some("application/pdf".to_owned()), ..file("talk/slides.pdf", 48_213) },
        link("talk/latest", "slides.pdf"),
    ];
    let manifest = Manifest::new(entries).expect("a batch");
    let json = concat!(
        r#"{"version":1,"entries":[{"path":"talk","type":"directory","mode":493},"#,
        r#"{"path":"talk/slides.pdf","type":"file","size":48213,"mode":420,"mtime":1795175276,"mtime_nanos":5,"mime":"application/pdf"},"#,
        r#"{"path":"talk/latest","type":"symlink","target":"slides.pdf"}]}"#
    );
    assert_eq!(String::from_utf8(manifest.to_json()).expect("text"), json);
    let read = Manifest::from_json(json.as_bytes()).expect("reads");
    assert_eq!((&read, read.digest()), (&manifest, Digest::blake3(json.as_bytes())));
}

#[test]
fn a_place_in_the_stream_is_found_in_its_file() {
    let manifest =
        Manifest::new(vec![file("a", 0), file("b", 10), entry("d", Kind::Directory), file("c", 0), file("e", 5)]).expect("a batch");
    assert_eq!(manifest.total(), Some(15));
    let located: Vec<_> = [0, 9, 10, 14, 15, u64::MAX].map(|at| manifest.locate(at)).to_vec();
    assert_eq!(located, [Some((1, 0)), Some((1, 9)), Some((4, 0)), Some((4, 4)), None, None]);
    assert_eq!([0, 1, 2, 3, 4, 5].map(|at| manifest.start_of(at)), [Some(0), Some(0), None, Some(10), Some(10), None]);
    let stdin = Manifest::new(vec![entry("x", Kind::File { size: None })]).expect("a batch");
    assert_eq!((stdin.total(), stdin.locate(1 << 40)), (None, Some((0, 1 << 40))));
}

#[test]
fn batches_that_cannot_be_put_down_are_refused_and_the_entry_is_named() {
    let unknown = entry("s", Kind::File { size: None });
    let cases: Vec<(Vec<Entry>, &str)> = vec![
        (vec![], "the batch is empty"),
        (vec![file("a", 1), file("a", 1)], "the entry \"a\" appears twice"),
        (vec![entry("a", Kind::Directory), entry("a", Kind::Directory)], "the entry \"a\" appears twice"),
        (vec![file("a", 1), file("a/b", 1)], "the entry \"a/b\" is in something that is not a folder, or comes before its folder"),
        (vec![link("a", "b"), file("a/x/b", 1)], "the entry \"a/x/b\" is in something that is not a folder, or comes before its folder"),
        (
            vec![file("a/b", 1), entry("a", Kind::Directory)],
            "the entry \"a\" is in something that is not a folder, or comes before its folder",
        ),
        (vec![file("a/b", 1), file("a", 1)], "the entry \"a\" appears twice"),
        (vec![unknown, file("b", 1)], "the entry \"s\" is of unknown size, and so must be the only one"),
        (vec![file("a", MAX_TOTAL), file("b", 1)], "the sizes add up to more than 9223372036854775807 bytes"),
        (vec![Entry { mime: Some("text/html; x".to_owned()), ..file("a", 1) }], "the entry \"a\" has an invalid media type"),
    ];
    for (entries, error) in cases {
        assert_eq!(Manifest::new(entries).expect_err(error).to_string(), error);
    }
}

#[test]
fn links_lead_nowhere_but_into_the_batch() {
    for (path, target, stays) in [
        ("a", "b", true),
        ("d/e/a", "../../b/c", true),
        ("d/a", "./b", true),
        ("a", "..", false),
        ("d/a", "../..", false),
        ("d/a", "b/../..", false),
        ("d/e/a", "b/../c", false),
        ("a", "/etc/passwd", false),
        ("a", "C:/x", false),
        ("a", "b\\..", false),
        ("a", "b\nc", false),
        ("a", "", false),
        ("a", "b//c", false),
    ] {
        assert_eq!(Manifest::new(vec![link(path, target)]).is_ok(), stays, "{path} -> {target}");
    }
}

#[test]
fn what_others_write_is_refused_by_name_and_bounds() {
    let told = |json: &str| Manifest::from_json(json.as_bytes()).expect_err(json).to_string();
    let one = |fields: &str| told(&format!("{{\"version\":1,\"entries\":[{{{fields}}}]}}"));
    assert!(one(r#""path":"../x","type":"file","size":1"#).contains(r#"the name \"../x\" is refused"#));
    assert!(one(r#""path":"a","type":"directory","size":1"#).contains("a size or a target that its type cannot have"));
    assert!(one(r#""path":"a","type":"file","target":"b""#).contains("a size or a target"));
    assert!(one(r#""path":"a","type":"file","size":-1"#).contains("invalid value"));
    assert!(one(r#""path":"a","type":"file","mtime":1,"mtime_nanos":1000000000"#).contains("an invalid time"));
    assert!(one(r#""path":"a","type":"device""#).contains("unknown variant"));
    assert!(one(r#""path":"a","type":"file","owner":"root""#).contains("unknown field"));
    assert_eq!(told(r#"{"version":2,"entries":[]}"#), "the manifest is of version 2, this program knows 1");
    assert_eq!(Manifest::from_json(&vec![b' '; MAX_MANIFEST + 1]), Err(ManifestError::TooLarge(MAX_MANIFEST + 1)));
    let many = format!("{{\"version\":1,\"entries\":[{}0]}}", r#"{"path":"a","type":"directory"},"#.repeat(MAX_ENTRIES + 1));
    assert!(told(&many).contains("more than 100000 entries"));
    // A bit that does not travel is dropped.
    let read = Manifest::from_json(br#"{"version":1,"entries":[{"path":"a","type":"file","size":1,"mode":4095}]}"#).expect("reads");
    assert_eq!(read.entries()[0].mode, Some(0o777));
}

#[test]
fn a_hundred_thousand_entries_fit_whatever_the_bound_of_bytes_says_of_longer_ones() {
    let entries: Vec<Entry> = (0..MAX_ENTRIES).map(|at| file(&format!("folder/{at:06}.txt"), 1)).collect();
    let manifest = Manifest::new(entries).expect("a batch");
    assert_eq!(Manifest::from_json(&manifest.to_json()).expect("reads").digest(), manifest.digest());
    assert_eq!(manifest.locate(54_321), Some((54_321, 0)));
    let long = "x".repeat(250);
    let entries: Vec<Entry> = (0..MAX_ENTRIES).map(|at| file(&format!("{long}/{at:06}/{long}"), 1)).collect();
    assert!(matches!(Manifest::new(entries), Err(ManifestError::TooLarge(_))));
}

#[test]
fn times_of_files_are_kept_to_the_nanosecond_on_both_sides_of_1970() {
    for mtime in [
        Mtime { seconds: 5, nanos: 999_999_999 },
        Mtime { seconds: -5, nanos: 1 },
        Mtime { seconds: -5, nanos: 0 },
        Mtime { seconds: 0, nanos: 0 },
    ] {
        assert_eq!(Mtime::from_system(mtime.to_system().expect("a time")), mtime);
    }
    assert!(Mtime { seconds: i64::MIN, nanos: 0 }.to_system().is_none_or(|time| Mtime::from_system(time).seconds <= -i64::MAX));
}

#[test]
fn extended_attributes_of_users_travel_with_files_and_folders_and_no_others() {
    let read = |entry: &str| Manifest::from_json(format!("{{\"version\":1,\"entries\":[{entry}]}}").as_bytes());
    let json = "{\"path\":\"a\",\"type\":\"file\",\"size\":1,\"xattrs\":{\"user.origin\":\"AP8\"}}";
    let manifest = read(json).expect("a manifest");
    assert_eq!(manifest.entries()[0].xattrs.iter().collect::<Vec<_>>(), [("user.origin", &[0, 255][..])]);
    assert!(String::from_utf8(manifest.to_json()).expect("JSON").contains(json), "it is written as it was read");
    for (wrong, why) in [
        ("{\"path\":\"a\",\"type\":\"file\",\"size\":1,\"xattrs\":{\"security.capability\":\"AQ\"}}", "not of the kind that users set"),
        ("{\"path\":\"a\",\"type\":\"file\",\"size\":1,\"xattrs\":{\"user.a\":\"?\"}}", "without a value"),
        ("{\"path\":\"a\",\"type\":\"symlink\",\"target\":\"b\",\"xattrs\":{\"user.a\":\"AQ\"}}", "a link with extended attributes"),
    ] {
        assert!(read(wrong).is_err_and(|error| error.to_string().contains(why)), "{wrong}");
    }
}

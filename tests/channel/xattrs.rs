//! Extended attributes: those of users, where both sides ask for them.

use rustix::fs::{XattrFlags, getxattr, setxattr};

use super::*;

fn attribute(path: &Path) -> Option<Vec<u8>> {
    let mut value = vec![0; 1024];
    let length = getxattr(path, "user.origin", value.as_mut_slice()).ok()?;
    value.truncate(length);
    Some(value)
}

#[test]
fn attributes_of_users_come_along_where_both_ask_for_them() {
    let world = World::new("channel-xattrs");
    let folder = world.place.folder("talk");
    fs::write(folder.join("slides.txt"), b"slides").expect("written");
    for path in [folder.clone(), folder.join("slides.txt")] {
        if let Err(error) = setxattr(&path, "user.origin", b"the archive", XattrFlags::empty()) {
            return not_shown(&format!("this file system has no extended attributes: {error}"));
        }
    }
    for (at, (sender, receiver, come)) in
        [(&["--xattrs"][..], &["--xattrs"][..], true), (&["--xattrs"], &[], false), (&[], &["--xattrs"], false)].into_iter().enumerate()
    {
        let to = at.to_string();
        let sending = world.send(&[&["talk"], sender].concat(), None);
        let received = world.recv(&[&[&sending.code, "--yes", "--output", &to], receiver].concat());
        assert_eq!(code(&received), 0, "{}", said(&received));
        assert_eq!(sending.end().0, 0);
        let there = world.place.path(&to).join("talk");
        let wanted = come.then(|| b"the archive".to_vec());
        assert_eq!([attribute(&there), attribute(&there.join("slides.txt"))], [wanted.clone(), wanted], "{sender:?} {receiver:?}");
    }
    // What does not travel is said, with what to do.
    for at in 0..70 {
        setxattr(folder.join("slides.txt"), format!("user.{at}"), b"", XattrFlags::empty()).expect("set");
    }
    let refused = world.fshare(&["send", "talk", "--xattrs"]).output().expect("fshare runs");
    assert_eq!(code(&refused), 1, "{}", said(&refused));
    assert!(said(&refused).contains("slides.txt") && said(&refused).contains("without --xattrs"), "{}", said(&refused));
}

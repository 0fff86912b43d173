//! One sharer and many receivers at once: every copy compared, and the most memory that the file server took. It has to be bounded by how many members
//! there are, whatever the size of the file.

use std::fs;

use confkit::clock;

use crate::{
    Options,
    files::{fill, hash_in},
    place::Place,
    process::{self, Program, cpu, peak_memory},
};

pub fn run(options: &Options) {
    println!("One sharer, many receivers at once, a process each, on the same machine:\n");
    println!(
        "| members | MiB each | seconds | delivered, GiB/s | copies verified | file server: peak memory, MiB | before | CPU s per GiB delivered | load |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    one(options, options.members, 64);
    one(options, 4, options.mebibytes);
    println!();
}

fn one(options: &Options, members: usize, mebibytes: u64) {
    let place = Place::apart(&options.folder, members + 1);
    let file = place.path("file");
    let expected = fill(&file, mebibytes);
    let receivers: Vec<Program> = (1..=members).map(|number| place.receiver(number, true)).collect();
    let server = place.file_server();
    let (before, idle) = (cpu(server), peak_memory(server));
    let (load, began) = (process::load(), clock::now());
    let sender = place.share(&file, &[]);
    let mut last = began;
    for receiver in receivers {
        last = last.max(receiver.end().at);
    }
    sender.end();
    let (spent, peak) = (cpu(server) - before, peak_memory(server));
    let (mut right, seconds) = (0, last.saturating_duration_since(began).as_secs_f64());
    for number in 1..=members {
        let folder = place.received(number);
        right += usize::from(hash_in(&folder) == expected);
        fs::remove_dir_all(folder).expect("removed");
    }
    let delivered = (mebibytes * members as u64) as f64 / 1024.0;
    println!(
        "| {members} | {mebibytes} | {seconds:.1} | {:.2} | {right} of {members} | {peak:.1} | {idle:.1} | {:.2} | {load} |",
        delivered / seconds,
        spent.as_secs_f64() / delivered
    );
    assert_eq!(right, members, "some copies are not what was sent");
}

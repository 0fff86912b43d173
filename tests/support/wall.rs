//! A time of day that a test sets while programs run: they are given a library that stands before the system's, asks it, and adds what a file says.
//! Nothing else of the machine notices.

use std::{
    fs::{self, File},
    os::unix::fs::FileExt as _,
    path::PathBuf,
    process::Command,
};

use crate::place::{Place, command};

/// Where programs find the seconds that are added: eight bytes, which they have mapped.
const FILE: &str = "CONFKIT_TEST_WALL";
const SOURCE: &str = r#"
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static volatile long long *added;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("CONFKIT_TEST_WALL");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    void *there = file < 0 ? MAP_FAILED : mmap(NULL, 8, PROT_READ, MAP_SHARED, file, 0);
    if (there != MAP_FAILED) added = there;
    if (file >= 0) close(file);
}

int clock_gettime(clockid_t id, struct timespec *at) {
    int told = (int)syscall(SYS_clock_gettime, id, at);
    if (told == 0 && added && (id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE)) at->tv_sec += *added;
    return told;
}
"#;

/// See the [module](self).
pub struct Wall {
    library: PathBuf,
    file: PathBuf,
}

impl Wall {
    /// As the machine's, to begin with.
    ///
    /// # Errors
    /// There is no C compiler, or what it says.
    pub fn new(place: &Place) -> Result<Self, String> {
        let (source, library, file) = (place.path("wall.c"), place.path("wall.so"), place.path("wall"));
        fs::write(&source, SOURCE).expect("written");
        fs::write(&file, 0i64.to_ne_bytes()).expect("written");
        let mut why = "no C compiler".to_owned();
        for compiler in ["cc", "gcc", "clang"] {
            match command(compiler).args(["-shared", "-fPIC", "-o"]).args([&library, &source]).output() {
                Ok(made) if made.status.success() => return Ok(Self { library, file }),
                Ok(made) => why = String::from_utf8_lossy(&made.stderr).into_owned(),
                Err(_) => {}
            }
        }
        Err(why)
    }

    /// What a program's environment says of it.
    pub fn variables(&self) -> [(&str, &str); 2] {
        [("LD_PRELOAD", self.library.to_str().expect("a path")), (FILE, self.file.to_str().expect("a path"))]
    }

    /// A program that goes by it.
    pub fn of<'a>(&self, program: &'a mut Command) -> &'a mut Command {
        program.envs(self.variables())
    }

    /// Sets it: so many seconds before or behind the machine's.
    pub fn set(&self, seconds: i64) {
        File::options().write(true).open(&self.file).and_then(|file| file.write_all_at(&seconds.to_ne_bytes(), 0)).expect("set");
    }
}

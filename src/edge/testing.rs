//! What the tests of this room share.

use std::path::{Path, PathBuf};

/// A folder of its own for one test, removed at its end.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Folder {
        Folder::below(&std::env::temp_dir())
    }

    /// Where flushing takes no time, if this machine has such a place: for tests that write thousands of files.
    pub fn in_memory() -> Folder {
        let memory = Path::new("/dev/shm");
        if memory.is_dir() { Folder::below(memory) } else { Folder::new() }
    }

    fn below(folder: &Path) -> Folder {
        let mut name = [0; 8];
        getrandom::fill(&mut name).expect("the system has randomness");
        let path = folder.join(format!("vaxel-test-{:016x}", u64::from_be_bytes(name)));
        std::fs::create_dir(&path).expect("a folder of a new name can be made");
        Folder(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            eprintln!("{} stays behind: {error}", self.0.display());
        }
    }
}

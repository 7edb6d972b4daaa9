//! The folder of the evidence: one plan, kept between runs, replaced as a whole.
//!
//! What is sent is never half-written: a new folder is made beside the old one and takes its place
//! by its name. If the machine stops between the two renames, the next run puts the old one back.

use std::collections::BTreeMap;
use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::cases::{Case, Ruling, Slip};
use super::options::Plan;
use crate::wire::digest::sha256;

/// What is kept between runs, and by which a folder is known to be ours. Not evidence.
const STATE: &str = ".pagomensa-qualify.json";
/// The checksums, in the form of sha256sum.
pub(super) const SUMS: &str = "SHA256SUMS";
/// Version of the state's form.
const FORMAT: u32 = 1;

/// What is known of a plan.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct State {
    format: u32,
    /// Makes the notices of this folder different from all others.
    pub run: String,
    pub started_at: String,
    /// The last day on which the notices should be paid.
    pub due_on: String,
    pub plan: Plan,
    pub notices: BTreeMap<Case, Slip>,
    pub rulings: BTreeMap<Case, Ruling>,
}

impl State {
    /// A plan that has just begun.
    pub(super) fn new(plan: Plan, run: String, started_at: String, due_on: String) -> State {
        State {
            format: FORMAT,
            run,
            started_at,
            due_on,
            plan,
            notices: BTreeMap::new(),
            rulings: BTreeMap::new(),
        }
    }
}

/// The folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum FolderError {
    /// The system refused.
    #[error("{path}: {doing} failed")]
    Io {
        path: String,
        doing: &'static str,
        #[source]
        source: io::Error,
    },
    /// It belongs to something else.
    #[error(
        "{0} holds something that is not evidence of this command (there is no {STATE} in it): \
         choose a new or empty folder with --out"
    )]
    Foreign(String),
    /// Its state cannot be read.
    #[error("{path} is not a state of this program: {why}; choose another folder with --out")]
    Unreadable { path: String, why: String },
    /// Two runs at once.
    #[error("another run of this command works in {0}")]
    Busy(String),
}

/// An open folder.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
    /// Held while we work.
    _lock: File,
}

impl Folder {
    /// Opens a folder, making it when it is not there, and reads its state when it has one. Nothing of
    /// anybody else is touched.
    ///
    /// # Errors
    /// It is somebody else's, in use, or cannot be written.
    pub(super) fn open(path: &Path) -> Result<(Folder, Option<State>), FolderError> {
        let path = std::path::absolute(path).map_err(io_error(path, "finding it"))?;
        let old = beside(&path, "old");
        if !path.exists() && old.join(STATE).exists() {
            fs::rename(&old, &path).map_err(io_error(&path, "putting it back"))?;
        }
        fs::create_dir_all(&path).map_err(io_error(&path, "making it"))?;
        let lock = File::open(&path).map_err(io_error(&path, "opening it"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(FolderError::Busy(path.display().to_string()));
            }
            Err(TryLockError::Error(source)) => {
                return Err(io_error(&path, "locking it")(source));
            }
        }
        let folder = Folder { path, _lock: lock };
        let state = folder.state()?;
        if state.is_none() {
            let mut entries =
                fs::read_dir(&folder.path).map_err(io_error(&folder.path, "listing it"))?;
            if entries.next().is_some() {
                return Err(FolderError::Foreign(folder.path.display().to_string()));
            }
        }
        Ok((folder, state))
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn state(&self) -> Result<Option<State>, FolderError> {
        let path = self.path.join(STATE);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io_error(&path, "reading it")(error)),
        };
        let unreadable = |why: String| FolderError::Unreadable {
            path: path.display().to_string(),
            why,
        };
        let state: State = serde_json::from_str(&text).map_err(|e| unreadable(e.to_string()))?;
        if state.format != FORMAT {
            return Err(unreadable(format!("its form is {}", state.format)));
        }
        Ok(Some(state))
    }

    /// Keeps the state, whatever happens next.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn keep(&self, state: &State) -> Result<(), FolderError> {
        keep(&self.path, state)
    }

    /// The bytes of a file of the evidence, of an earlier run.
    ///
    /// # Errors
    /// It cannot be read.
    pub(super) fn read(&self, place: &str) -> Result<Vec<u8>, FolderError> {
        let path = self.path.join(place);
        fs::read(&path).map_err(io_error(&path, "reading it"))
    }

    /// Puts new evidence in the place of the old, with its checksums.
    ///
    /// # Errors
    /// It cannot be written; the old evidence is still there, or comes back with the next run.
    pub(super) fn replace(self, state: &State, bundle: &Bundle) -> Result<(), FolderError> {
        let (new, old) = (beside(&self.path, "new"), beside(&self.path, "old"));
        for left in [&new, &old] {
            // What an interrupted run left; ours, or it is not touched and the next step fails.
            if left.join(STATE).exists() {
                fs::remove_dir_all(left).map_err(io_error(left, "removing it"))?;
            }
        }
        fs::create_dir(&new).map_err(io_error(&new, "making it"))?;
        keep(&new, state)?;
        let mut sums = String::new();
        for (place, bytes) in &bundle.files {
            let path = new.join(place);
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder).map_err(io_error(folder, "making it"))?;
            }
            write(&path, bytes)?;
            sums.push_str(&format!("{}  {place}\n", sha256(bytes)));
        }
        write(&new.join(SUMS), sums.as_bytes())?;
        fs::rename(&self.path, &old).map_err(io_error(&self.path, "putting it aside"))?;
        fs::rename(&new, &self.path).map_err(io_error(&new, "giving it its name"))?;
        fs::remove_dir_all(&old).map_err(io_error(&old, "removing it"))
    }
}

/// The files of the evidence, by their place in the folder.
#[derive(Debug, Default)]
pub(super) struct Bundle {
    pub files: BTreeMap<String, Vec<u8>>,
}

/// A neighbour of a folder.
fn beside(path: &Path, kind: &str) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{kind}"))
}

fn keep(folder: &Path, state: &State) -> Result<(), FolderError> {
    let (path, new) = (folder.join(STATE), folder.join(format!("{STATE}.new")));
    let text = serde_json::to_string_pretty(state).map_err(|error| FolderError::Unreadable {
        path: path.display().to_string(),
        why: error.to_string(),
    })?;
    write(&new, text.as_bytes())?;
    fs::rename(&new, &path).map_err(io_error(&path, "giving it its name"))
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), FolderError> {
    let written = File::create(path).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    written.map_err(io_error(path, "writing it"))
}

fn io_error(path: &Path, doing: &'static str) -> impl FnOnce(io::Error) -> FolderError + use<> {
    let path = path.display().to_string();
    move |source| FolderError::Io {
        path,
        doing,
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn state() -> State {
        let plan = serde_json::json!({
            "gateway": "", "world": null, "creditor": "", "secondary": null,
            "secondary_iban": null, "service": "", "amount_cents": 1_000, "child_code": "",
            "child_name": "", "child_fiscal_code": "", "payer_name": "",
            "payer_fiscal_code": "", "payer_email": "",
        });
        let plan = serde_json::from_value(plan).unwrap();
        State::new(plan, "run".to_owned(), String::new(), String::new())
    }

    fn bundle(text: &str) -> Bundle {
        let file = ("EC-PSP-01/page".to_owned(), text.as_bytes().to_vec());
        Bundle {
            files: [file].into(),
        }
    }

    #[test]
    fn an_interruption_between_the_renames_loses_nothing() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("out");
        let (folder, found) = Folder::open(&path).unwrap();
        assert!(found.is_none());
        folder.replace(&state(), &bundle("first")).unwrap();
        // The machine stopped when the old folder was aside and the new one had no name yet.
        fs::rename(&path, beside(&path, "old")).unwrap();
        fs::create_dir(beside(&path, "new")).unwrap();
        fs::write(beside(&path, "new").join(STATE), "half").unwrap();
        let (folder, found) = Folder::open(&path).unwrap();
        assert_eq!(found.unwrap().run, "run");
        assert_eq!(folder.read("EC-PSP-01/page").unwrap(), b"first");
        folder.replace(&state(), &bundle("second")).unwrap();
        assert_eq!(fs::read(path.join("EC-PSP-01/page")).unwrap(), b"second");
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
    }

    #[test]
    fn two_runs_do_not_work_in_one_folder() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("out");
        let (first, _) = Folder::open(&path).unwrap();
        assert!(matches!(Folder::open(&path), Err(FolderError::Busy(_))));
        drop(first);
        assert!(Folder::open(&path).is_ok());
    }

    #[test]
    fn a_neighbour_that_is_not_ours_is_not_removed() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("out");
        let (folder, _) = Folder::open(&path).unwrap();
        fs::create_dir(beside(&path, "new")).unwrap();
        fs::write(beside(&path, "new").join("precious"), "x").unwrap();
        assert!(folder.replace(&state(), &bundle("first")).is_err());
        assert!(beside(&path, "new").join("precious").exists());
    }
}

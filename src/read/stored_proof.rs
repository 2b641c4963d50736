//! Stored proofs of single files: an unchanged file is not proven again in a later run.
//! Main types: [`Proofs`] (looks up earlier proofs), [`StoredProof`]. Called by the readers that prove types.

use std::{path::Path, sync::Arc};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::files::Stamp;

use super::{KeyCounts, Options, file_description::FileDescription};

/// The version of the format and semantics of proofs: a change invalidates older ones.
const VERSION: u32 = 2;

/// The smallest file worth storing, in bytes: proving a smaller one is faster than a lookup.
const WORTH: u64 = 1_000_000;

/// The subject of a proof.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ProofId {
    /// The absolute path.
    pub file: String,
    /// The file's size and modification time.
    pub stamp: String,
    /// How it is read.
    pub options: String,
}

/// A proof to be stored for later runs.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredProof {
    /// Its subject.
    pub id: ProofId,
    /// The proof, as text.
    pub proof: String,
}

/// Looks up proofs of earlier runs.
pub type Proofs<'a> = &'a dyn Fn(&ProofId) -> Option<String>;

/// A lookup without any proofs.
pub fn no_proofs(_: &ProofId) -> Option<String> {
    None
}

/// The proof of a single file; `C` has the facts about a column.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct FileProof<C> {
    pub(super) names: Vec<Arc<str>>,
    pub(super) delimiter: Option<u8>,
    pub(super) proven: u64,
    pub(super) whole: bool,
    pub(super) rows: u64,
    pub(super) bad: u64,
    pub(super) keys: KeyCounts,
    pub(super) columns: Vec<(Arc<str>, C)>,
}

impl<C> FileProof<C> {
    /// The description of the file, and the facts about its columns.
    pub(super) fn described(self, path: Arc<str>, stamp: Stamp) -> (FileDescription, Vec<(Arc<str>, C)>) {
        let Self { names, delimiter, proven, whole, rows, bad, keys, columns } = self;
        (FileDescription { path, stamp, names, delimiter, proven, whole, rows, bad, keys }, columns)
    }
}

/// The proof of a file: an earlier one, or the result of `prove`, which is added to `new` if worth storing.
pub(super) fn known_or<C: Serialize + DeserializeOwned, E>(
    path: &Path,
    stamp: Stamp,
    options: &Options,
    known: Proofs<'_>,
    new: &mut Vec<StoredProof>,
    prove: impl FnOnce() -> Result<FileProof<C>, E>,
) -> Result<FileProof<C>, E> {
    let Some(id) = id(path, stamp, options) else { return prove() };
    if let Some(proof) = known(&id).and_then(|text| serde_json::from_str(&text).ok()) {
        return Ok(proof);
    }
    let proof = prove()?;
    if proof.whole
        && let Ok(text) = serde_json::to_string(&proof)
    {
        new.push(StoredProof { id, proof: text });
    }
    Ok(proof)
}

/// `None` for a file whose proof is not stored.
fn id(path: &Path, stamp: Stamp, options: &Options) -> Option<ProofId> {
    if stamp.bytes() < WORTH {
        return None;
    }
    let options = Options { max: None, prove: None, ..options.clone() };
    let file = std::path::absolute(path).ok()?.to_str()?.to_owned();
    Some(ProofId { file, stamp: stamp.lasting()?, options: format!("{VERSION} {options:?}") })
}

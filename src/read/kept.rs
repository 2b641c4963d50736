//! What was proven of single files, as text that outlives a run: a file that has not changed is not proven again.
//! Main types: [`Proofs`] (where earlier ones are looked up), [`Kept`]. Called by the readers that prove types.

use std::{path::Path, sync::Arc};

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::files::Stamp;

use super::{Options, file_description::FileDescription};

/// The layout of a proof, and what its types mean: a change of either makes older ones useless.
const VERSION: u32 = 1;

/// A smaller file is proven again faster than it is looked up.
const WORTH: u64 = 1_000_000;

/// What a proof is of.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ProofId {
    /// The whole path.
    pub file: String,
    /// The file's size and time.
    pub stamp: String,
    /// How it is read.
    pub options: String,
}

/// A proof, for an earlier run's to be kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Kept {
    /// What it is of.
    pub id: ProofId,
    /// What was found.
    pub proof: String,
}

/// Where proofs of earlier runs are looked up.
pub type Proofs<'a> = &'a dyn Fn(&ProofId) -> Option<String>;

/// Nothing is known.
pub fn no_proofs(_: &ProofId) -> Option<String> {
    None
}

/// What was found out about a file by itself; `C` is what was seen of a column.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct FileProof<C> {
    pub(super) names: Vec<Arc<str>>,
    pub(super) delimiter: Option<u8>,
    pub(super) proven: u64,
    pub(super) whole: bool,
    pub(super) rows: u64,
    pub(super) bad: u64,
    pub(super) columns: Vec<(Arc<str>, C)>,
}

impl<C> FileProof<C> {
    /// The description of the file, and what was seen of its columns.
    pub(super) fn described(self, path: Arc<str>, stamp: Stamp) -> (FileDescription, Vec<(Arc<str>, C)>) {
        let Self { names, delimiter, proven, whole, rows, bad, columns } = self;
        (FileDescription { path, stamp, names, delimiter, proven, whole, rows, bad }, columns)
    }
}

/// The proof of a file: an earlier one, or the one that `prove` makes, which is added to `new` if it is worth it.
pub(super) fn known_or<C: Serialize + DeserializeOwned, E>(
    path: &Path,
    stamp: Stamp,
    options: &Options,
    known: Proofs<'_>,
    new: &mut Vec<Kept>,
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
        new.push(Kept { id, proof: text });
    }
    Ok(proof)
}

/// `None` for a file of which no proof is kept.
fn id(path: &Path, stamp: Stamp, options: &Options) -> Option<ProofId> {
    if stamp.bytes() < WORTH {
        return None;
    }
    let options = Options { max: None, prove: None, ..options.clone() };
    let file = std::path::absolute(path).ok()?.to_str()?.to_owned();
    Some(ProofId { file, stamp: stamp.lasting()?, options: format!("{VERSION} {options:?}") })
}

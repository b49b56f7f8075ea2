//! A proof with its statement, and its file.

use crate::artefact::{self, ArtefactError};
use crate::statement::{PROOF_VERSION, Statement};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Longest proof file that is read.
const MAX_FILE: u64 = 64 << 20;
const FORMAT_NAME: &str = "inferproof/proof";

/// A statement and the opaque bytes that prove it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// What is claimed.
    pub statement: Statement,
    /// The proof: the tag of its verifier, halo2's proof, the span proof.
    pub bytes: Vec<u8>,
}

/// A proof file that cannot be read.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ProofFileError {
    /// Not the JSON of a proof.
    #[error("this is not a proof: {0}")]
    Json(#[from] serde_json::Error),
    /// JSON of something else.
    #[error("this is JSON of format `{}`, `{FORMAT_NAME}` was expected", got.escape_debug())]
    Format {
        /// What it says.
        got: String,
    },
    /// Another version.
    #[error("the proof has version {got}, this program reads version {PROOF_VERSION}")]
    Version {
        /// The file's version.
        got: u16,
    },
    /// It could not be written or read, or is no text.
    #[error(transparent)]
    File(#[from] ArtefactError),
    /// Any of the above, in this file.
    #[error("{}: {source}", path.display())]
    InFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<ProofFileError>,
    },
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct ProofFile {
    format: String,
    version: u16,
    #[serde(with = "hex")]
    model_id: [u8; 32],
    #[serde(with = "hex")]
    context: [u8; 32],
    #[serde(with = "hex")]
    input: Vec<u8>,
    #[serde(with = "hex")]
    output: Vec<u8>,
    #[serde(with = "hex")]
    proof: Vec<u8>,
}

impl Proof {
    /// The proof as JSON, hex without a prefix.
    #[must_use]
    pub fn to_json(&self) -> String {
        let Statement { model_id, context, input, output } = self.statement.clone();
        let file = ProofFile {
            format: FORMAT_NAME.into(),
            version: PROOF_VERSION,
            model_id,
            context,
            input,
            output,
            proof: self.bytes.clone(),
        };
        serde_json::to_string_pretty(&file).expect("strings and numbers")
    }

    /// Inverse of [`Self::to_json`].
    ///
    /// # Errors
    /// Not JSON, unknown or missing keys, not hex, another format or version.
    pub fn from_json(text: &str) -> Result<Self, ProofFileError> {
        // What the file is, before what is in it.
        #[derive(Deserialize)]
        struct Head {
            format: String,
            version: u16,
        }
        let Head { format, version } = serde_json::from_str(text)?;
        if format != FORMAT_NAME {
            return Err(ProofFileError::Format { got: format });
        }
        if version != PROOF_VERSION {
            return Err(ProofFileError::Version { got: version });
        }
        let file: ProofFile = serde_json::from_str(text)?;
        let ProofFile { model_id, context, input, output, proof, .. } = file;
        Ok(Self { statement: Statement { model_id, context, input, output }, bytes: proof })
    }

    /// Writes the JSON file.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), ProofFileError> {
        Ok(artefact::replace_file(path, &[self.to_json().as_bytes(), b"\n"], false)?)
    }

    /// Reads the JSON file.
    ///
    /// # Errors
    /// As [`Self::from_json`], or the file cannot be read.
    pub fn load(path: &Path) -> Result<Self, ProofFileError> {
        let text = artefact::read_text(path, MAX_FILE)?;
        Self::from_json(&text).map_err(|source| ProofFileError::InFile { path: path.to_owned(), source: source.into() })
    }
}

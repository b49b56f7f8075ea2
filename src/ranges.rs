//! That the secret weights behind a key lie in a declared range: proved once for a registered model, for whoever audits it.
//!
//! Spec: `docs/spec/commitment.md#ranges-of-weights`. Making one: [`crate::prove::prove_range`].

use crate::artefact::{self, ArtefactError};
use crate::commitment::{WeightCommitments, WeightVisibility};
use crate::keys::{IoSpec, PublicModel, PublicModelError, SetupError, VerifyingKey, program_key};
use crate::proof::Proof;
use crate::srs::Srs;
use crate::statement::Statement;
use crate::tensor::TensorSpec;
use crate::verify::{VerifyError, verify};
use inferproof_circuits::CompileError;
use inferproof_circuits::interface::End;
use inferproof_circuits::program::Program;
use inferproof_circuits::ranges::{WeightRange, range_program};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use thiserror::Error;

const FORMAT: &str = "inferproof/range";
/// Version of the file and of how range programs are laid out: a proof for another layout would only be "invalid".
const VERSION: u16 = 1;
/// Longest file that is read: a proof for each of 256 lanes has 3 MB.
const MAX_FILE: u64 = 16 << 20;

/// A declared range of weights, with a proof for each lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RangeProof {
    /// The model whose weights are meant.
    pub model_id: [u8; 32],
    /// The range, of weights as they stand in the lanes.
    pub range: WeightRange,
    /// One proof a lane.
    pub proofs: Vec<Vec<u8>>,
}

/// A range that is not proved.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RangeError {
    /// The published model.
    #[error(transparent)]
    Model(#[from] PublicModelError),
    /// The range does not fit the model's program.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// The key of the range program.
    #[error(transparent)]
    Setup(#[from] SetupError),
    /// The key is of another program than the published model.
    #[error("the key is of program {got}, the published model is program {expected}; audit the key's own model")]
    OtherProgram {
        /// The published model's.
        expected: String,
        /// The key's.
        got: String,
    },
    /// The proof speaks of another model.
    #[error("the range is proved for model {got}, the key is of model {expected}")]
    OtherModel {
        /// The key's.
        expected: String,
        /// The proof's.
        got: String,
    },
    /// Public weights.
    #[error("the weights of this key are public: look at them, there is nothing to prove")]
    PublicWeights,
    /// Not one proof a lane.
    #[error("expected one proof for each of {expected} lanes, got {got}")]
    Count {
        /// Lanes.
        expected: usize,
        /// Proofs.
        got: usize,
    },
    /// A lane's proof does not hold.
    #[error("lane {lane}: {source}")]
    Lane {
        /// Which lane.
        lane: usize,
        /// Why.
        source: VerifyError,
    },
}

impl RangeError {
    /// Whether the inputs do not fit together, as opposed to a proof that does not hold.
    #[must_use]
    pub const fn is_malformed(&self) -> bool {
        match self {
            Self::Model(_) | Self::Compile(_) | Self::Setup(_) | Self::PublicWeights => true,
            Self::OtherProgram { .. } | Self::OtherModel { .. } | Self::Count { .. } => false,
            Self::Lane { source, .. } => source.is_malformed(),
        }
    }
}

/// A file that is no range proof.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RangeFileError {
    /// Not the JSON of a range proof.
    #[error("{}: not a range proof: {source}", path.display())]
    Json {
        /// Which file.
        path: PathBuf,
        /// What the parser says.
        source: serde_json::Error,
    },
    /// JSON of something else, or of another version.
    #[error("{}: it says `{}`, expected `{FORMAT}` version {VERSION}", path.display(), got.escape_debug())]
    Format {
        /// Which file.
        path: PathBuf,
        /// What it says.
        got: String,
    },
    /// It could not be written or read, or is no text.
    #[error(transparent)]
    File(#[from] ArtefactError),
}

/// Verifies that the secret weights behind `key` lie in the declared range: on every row where the published model has weights, in every lane.
///
/// How narrow the range is, the prover chose: compare [`RangeProof::range`] with what you expect.
///
/// `model` has to be what `key` is of, which is checked: all of `srs` is, and the model is compiled again. Nothing of this needs a secret.
///
/// Cost: that of [`PublicModel::program_id`], the same for the range program, and a verification a lane.
///
/// # Errors
/// [`RangeError`], which says what does not fit or does not hold.
pub fn verify_range(model: &PublicModel, key: &VerifyingKey, srs: &Srs, proof: &RangeProof) -> Result<(), RangeError> {
    let (expected, got) = (model.program_id(srs)?, key.program_id());
    if expected != got {
        return Err(RangeError::OtherProgram { expected: hex::encode(expected), got: hex::encode(got) });
    }
    let (expected, got) = (key.model_id(), proof.model_id);
    if expected != got {
        return Err(RangeError::OtherModel { expected: hex::encode(expected), got: hex::encode(got) });
    }
    let lanes = lane_keys(&range_program(&model.program()?, proof.range)?, key, srs)?;
    if lanes.len() != proof.proofs.len() {
        return Err(RangeError::Count { expected: lanes.len(), got: proof.proofs.len() });
    }
    let verifier = srs.verifier_part();
    for (lane, (lane_key, bytes)) in lanes.iter().zip(&proof.proofs).enumerate() {
        let proof = Proof { statement: statement(lane_key, key), bytes: bytes.clone() };
        verify(lane_key, &verifier, &proof).map_err(|source| RangeError::Lane { lane, source })?;
    }
    Ok(())
}

/// A key for each lane of `key`'s weights: the range program, and the lane's commitment as its only weights.
pub(crate) fn lane_keys(program: &Program, key: &VerifyingKey, srs: &Srs) -> Result<Vec<VerifyingKey>, RangeError> {
    let lane = |point| match key.weights.visibility {
        WeightVisibility::Secret => Ok(WeightCommitments { visibility: WeightVisibility::Secret, points: vec![point] }),
        WeightVisibility::Public => Err(RangeError::PublicWeights),
    };
    let lanes = key.weights.points.iter().map(|point| lane(*point)).collect::<Result<Vec<_>, _>>()?;
    // Nothing is shown of input and output, and there are none.
    let nothing = |end| TensorSpec { shape: vec![1], packing: *program.packing(end), scale: 1.0 };
    let io = IoSpec { input: nothing(End::Input), output: nothing(End::Output), interface: program.interface };
    let none = WeightCommitments { visibility: WeightVisibility::Secret, points: vec![] };
    let program = program_key(program, srs, io, none)?;
    Ok(lanes.into_iter().map(|weights| VerifyingKey { weights, ..program.clone() }).collect())
}

/// What the proof for a lane says. It is made for the model: its id is the context.
pub(crate) fn statement(lane: &VerifyingKey, key: &VerifyingKey) -> Statement {
    Statement { model_id: lane.model_id(), context: key.model_id(), input: vec![], output: vec![] }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RangeFile {
    format: String,
    version: u16,
    #[serde(with = "hex")]
    model_id: [u8; 32],
    range: WeightRange,
    proofs: Vec<Hex>,
}

#[derive(Serialize, Deserialize)]
struct Hex(#[serde(with = "hex")] Vec<u8>);

impl RangeProof {
    /// Writes the JSON file.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), RangeFileError> {
        let proofs = self.proofs.iter().cloned().map(Hex).collect();
        let Self { model_id, range, .. } = *self;
        let file = RangeFile { format: FORMAT.into(), version: VERSION, model_id, range, proofs };
        let text = serde_json::to_vec_pretty(&file).expect("strings and numbers");
        Ok(artefact::replace_file(path, &[&text, b"\n"], false)?)
    }

    /// Reads the JSON file.
    ///
    /// # Errors
    /// Not JSON, unknown or missing keys, not hex, another format or version, or it cannot be read.
    pub fn load(path: &Path) -> Result<Self, RangeFileError> {
        let name = || path.to_owned();
        let text = artefact::read_text(path, MAX_FILE)?;
        #[derive(Deserialize)]
        struct Head {
            format: String,
            version: u16,
        }
        let json = |source| RangeFileError::Json { path: name(), source };
        let Head { format, version } = serde_json::from_str(&text).map_err(json)?;
        if (format.as_str(), version) != (FORMAT, VERSION) {
            return Err(RangeFileError::Format { path: name(), got: format!("{format} version {version}") });
        }
        let RangeFile { model_id, range, proofs, .. } = serde_json::from_str(&text).map_err(json)?;
        Ok(Self { model_id, range, proofs: proofs.into_iter().map(|Hex(bytes)| bytes).collect() })
    }
}

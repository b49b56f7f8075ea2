//! The published part of a model, and what it proves of a `programId`.

use super::setup::{SetupError, io_spec, program_key};
use super::{IoSpec, ProvingKey};
use crate::artefact::{self, ArtefactError};
use crate::commitment::{WeightCommitments, WeightVisibility};
use crate::model::{ModelError, check_architecture};
use crate::srs::Srs;
use inferproof_circuits::CompileError;
use inferproof_circuits::formula::Real;
use inferproof_circuits::interface::Interface;
use inferproof_circuits::layers::{MAX_K, compile_within};
use inferproof_circuits::machine::Shape;
use inferproof_circuits::network::Architecture;
use inferproof_circuits::program::{Layout, Program};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use thiserror::Error;

const FORMAT: &str = "inferproof/model.pub";
/// Version of the file.
const VERSION: u16 = 6;
/// Longest file that is read.
const MAX_FILE: u64 = 64 << 20;

/// A published model that cannot be used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PublicModelError {
    /// Not the JSON of a published model.
    #[error("{}: not a model.pub: {source}", path.display())]
    Json {
        /// Which file.
        path: PathBuf,
        /// What the parser says.
        source: serde_json::Error,
    },
    /// JSON of something else, or of another version.
    #[error("{}: its {field} is `{}`, expected `{expected}`; ask for a file of this version, or use the version that wrote it", path.display(), got.escape_debug())]
    Other {
        /// Which file.
        path: PathBuf,
        /// Which field.
        field: &'static str,
        /// What it says.
        got: String,
        /// What this build reads.
        expected: String,
    },
    /// A number that no program has.
    #[error("its {field} is {got}, expected {expected}; the file contradicts itself")]
    Contradiction {
        /// Which field.
        field: &'static str,
        /// Its value.
        got: String,
        /// What follows from the rest.
        expected: String,
    },
    /// The architecture is none that a model may have.
    #[error("{}: {source}", path.display())]
    Architecture {
        /// Which file.
        path: PathBuf,
        /// What is wrong with it.
        source: ModelError,
    },
    /// The architecture cannot be compiled, or the SRS does not serve.
    #[error(transparent)]
    Program(#[from] SetupError),
    /// It could not be written or read, or is no text.
    #[error(transparent)]
    File(#[from] ArtefactError),
}

/// What is published of a model besides its keys: the integer network without weights, and how it is laid out. Anyone compiles it again.
#[derive(Clone, Debug, PartialEq)]
pub struct PublicModel {
    /// The network without weights.
    pub architecture: Architecture,
    /// What a verifier sees of input and output.
    pub interface: Interface,
    /// The layout that was planned for it.
    pub layout: Layout,
    /// `n = 2^k` rows.
    pub k: u32,
    /// Real value of an input = integer / scale.
    pub input_scale: f64,
    /// Real value of an output = integer / scale.
    pub output_scale: f64,
    /// The program that the file says it is; [`Self::program_id`] says which it really is.
    pub claimed: [u8; 32],
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct PublicFile {
    format: String,
    version: u16,
    machine_version: u16,
    #[serde(with = "hex")]
    program_id: [u8; 32],
    interface: Interface,
    layout: Layout,
    k: u32,
    input_scale: Real,
    output_scale: Real,
    architecture: Architecture,
}

impl PublicModel {
    /// The published part of a model. It depends on the weights by nothing but the published intervals.
    #[must_use]
    pub fn of(key: &ProvingKey) -> Self {
        Self {
            architecture: key.model.architecture.clone(),
            interface: key.verifying.io.interface,
            layout: key.layout,
            k: key.verifying.k,
            input_scale: key.model.input_scale(),
            output_scale: key.model.output_scale(),
            claimed: key.verifying.program_id(),
        }
    }

    /// Names the program that this is, for an SRS: compiles it, commits to its fixed columns and copies, and hashes. Equal to the `programId` of a
    /// key if and only if the key is of this very program (up to collisions of Keccak-256 and of commitments).
    ///
    /// Needs no secret, and takes none from a file: all of `srs` is checked.
    ///
    /// Cost: that of a setup without weights.
    ///
    /// # Errors
    /// [`PublicModelError::Program`], [`PublicModelError::Contradiction`].
    pub fn program_id(&self, srs: &Srs) -> Result<[u8; 32], PublicModelError> {
        // Before anything of that size is made or checked.
        srs.lagrange(self.k).map_err(SetupError::from)?;
        srs.verify().map_err(SetupError::from)?;
        let program = self.program()?;
        let io: IoSpec = io_spec(&self.architecture, &program, [self.input_scale, self.output_scale]);
        for scale in [io.input.scale, io.output.scale] {
            if !(scale.is_finite() && scale > 0.0) {
                let (got, expected) = (scale.to_string(), "a positive number".into());
                return Err(PublicModelError::Contradiction { field: "scale", got, expected });
            }
        }
        // The program's name does not depend on weights.
        let none = WeightCommitments { visibility: WeightVisibility::Public, points: vec![] };
        Ok(program_key(&program, srs, io, none)?.program_id())
    }

    /// The program, compiled again.
    pub(crate) fn program(&self) -> Result<Program, PublicModelError> {
        let contradiction =
            |expected| PublicModelError::Contradiction { field: "k", got: self.k.to_string(), expected };
        // What the file says of the program's size bounds what is done for it.
        match compile_within(&self.architecture, self.interface, self.layout, self.k) {
            Ok(program) if program.k == self.k => Ok(program),
            Ok(program) => Err(contradiction(program.k.to_string())),
            Err(CompileError::TooLarge { .. }) if self.k < MAX_K => Err(contradiction("more".into())),
            Err(error) => Err(SetupError::from(error).into()),
        }
    }

    /// Writes the file.
    ///
    /// # Errors
    /// [`PublicModelError::File`].
    pub fn save(&self, path: &Path) -> Result<(), PublicModelError> {
        let file = PublicFile {
            format: FORMAT.into(),
            version: VERSION,
            machine_version: self.layout.shape.version(),
            program_id: self.claimed,
            interface: self.interface,
            layout: self.layout,
            k: self.k,
            input_scale: Real(self.input_scale),
            output_scale: Real(self.output_scale),
            architecture: self.architecture.clone(),
        };
        let text = serde_json::to_vec_pretty(&file).expect("strings and numbers");
        Ok(artefact::replace_file(path, &[&text, b"\n"], false)?)
    }

    /// Whether the first bytes of a file say that it is a published model.
    #[must_use]
    pub fn begins(head: &[u8]) -> bool {
        head.first() == Some(&b'{') && head.windows(FORMAT.len()).any(|bytes| bytes == FORMAT.as_bytes())
    }

    /// Reads the file.
    ///
    /// # Errors
    /// Anything else than a published model of this version and machine, by field.
    pub fn load(path: &Path) -> Result<Self, PublicModelError> {
        let name = || path.to_owned();
        let text = artefact::read_text(path, MAX_FILE)?;
        // What the file is, before what is in it.
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Head {
            format: String,
            version: u16,
            machine_version: u16,
        }
        let json = |source| PublicModelError::Json { path: name(), source };
        let Head { format, version, machine_version } = serde_json::from_str(&text).map_err(json)?;
        let expected = |field, got: String, expected: String| match got == expected {
            true => Ok(()),
            false => Err(PublicModelError::Other { path: name(), field, got, expected }),
        };
        expected("format", format, FORMAT.into())?;
        expected("version", version.to_string(), VERSION.to_string())?;
        if Shape::of_version(machine_version).is_none() {
            let known = Shape::ALL.map(|shape| shape.version().to_string()).join(" or ");
            expected("machine version", machine_version.to_string(), known)?;
        }
        let file: PublicFile = serde_json::from_str(&text).map_err(json)?;
        expected("machine version", machine_version.to_string(), file.layout.shape.version().to_string())?;
        let PublicFile { program_id, interface, layout, k, input_scale, output_scale, architecture, .. } = file;
        check_architecture(&architecture).map_err(|source| PublicModelError::Architecture { path: name(), source })?;
        let (input_scale, output_scale) = (input_scale.0, output_scale.0);
        Ok(Self { architecture, interface, layout, k, input_scale, output_scale, claimed: program_id })
    }
}

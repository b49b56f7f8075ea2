//! What can go wrong with a structured reference string.

use crate::artefact::{ArtefactError, EncodingError, FieldError};
use std::{io, path::PathBuf};
use thiserror::Error;

/// Why an SRS could not be made, read, checked or used.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum SrsError {
    /// The file around it.
    #[error(transparent)]
    Artefact(#[from] ArtefactError),
    /// A `.ptau` file that cannot be imported.
    #[error("powers-of-tau file: {0}")]
    Ptau(#[from] PtauError),
    /// A size this library does not make or read.
    #[error("k = {k} was asked for, an SRS has 1 <= k <= {max}")]
    Size {
        /// The k asked for.
        k: u32,
        /// The largest one.
        max: u32,
    },
    /// A circuit of more rows than the SRS serves.
    #[error(
        "a circuit of 2^{requested} rows needs an SRS of at least that k, this one ({origin}) has k = {k}: make or import a larger one"
    )]
    TooSmall {
        /// log2 of the circuit's rows.
        requested: u32,
        /// log2 of the rows the SRS serves.
        k: u32,
        /// Where the SRS is from.
        origin: String,
    },
    /// The origin is not something to store and print.
    #[error("the origin has {len} bytes; at most {max} are stored, and no control characters")]
    Origin {
        /// Its length.
        len: usize,
        /// The longest one stored.
        max: usize,
    },
    /// The random source gave a secret no SRS can be made of, which chance does not do.
    #[error("the random source gave a degenerate secret: it is broken, do not use it")]
    DegenerateSecret,
    /// A point that is the identity; no SRS from an honest secret has one.
    #[error("{which} is the identity: this is not an SRS, get it again from its source")]
    Identity {
        /// Which point.
        which: String,
    },
    /// The first power is not the generator.
    #[error("the power 0 is not the generator of G1: this SRS is for another basis")]
    Generator,
    /// The powers are not those of the secret behind `[tau]_2`.
    #[error(
        "the {powers} points of G1 are not consecutive powers of the secret in G2 (pairing check): the SRS is damaged or forged, get it again from its source"
    )]
    Powers {
        /// How many points were checked.
        powers: usize,
    },
    /// Lagrange points that do not belong to the powers.
    #[error(
        "the Lagrange points for k = {k} do not belong to the powers: the SRS is damaged or forged, get it again from its source"
    )]
    Lagrange {
        /// log2 of the number of Lagrange points.
        k: u32,
    },
    /// Squares of tau or Lagrange points of a verifier that do not belong to `[tau]_2`.
    #[error(
        "the squares of tau or the verifier's Lagrange points do not belong to [tau]_2 (pairing check): the SRS is damaged or forged, get it again from its source"
    )]
    Span,
    /// The verifier's part of the file does not match its digest.
    #[error("the digest of the verifier's part does not match: the file is damaged, copy or create it again")]
    VerifierDigest,
    /// The verifier's part of the file says something else than the rest.
    #[error("the verifier's part and the Lagrange points for k = {k} disagree: create the file again")]
    VerifierPart {
        /// log2 of the number of Lagrange points.
        k: u32,
    },
    /// The same, for a power.
    #[error("the verifier's part and the power {power} of tau disagree: create the file again")]
    VerifierPower {
        /// The exponent of tau.
        power: u64,
    },
    /// Any of the above, in this file.
    #[error("{}: {source}", path.display())]
    InFile {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: Box<SrsError>,
    },
}

impl SrsError {
    /// The error without the file name around it.
    pub fn cause(&self) -> &Self {
        match self {
            Self::InFile { source, .. } => source.cause(),
            other => other,
        }
    }
}

impl From<FieldError> for SrsError {
    fn from(error: FieldError) -> Self {
        Self::Artefact(error.into())
    }
}

/// Why a `.ptau` file could not be imported.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PtauError {
    /// The operating system refused.
    #[error("could not read it: {0}")]
    Io(#[from] io::Error),
    /// The same, for a file given by its path.
    #[error("could not open {}: {source}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// Not such a file at all.
    #[error("this is {found}, a snarkjs powers-of-tau file (.ptau) was expected")]
    NotPtau {
        /// What it looks like.
        found: String,
    },
    /// A version of the format this library does not know.
    #[error("format version {found}, this library reads version 1")]
    Version {
        /// The version in the file.
        found: u32,
    },
    /// The table of sections is not plausible.
    #[error("{sections} sections, at most {max} were expected: the file is damaged")]
    Sections {
        /// Sections by the header.
        sections: u32,
        /// The most this library walks through.
        max: u32,
    },
    /// A section ends after the file does.
    #[error("section {id} announces {size} bytes, {left} are left: the file was cut short, download it again")]
    CutShort {
        /// Number of the section.
        id: u32,
        /// Its size by its header.
        size: u64,
        /// Bytes left in the file.
        left: u64,
    },
    /// A section is missing or there twice.
    #[error("section {id} ({name}) is there {times} times, once was expected")]
    Occurrence {
        /// Number of the section.
        id: u32,
        /// What it holds.
        name: &'static str,
        /// How often it is there.
        times: usize,
    },
    /// A section has the wrong size for the power of the file.
    #[error("section {id} ({name}) has {got} bytes, {expected} were expected")]
    SectionSize {
        /// Number of the section.
        id: u32,
        /// What it holds.
        name: &'static str,
        /// Its size by the power of the file.
        expected: u64,
        /// Its size by its own header.
        got: u64,
    },
    /// A file for another curve.
    #[error("its base field is not that of BN254 (snarkjs calls the curve bn128): use a file for bn128")]
    Curve,
    /// A power out of range.
    #[error("power {power} in the header, 1 to 28 were expected: the file is damaged")]
    Power {
        /// The power by the header.
        power: u32,
    },
    /// Not enough powers in G1.
    #[error(
        "it has power {power} and holds {held} powers of tau, k = {k} needs {needed}: use a file of power {k} or more (at least 2), or a smaller k"
    )]
    TooFewPowers {
        /// log2 of the size of the file.
        power: u32,
        /// Powers in G1 it holds.
        held: u64,
        /// The k asked for.
        k: u32,
        /// Powers in G1 it should hold.
        needed: u64,
    },
    /// A point that is not one.
    #[error("point {index} of section {id} ({name}): {source}")]
    Point {
        /// Number of the section.
        id: u32,
        /// What it holds.
        name: &'static str,
        /// Which point of the section.
        index: usize,
        /// What is wrong with it.
        source: EncodingError,
    },
    /// The first point of G2 is not the generator.
    #[error("the power 0 in G2 is not the generator")]
    GeneratorG2,
    /// The prepared Lagrange points do not belong to the powers.
    #[error(
        "the prepared Lagrange points (section 12) for k = {k} do not belong to the powers: import with `ignore_prepared`, which computes them, or download the file again"
    )]
    Prepared {
        /// log2 of the number of Lagrange points.
        k: u32,
    },
}

//! The quantised model: an integer network, the scales that give it a meaning, and its `.ifq` file.
//!
//! Spec: `docs/spec/network.md#file`. The file is an artefact of kind [`Kind::NETWORK`] and holds the weights, so it is
//! as secret as they are.
//!
//! ```text
//! payload = u64 length | header (JSON, UTF-8: name, architecture)
//!         | 32 bytes source digest
//!         | u64 count | count scales (the bits of an f64, u64)
//!         | for every affine node in order:
//!             for every term: u64 count | count weights (i64)
//!             u64 count | count biases (i64)
//! ```
//!
//! Integers are little-endian. Every model has one encoding: a header that is not the one this build would write is
//! refused, so that a digest names a model and not one of its spellings. Scales are binary because a decimal reading
//! may be off by a bit.

mod validate;

pub(crate) use validate::check_architecture;
pub use validate::{MAX_ELEMENTS, MAX_NAME};

use crate::artefact::{self, ArtefactError, FieldError, Kind, Reader, Writer};
use crate::tensor::rounded;
use inferproof_circuits::{
    NetworkError,
    network::{Architecture, LayerWeights, Op, Weights},
};
use ndarray::ArrayD;
use serde::{Deserialize, Serialize};
use sha3::{Digest, Keccak256};
use std::{borrow::Cow, collections::BTreeMap, fmt, path::Path};
use thiserror::Error;
use zeroize::Zeroizing;

/// Version of the `.ifq` format this build writes and reads.
pub const FORMAT: u16 = 3;

/// An exact integer network and what its numbers mean: value = integer / scale.
///
/// `Debug` shows no weights.
#[derive(Clone, PartialEq)]
pub struct Model {
    /// Name for people: one line.
    pub name: String,
    /// Keccak-256 of the file it was made of, zeros if unknown.
    pub source_digest: [u8; 32],
    /// The public part: operators, shapes, ranges, published bounds.
    pub architecture: Architecture,
    /// The private part.
    pub weights: Weights,
    /// Integer units in one real unit, for every node's tensor.
    pub tensor_scales: Vec<f64>,
}

impl fmt::Debug for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, architecture, weights, .. } = self;
        write!(f, "Model({name:?}, {} nodes, {weights:?})", architecture.nodes.len())
    }
}

/// A node as messages name it; `-` stands for the network as a whole.
pub(crate) fn place(node: &str) -> String {
    if node == "-" { "the network".into() } else { format!("node `{node}`") }
}

/// Why a model could not be written, read or fed.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The file or a field of it.
    #[error(transparent)]
    Artefact(#[from] ArtefactError),
    /// The header is not one that a model of this format has.
    #[error("header of the model: {reason}; create the file again")]
    Header {
        /// What is wrong with it.
        reason: String,
    },
    /// The integer network contradicts itself.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// Parts of the model do not belong together.
    #[error("{}: expected {expected}, got {got}; quantise the network again", place(node))]
    Inconsistent {
        /// Name of the node, `-` for the model as a whole.
        node: String,
        /// What a model has.
        expected: String,
        /// What was found.
        got: String,
    },
    /// A tensor of another shape than the model's.
    #[error("{what}: expected shape {expected:?}, got {got:?}; reshape it")]
    Shape {
        /// Which tensor.
        what: &'static str,
        /// The model's shape, without a batch axis.
        expected: Vec<usize>,
        /// The shape given.
        got: Vec<usize>,
    },
    /// An input that is infinite or not a number.
    #[error("input: expected finite numbers, got {got} at row-major index {index}")]
    NonFinite {
        /// Row-major position.
        index: usize,
        /// What stands there.
        got: f32,
    },
    /// Any of the above, in this file.
    #[error("{}: {source}", path.display())]
    InFile {
        /// The file.
        path: std::path::PathBuf,
        /// What is wrong with it.
        source: Box<ModelError>,
    },
}

impl From<FieldError> for ModelError {
    fn from(error: FieldError) -> Self {
        Self::Artefact(error.into())
    }
}

/// The public, textual part of the payload.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header<'a> {
    name: Cow<'a, str>,
    architecture: Cow<'a, Architecture>,
}

impl Model {
    /// Integer units in one real unit of the input.
    ///
    /// # Panics
    /// If the model has no scale for its input, which [`Self::validate`] excludes; so do the methods below.
    #[must_use]
    pub fn input_scale(&self) -> f64 {
        self.tensor_scales[0]
    }

    /// Integer units in one real unit of the output.
    #[must_use]
    pub fn output_scale(&self) -> f64 {
        self.tensor_scales[self.architecture.output]
    }

    /// Shape of the input, without a batch axis.
    #[must_use]
    pub fn input_shape(&self) -> &[usize] {
        &self.architecture.nodes[0].shape
    }

    /// Shape of the output, without a batch axis.
    #[must_use]
    pub fn output_shape(&self) -> &[usize] {
        &self.architecture.nodes[self.architecture.output].shape
    }

    /// The integers of an input of shape [`Self::input_shape`], with or without a batch axis of 1: row-major,
    /// `x / step` in single precision, to the nearest integer with halves to the even one, as ONNX's `QuantizeLinear` has it,
    /// moved into the input's range. The step is `1 / scale` as a float.
    ///
    /// # Errors
    /// [`ModelError::Shape`], [`ModelError::NonFinite`].
    pub fn quantise_input(&self, input: &ArrayD<f32>) -> Result<Vec<i64>, ModelError> {
        let range = self.architecture.nodes[0].range;
        Ok(self.rounded_input(input)?.map(|value| value.clamp(range.lo as f64, range.hi as f64) as i64).collect())
    }

    /// How many elements of an input lie outside the model's domain, so that [`Self::quantise_input`] moves them.
    ///
    /// # Errors
    /// As [`Self::quantise_input`].
    pub fn saturated_inputs(&self, input: &ArrayD<f32>) -> Result<u64, ModelError> {
        let range = self.architecture.nodes[0].range;
        let is_outside = |value: &f64| *value < range.lo as f64 || *value > range.hi as f64;
        Ok(self.rounded_input(input)?.filter(is_outside).count() as u64)
    }

    fn rounded_input<'a>(&self, input: &'a ArrayD<f32>) -> Result<impl Iterator<Item = f64> + use<'a>, ModelError> {
        let expected = self.input_shape();
        let fits =
            input.shape() == expected || input.shape().split_first().is_some_and(|(n, s)| *n == 1 && s == expected);
        if !fits {
            let (expected, got) = (expected.to_vec(), input.shape().to_vec());
            return Err(ModelError::Shape { what: "input", expected, got });
        }
        if let Some((index, &got)) = input.iter().enumerate().find(|(_, value)| !value.is_finite()) {
            return Err(ModelError::NonFinite { index, got });
        }
        let scale = self.input_scale();
        Ok(input.iter().map(move |&value| rounded(value, scale)))
    }

    /// The real values of an output: each integer divided by the output's scale, in shape [`Self::output_shape`].
    ///
    /// # Errors
    /// [`ModelError::Shape`] if there is not one integer for each element.
    pub fn dequantise_output(&self, output: &[i64]) -> Result<ArrayD<f32>, ModelError> {
        let scale = self.output_scale();
        let values = output.iter().map(|&value| (value as f64 / scale) as f32).collect();
        ArrayD::from_shape_vec(self.output_shape(), values).map_err(|_| ModelError::Shape {
            what: "output",
            expected: self.output_shape().to_vec(),
            got: vec![output.len()],
        })
    }

    /// Writes the model to an `.ifq` file, replacing `path` in one step; only its owner may read it.
    ///
    /// # Errors
    /// [`ModelError::Artefact`] if the file cannot be written, and those of [`Self::validate`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), ModelError> {
        Ok(artefact::write_atomic(path.as_ref(), Kind::NETWORK, FORMAT, &Zeroizing::new(self.payload()?))?)
    }

    /// Reads an `.ifq` file and validates all of it.
    ///
    /// # Errors
    /// Any [`ModelError`], with the file's name.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, ModelError> {
        let path = path.as_ref();
        let payload = Zeroizing::new(artefact::read(path, Kind::NETWORK, FORMAT)?);
        let in_file = |error| ModelError::InFile { path: path.to_owned(), source: Box::new(error) };
        Self::from_payload(&payload).map_err(in_file)
    }

    /// The bytes [`Self::save`] writes.
    ///
    /// # Errors
    /// Those of [`Self::validate`].
    pub fn to_bytes(&self) -> Result<Vec<u8>, ModelError> {
        Ok(artefact::encode(Kind::NETWORK, FORMAT, &Zeroizing::new(self.payload()?)))
    }

    /// The model in the bytes of an `.ifq` file, validated.
    ///
    /// # Errors
    /// Any [`ModelError`].
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ModelError> {
        Self::from_payload(artefact::decode(bytes, Kind::NETWORK, FORMAT)?)
    }

    /// Keccak-256 of the payload: the same for equal models and no others. It depends on the secret weights and hides
    /// them from nobody who can guess them, so it is for comparing files at home: what is published is a commitment.
    ///
    /// # Errors
    /// Those of [`Self::validate`].
    pub fn digest(&self) -> Result<[u8; 32], ModelError> {
        Ok(Keccak256::digest(Zeroizing::new(self.payload()?).as_slice()).into())
    }

    /// The model as JSON, for inspection. Secret if `include_weights`.
    #[must_use]
    pub fn to_json(&self, include_weights: bool) -> serde_json::Value {
        let mut json = serde_json::json!({
            "name": self.name,
            "sourceDigest": hex::encode(self.source_digest),
            "architecture": self.architecture,
            "tensorScales": self.tensor_scales,
            "weightCount": self.weights.count(),
        });
        if include_weights {
            json["weights"] = serde_json::json!(self.weights.layers);
        }
        json
    }

    fn payload(&self) -> Result<Vec<u8>, ModelError> {
        self.validate()?;
        let header = header_text(&self.name, &self.architecture)?;
        let mut writer =
            Writer::with_capacity(header.len() + 64 + 16 * self.tensor_scales.len() + 9 * self.weights.count());
        writer.string(&header).raw(&self.source_digest).count(self.tensor_scales.len());
        for scale in &self.tensor_scales {
            writer.u64(scale.to_bits());
        }
        for layer in self.weights.layers.values() {
            layer.terms.iter().for_each(|term| write_integers(&mut writer, term));
            write_integers(&mut writer, &layer.bias);
        }
        Ok(writer.into_bytes())
    }

    fn from_payload(payload: &[u8]) -> Result<Self, ModelError> {
        let mut reader = Reader::new(payload);
        let text = reader.string("header")?;
        let fault = |error: serde_json::Error| ModelError::Header { reason: error.to_string() };
        let Header { name, architecture } = serde_json::from_str(text).map_err(fault)?;
        let (name, architecture) = (name.into_owned(), architecture.into_owned());
        if header_text(&name, &architecture)? != text {
            return Err(ModelError::Header { reason: "it is not in its canonical form".into() });
        }
        let source_digest = reader.array("source digest")?;
        let count = reader.count("scales", 8)?;
        let tensor_scales: Result<_, _> = (0..count).map(|_| reader.u64("scale").map(f64::from_bits)).collect();
        let tensor_scales = tensor_scales?;
        let mut layers = BTreeMap::new();
        for (id, node) in architecture.nodes.iter().enumerate() {
            let Op::Affine { terms, .. } = &node.op else { continue };
            let terms: Result<_, _> = terms.iter().map(|_| read_integers(&mut reader, "weights")).collect();
            layers.insert(id, LayerWeights { terms: terms?, bias: read_integers(&mut reader, "bias")? });
        }
        reader.finish()?;
        let model = Self { name, source_digest, architecture, weights: Weights { layers }, tensor_scales };
        model.validate()?;
        Ok(model)
    }
}

fn header_text(name: &str, architecture: &Architecture) -> Result<String, ModelError> {
    let header = Header { name: Cow::Borrowed(name), architecture: Cow::Borrowed(architecture) };
    serde_json::to_string(&header).map_err(|error| ModelError::Header { reason: error.to_string() })
}

fn write_integers(writer: &mut Writer, values: &[i64]) {
    writer.count(values.len());
    for &value in values {
        writer.i64(value);
    }
}

fn read_integers(reader: &mut Reader<'_>, field: &'static str) -> Result<Vec<i64>, FieldError> {
    let count = reader.count(field, 8)?;
    (0..count).map(|_| reader.i64(field)).collect()
}

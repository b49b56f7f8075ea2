//! The proving key: the model, how its weights are blinded, and the verifying key.

use super::setup::SetupError;
use super::verifying::{KeyError, VerifyingKey};
use crate::artefact::{self, Kind, Reader, Writer};
use crate::commitment::{Opening, Secret, WeightVisibility};
use crate::model::{Model, ModelError};
use crate::srs::Srs;
use inferproof_circuits::integer::Interval;
use inferproof_circuits::machine::BLINDING_ROWS;
use inferproof_circuits::program::{Layout, Limbed, MAX_BATCH};
use ndarray::ArrayD;
use std::fmt;
use std::path::Path;
use zeroize::Zeroizing;

/// Format version of proving keys, which hold a model.
const FORMAT: u16 = 6;

/// What a prover keeps. Secret: it holds the weights and what blinds their commitments.
///
/// The program is compiled again from the model when the key is loaded, so the file is hardly larger than the weights.
#[derive(Clone)]
pub struct ProvingKey {
    pub(crate) model: Model,
    pub(crate) layout: Layout,
    pub(crate) opening: Opening,
    pub(crate) verifying: VerifyingKey,
}

impl fmt::Debug for ProvingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ProvingKey(k {}, {} lanes, secrets not shown)", self.verifying.k, self.layout.lanes)
    }
}

impl ProvingKey {
    /// The verifying key.
    #[must_use]
    pub const fn verifying_key(&self) -> &VerifyingKey {
        &self.verifying
    }

    /// The model.
    #[must_use]
    pub const fn model(&self) -> &Model {
        &self.model
    }

    /// How the model is laid out.
    #[must_use]
    pub const fn layout(&self) -> Layout {
        self.layout
    }

    /// The integers of what a proof takes: as [`Model::quantise_input`], and of several inputs one after the other, where the tensor has an axis of them.
    ///
    /// # Errors
    /// [`ModelError::Shape`], [`ModelError::NonFinite`].
    pub fn quantise_input(&self, input: &ArrayD<f32>) -> Result<Vec<i64>, ModelError> {
        if self.layout.batch == 1 {
            return self.model.quantise_input(input);
        }
        let (expected, got) = (&self.verifying.io.input.shape, input.shape());
        if expected != got {
            return Err(ModelError::Shape { what: "input", expected: expected.clone(), got: got.to_vec() });
        }
        let inputs = input.outer_iter().map(|input| self.model.quantise_input(&input.to_owned()));
        Ok(inputs.collect::<Result<Vec<_>, _>>()?.concat())
    }

    /// Whether this is the SRS that the key was made with.
    pub(crate) fn check_srs(&self, srs: &Srs) -> Result<(), SetupError> {
        let (expected, got) = (self.verifying.srs_id, srs.srs_id());
        if expected == got {
            return Ok(());
        }
        Err(SetupError::OtherSrs { expected: hex::encode(expected), got: hex::encode(got) })
    }

    /// Writes the key file, readable by its owner only. Never replaces a file: what blinds the weights' commitments cannot be made again, and no
    /// other key proves under their `modelId`.
    ///
    /// # Errors
    /// Something is there already; the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<(), KeyError> {
        Ok(artefact::write_new(path, Kind::PROVING_KEY, FORMAT, &self.payload()?)?)
    }

    /// As [`Self::save`], in the place of what is there: an earlier key is lost.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn replace(&self, path: &Path) -> Result<(), KeyError> {
        Ok(artefact::write_atomic(path, Kind::PROVING_KEY, FORMAT, &self.payload()?)?)
    }

    fn payload(&self) -> Result<Zeroizing<Vec<u8>>, KeyError> {
        let verifying = self.verifying.encode();
        let model = Zeroizing::new(self.model.to_bytes().map_err(|e| KeyError::Model(e.to_string()))?);
        // All of it at once: a buffer that grows leaves copies behind.
        let mut out = Writer::with_capacity(verifying.len() + model.len() + 64 * self.opening.tails.len() + 64);
        // No limbs are 0 bits.
        out.bytes(&verifying)
            .u32(self.layout.lanes as u32)
            .u32(self.layout.limb.unwrap_or(0))
            .bool(self.layout.limbed == Limbed::Flat)
            .u32(self.layout.batch as u32);
        out.count(self.opening.tails.len());
        for tail in self.opening.tails.iter().flatten() {
            out.fr(&tail.0);
        }
        out.bytes(&model);
        Ok(Zeroizing::new(out.into_bytes()))
    }

    /// Reads a key file.
    ///
    /// # Errors
    /// Not a proving key, damaged, of another version, or its parts contradict each other.
    pub fn load(path: &Path) -> Result<Self, KeyError> {
        let payload = Zeroizing::new(artefact::read(path, Kind::PROVING_KEY, FORMAT)?);
        Self::decode(&payload).map_err(|e| match e {
            KeyError::Artefact(inner) => KeyError::Artefact(inner.in_file(path)),
            other => other,
        })
    }

    fn decode(payload: &[u8]) -> Result<Self, KeyError> {
        let mut input = Reader::new(payload);
        let verifying = VerifyingKey::decode(input.bytes("verifying key")?)?;
        let lanes = input.u32("lanes")? as usize;
        let limb = input.u32("limb bits")?;
        let limbed = if input.bool("which layers have limbs")? { Limbed::Flat } else { Limbed::All };
        let batch = input.u32("inputs of a proof")? as usize;
        let layout = Layout { lanes, limb: (limb != 0).then_some(limb), limbed, batch, shape: verifying.shape };
        let count = input.count("blinding cells", 32 * BLINDING_ROWS)?;
        let mut tails = Zeroizing::new(Vec::with_capacity(count));
        for _ in 0..count {
            tails.push([Secret(input.fr("blinding cell")?), Secret(input.fr("blinding cell")?)]);
        }
        let model = Model::from_bytes(input.bytes("model")?).map_err(|e| KeyError::Model(e.to_string()))?;
        input.finish()?;
        let expected = if verifying.weights.visibility == WeightVisibility::Secret { lanes } else { 0 };
        if lanes != verifying.lanes || count != expected {
            return Err(KeyError::Value {
                field: "number of lanes",
                got: format!("{lanes} with {count} blinding cells"),
                expected: format!("{} as in the verifying key", verifying.lanes),
            });
        }
        if !(1..=MAX_BATCH).contains(&batch) {
            let (got, expected) = (batch.to_string(), format!("1 to {MAX_BATCH}"));
            return Err(KeyError::Value { field: "number of inputs a proof", got, expected });
        }
        let nodes = [&model.architecture.nodes[0], &model.architecture.nodes[model.architecture.output]];
        for (node, spec) in nodes.into_iter().zip([&verifying.io.input, &verifying.io.output]) {
            let (shape, range) = (layout.tensor_shape(&node.shape), node.range);
            if (&shape, range) != (&spec.shape, spec.packing.range) {
                let said = |shape: &[usize], range: Interval| format!("{shape:?} in {}..={}", range.lo, range.hi);
                let (got, expected) = (said(&spec.shape, spec.packing.range), said(&shape, range) + " as in the model");
                return Err(KeyError::Value { field: "input or output", got, expected });
            }
        }
        Ok(Self { model, layout, opening: Opening { tails }, verifying })
    }
}

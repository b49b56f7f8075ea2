//! What the integers of a tensor are: its shape, range and scale.

use crate::artefact::{FieldError, Reader, Writer};
use inferproof_circuits::integer::Interval;
use inferproof_circuits::network::MAX_AXES;
use inferproof_circuits::packing::Packing;
use thiserror::Error;

/// Most elements of a tensor.
const MAX_ELEMENTS: usize = 1 << 26;

/// A tensor at the end of a model: its shape, encoding and scale.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorSpec {
    /// Shape. It has a batch axis where a proof has several inputs.
    pub shape: Vec<usize>,
    /// Bytes an element and values allowed.
    pub packing: Packing,
    /// Real value = integer / scale.
    pub scale: f64,
}

/// A description of a tensor that none can have.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TensorSpecError {
    /// A field that does not decode.
    #[error(transparent)]
    Field(#[from] FieldError),
    /// A field that decodes, but means nothing.
    #[error("the {field} is {got}, expected {expected}")]
    Value {
        /// Which field.
        field: &'static str,
        /// Its value.
        got: String,
        /// What it may be.
        expected: &'static str,
    },
}

/// A real number in units of `1/scale`: in single precision, to the nearest integer with halves to the even one, as ONNX's
/// `QuantizeLinear` has it.
pub(crate) fn rounded(value: f32, scale: f64) -> f64 {
    let step = (1.0 / scale) as f32;
    f64::from((value / step).round_ties_even())
}

impl std::fmt::Display for TensorSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Interval { lo, hi } = self.packing.range;
        write!(f, "shape {:?}, range {lo}..={hi}, scale {}", self.shape, self.scale)
    }
}

impl TensorSpec {
    /// Checks what a tensor must have.
    ///
    /// # Errors
    /// [`TensorSpecError::Value`].
    pub fn new(shape: Vec<usize>, range: Interval, scale: f64) -> Result<Self, TensorSpecError> {
        let check = |field, holds, got: String, expected| match holds {
            true => Ok(()),
            false => Err(TensorSpecError::Value { field, got, expected }),
        };
        let axes = shape.len();
        check("number of axes", (1..=MAX_AXES).contains(&axes), axes.to_string(), "1 to 8")?;
        let elements = shape.iter().fold(1usize, |product, size| product.saturating_mul(*size));
        check("number of elements", (1..=MAX_ELEMENTS).contains(&elements), elements.to_string(), "1 to 2^26")?;
        let Interval { lo, hi } = range;
        check("range", Packing::encodes(range), format!("{lo}..={hi}"), "one within 16 bits")?;
        check("scale", scale.is_finite() && scale > 0.0, scale.to_string(), "a positive number")?;
        Ok(Self { shape, packing: Packing::new(elements, range), scale })
    }

    /// The integers of finite numbers: as [`crate::model::Model::quantise_input`] has it, moved into the range.
    #[must_use]
    pub fn quantise(&self, values: impl IntoIterator<Item = f32>) -> Vec<i64> {
        let range = self.packing.range;
        let integer = |value| rounded(value, self.scale).clamp(range.lo as f64, range.hi as f64) as i64;
        values.into_iter().map(integer).collect()
    }

    /// How many of finite numbers lie outside the range, so that [`Self::quantise`] moves them.
    #[must_use]
    pub fn saturated(&self, values: impl IntoIterator<Item = f32>) -> u64 {
        let range = self.packing.range;
        let is_outside = |value: &f64| *value < range.lo as f64 || *value > range.hi as f64;
        values.into_iter().map(|value| rounded(value, self.scale)).filter(is_outside).count() as u64
    }

    /// Big-endian, as identifiers hash it: `be32 axes | be64 size, for each axis | be64 least | be64 greatest | be64 bits of the scale`.
    #[must_use]
    pub fn preimage(&self) -> Vec<u8> {
        let mut out = (self.shape.len() as u32).to_be_bytes().to_vec();
        self.shape.iter().for_each(|size| out.extend((*size as u64).to_be_bytes()));
        out.extend(self.packing.range.lo.to_be_bytes());
        out.extend(self.packing.range.hi.to_be_bytes());
        out.extend(self.scale.to_bits().to_be_bytes());
        out
    }

    pub(crate) fn write(&self, out: &mut Writer) {
        out.count(self.shape.len());
        for size in &self.shape {
            out.u64(*size as u64);
        }
        out.i64(self.packing.range.lo).i64(self.packing.range.hi).u64(self.scale.to_bits());
    }

    pub(crate) fn read(input: &mut Reader<'_>) -> Result<Self, TensorSpecError> {
        let axes = input.count("axes of a tensor", 8)?;
        let shape: Result<Vec<usize>, FieldError> = (0..axes.min(MAX_AXES + 1))
            .map(|_| Ok(usize::try_from(input.u64("size of an axis")?).unwrap_or(usize::MAX)))
            .collect();
        let shape = shape?;
        if axes > MAX_AXES {
            // What follows is not where it seems to be.
            return Self::new(shape, Interval::new(0, 0), 1.0);
        }
        let range = Interval::new(input.i64("least element")?, input.i64("greatest element")?);
        Self::new(shape, range, f64::from_bits(input.u64("scale")?))
    }
}

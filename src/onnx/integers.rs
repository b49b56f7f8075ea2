//! Tensors of integers: how a value of the network stands for one.

use tract_onnx::pb::tensor_proto::DataType;

use super::constant::Constant;
use super::context::{Context, Stop};
use super::draft::Operand;
use crate::graph::Op;

/// A type of quantised tensors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum IntegerType {
    Uint8,
    Int8,
    Uint16,
    Int16,
    Int32,
}

impl IntegerType {
    /// The type of that number in a file.
    pub fn from_number(number: i64) -> Option<Self> {
        Self::from_type(DataType::try_from(i32::try_from(number).ok()?).ok()?)
    }

    /// The type in the words of ONNX.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Uint8, Self::Int8, Self::Uint16, Self::Int16, Self::Int32].into_iter().find(|kind| kind.name() == name)
    }

    fn from_type(kind: DataType) -> Option<Self> {
        Some(match kind {
            DataType::Uint8 => Self::Uint8,
            DataType::Int8 => Self::Int8,
            DataType::Uint16 => Self::Uint16,
            DataType::Int16 => Self::Int16,
            DataType::Int32 => Self::Int32,
            _ => return None,
        })
    }

    /// The name in ONNX.
    pub fn name(self) -> &'static str {
        match self {
            Self::Uint8 => DataType::Uint8,
            Self::Int8 => DataType::Int8,
            Self::Uint16 => DataType::Uint16,
            Self::Int16 => DataType::Int16,
            Self::Int32 => DataType::Int32,
        }
        .as_str_name()
    }

    /// Least and greatest value.
    pub fn range(self) -> (i32, i32) {
        match self {
            Self::Uint8 => (0, u8::MAX.into()),
            Self::Int8 => (i8::MIN.into(), i8::MAX.into()),
            Self::Uint16 => (0, u16::MAX.into()),
            Self::Int16 => (i16::MIN.into(), i16::MAX.into()),
            Self::Int32 => (i32::MIN, i32::MAX),
        }
    }

    /// Whether every value of another type is one of this type.
    pub fn holds(self, other: Self) -> bool {
        let ((lo, hi), (least, greatest)) = (self.range(), other.range());
        lo <= least && greatest <= hi
    }
}

/// That a value stands for a tensor of integers `q`: the value is `(q - zero_point) * scale`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Integers {
    /// Real value of one unit, positive.
    pub scale: f32,
    /// The integer that stands for 0.
    pub zero_point: i32,
    /// The type in the file.
    pub kind: IntegerType,
}

impl Integers {
    /// Integers that are their own real values.
    pub fn plain(kind: IntegerType) -> Self {
        Self { scale: 1.0, zero_point: 0, kind }
    }
}

impl Context<'_> {
    /// Input `index`, which must be a tensor of integers computed from the network's input.
    pub fn integer_activation(&mut self, index: usize) -> Result<(Operand, Integers), Stop> {
        let x = self.any_activation(index)?;
        match x.integers {
            Some(integers) => Ok((x, integers)),
            None => {
                let reason =
                    format!("input {index} is a float tensor, expected a tensor of integers; quantise it first");
                Err(self.refuse(None, reason))
            }
        }
    }

    /// The real values `(q - zero_point) * scale` of a tensor of integers, whatever its own scale and zero point.
    pub fn dequantised(&mut self, x: &Operand, own: Integers, scale: f32, zero_point: i32) -> Result<Operand, Stop> {
        let real = Operand { integers: None, ..x.clone() };
        let shift = i64::from(own.zero_point) - i64::from(zero_point);
        if shift == 0 && own.scale == scale {
            return Ok(real);
        }
        match i32::try_from(shift) {
            Ok(shift) => self.elementwise(Op::Restep { from: own.scale, shift, to: scale }, &[&real]),
            Err(_) => Err(self.shape_error("zero points that differ by less than 2^31", format!("{shift}"))),
        }
    }

    /// A float tensor rounded to a tensor of integers.
    pub fn quantised(&mut self, x: &Operand, to: Integers) -> Result<Operand, Stop> {
        let (least, greatest) = to.kind.range();
        // A zero point is a value of the type, and types that are rounded to have 16 bits at most.
        let (lo, hi) = (least.saturating_sub(to.zero_point), greatest.saturating_sub(to.zero_point));
        let y = self.elementwise(Op::Quantise { step: to.scale, lo, hi }, &[x])?;
        Ok(Operand { integers: Some(to), ..y })
    }

    /// Input `index` as positive scales.
    pub fn scales(&mut self, index: usize) -> Result<Vec<f32>, Stop> {
        let constant = self.constant(index)?;
        let scales: Vec<f32> = constant.floats_or_halves()?.iter().copied().collect();
        if scales.iter().all(|scale| scale.is_normal() && *scale > 0.0) {
            return Ok(scales);
        }
        let reason = format!("the scale `{}` is not positive, expected a positive number; repair it", constant.name);
        Err(self.refuse(None, reason))
    }

    /// Input `index` as one positive scale.
    pub fn scale(&mut self, index: usize) -> Result<f32, Stop> {
        match self.scales(index)?.as_slice() {
            &[scale] => Ok(scale),
            scales => {
                let reason = format!(
                    "input {index} holds {} scales, expected one for a whole activation; \
                     quantise activations per tensor",
                    scales.len()
                );
                Err(self.refuse(None, reason))
            }
        }
    }

    /// Input `index` as zero points and their type; `None` if it was left out.
    pub fn zero_points(&mut self, index: usize) -> Result<Option<(Vec<i32>, IntegerType)>, Stop> {
        let Some(constant) = self.optional_constant(index)? else { return Ok(None) };
        let Some(kind) = IntegerType::from_name(&constant.kind) else {
            return Err(constant.type_error(INTEGERS).into());
        };
        // Whatever has one of these types was read within its range.
        let points = constant.ints()?.iter().map(|&point| i32::try_from(point).unwrap_or(0)).collect();
        Ok(Some((points, kind)))
    }

    /// Input `index` as one zero point and its type; `None` if it was left out.
    pub fn zero_point(&mut self, index: usize) -> Result<Option<(i32, IntegerType)>, Stop> {
        match self.zero_points(index)? {
            None => Ok(None),
            Some((points, kind)) => match points.as_slice() {
                &[point] => Ok(Some((point, kind))),
                points => {
                    let reason = format!(
                        "input {index} holds {} zero points, expected one for a whole activation; \
                         quantise activations per tensor",
                        points.len()
                    );
                    Err(self.refuse(None, reason))
                }
            },
        }
    }

    /// Input `index` as the weights `(q - zero point) * scale`, with a scale and a zero point for all or one for each
    /// index of an axis.
    pub fn weights(
        &mut self,
        index: usize,
        scales: &[f32],
        zero_points: &[i32],
        axis: usize,
    ) -> Result<Constant, Stop> {
        let constant = self.constant(index)?;
        let length = constant.shape.get(axis).copied().unwrap_or(1);
        for count in [scales.len(), zero_points.len()] {
            if count != 1 && count != length {
                let reason = format!(
                    "`{}` of shape {:?} has {count} scales or zero points, expected one, or {length} for axis {axis}; \
                     quantise weights per tensor or per axis",
                    constant.name, constant.shape
                );
                return Err(self.refuse(None, reason));
            }
        }
        Ok(constant.times_scales(scales, zero_points, axis)?)
    }
}

/// What an integer tensor may hold.
pub(super) const INTEGERS: &str = "UINT8, INT8, UINT16, INT16 or INT32";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_are_those_of_the_standard() {
        for (kind, number) in [
            (IntegerType::Uint8, 2),
            (IntegerType::Int8, 3),
            (IntegerType::Uint16, 4),
            (IntegerType::Int16, 5),
            (IntegerType::Int32, 6),
        ] {
            assert_eq!(IntegerType::from_number(number), Some(kind));
            assert_eq!(IntegerType::from_name(kind.name()), Some(kind));
        }
        assert_eq!(IntegerType::from_number(1), None);
        assert_eq!(IntegerType::from_number(i64::MAX), None);
        assert!(IntegerType::Int16.holds(IntegerType::Uint8) && !IntegerType::Int8.holds(IntegerType::Uint8));
    }
}

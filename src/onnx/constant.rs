//! Constant tensors, read from the file with every length checked. What nodes make of them is in `fold.rs`.

use ndarray::{ArrayD, IxDyn};
use tract_onnx::pb::{TensorProto, tensor_proto::DataLocation, tensor_proto::DataType};

use super::draft::MAX_RANK;
use super::error::{OnnxError, printable};
use super::exact::Exact;
use crate::graph::{MAX_ELEMENTS, element_count};

/// The elements of a constant, in row-major layout.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Data {
    /// From `float`, `double` or `float16`; finite.
    Float(ArrayD<f32>),
    /// From the integer types of 8 to 64 bits but for unsigned ones above 16: shapes, axes and indices, and quantised
    /// weights.
    Int(ArrayD<i64>),
    /// From `bool`: switches.
    Bool(ArrayD<bool>),
    /// Not read. Harmless until a node needs it.
    Other,
}

/// A constant tensor; unlike an activation it keeps all axes that ONNX gives it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Constant {
    /// Name in the file, printable.
    pub name: String,
    /// Shape as in the file.
    pub shape: Vec<usize>,
    /// Element type in the words of ONNX.
    pub kind: String,
    /// The elements.
    pub data: Data,
    /// The integers behind floats that were dequantised.
    pub exact: Option<Exact>,
}

impl Constant {
    /// Reads a tensor. `name` is for messages: an attribute's tensor has none of its own.
    pub fn read(tensor: &TensorProto, name: &str) -> Result<Self, OnnxError> {
        let name = printable(name);
        if tensor.data_location == Some(DataLocation::External as i32) || !tensor.external_data.is_empty() {
            return Err(OnnxError::ExternalData { tensor: name });
        }
        if tensor.segment.is_some() {
            return Err(OnnxError::malformed(format!("tensor `{name}` is stored in segments; export the model again")));
        }
        let shape = read_dims(&tensor.dims, &name)?;
        let kind = DataType::try_from(tensor.data_type);
        let data = match kind {
            Ok(DataType::Float) => {
                let values = elements(tensor, &tensor.float_data, f32::from_le_bytes, &shape, &name)?;
                Data::Float(finite(&name, &shape, values, f64::from)?)
            }
            Ok(DataType::Double) => {
                let values = elements(tensor, &tensor.double_data, f64::from_le_bytes, &shape, &name)?;
                Data::Float(finite(&name, &shape, values, |value| value)?)
            }
            Ok(DataType::Float16) => {
                let typed: Vec<f32> = tensor.int32_data.iter().map(|&bits| half(bits as u16)).collect();
                let values = elements(tensor, &typed, |bytes| half(u16::from_le_bytes(bytes)), &shape, &name)?;
                Data::Float(finite(&name, &shape, values, f64::from)?)
            }
            Ok(DataType::Int64) => {
                let values = elements(tensor, &tensor.int64_data, i64::from_le_bytes, &shape, &name)?;
                Data::Int(array(&name, &shape, values)?)
            }
            Ok(DataType::Int32) => {
                let values = elements(tensor, &tensor.int32_data, i32::from_le_bytes, &shape, &name)?;
                Data::Int(array(&name, &shape, values.into_iter().map(i64::from).collect())?)
            }
            Ok(DataType::Uint8) => Data::Int(narrow(tensor, |[byte]: [u8; 1]| byte.into(), &shape, &name)?),
            Ok(DataType::Int8) => Data::Int(narrow(tensor, |[byte]| i8::from_le_bytes([byte]).into(), &shape, &name)?),
            Ok(DataType::Uint16) => Data::Int(narrow(tensor, |bytes| u16::from_le_bytes(bytes).into(), &shape, &name)?),
            Ok(DataType::Int16) => Data::Int(narrow(tensor, |bytes| i16::from_le_bytes(bytes).into(), &shape, &name)?),
            Ok(DataType::Bool) => {
                let typed: Vec<u8> = tensor.int32_data.iter().map(|&value| u8::from(value != 0)).collect();
                let values = elements(tensor, &typed, |[byte]: [u8; 1]| byte, &shape, &name)?;
                Data::Bool(array(&name, &shape, values.into_iter().map(|byte| byte != 0).collect())?)
            }
            _ => Data::Other,
        };
        let kind = kind.map_or_else(|_| format!("number {}", tensor.data_type), |kind| kind.as_str_name().to_owned());
        Ok(Self { name, shape, kind, data, exact: None })
    }

    /// A constant of the given elements. Floats have to be finite.
    pub fn new(name: &str, data: Data) -> Result<Self, OnnxError> {
        let (shape, kind) = match &data {
            Data::Float(values) => (values.shape().to_vec(), DataType::Float),
            Data::Int(values) => (values.shape().to_vec(), DataType::Int64),
            Data::Bool(values) => (values.shape().to_vec(), DataType::Bool),
            Data::Other => (Vec::new(), DataType::Undefined),
        };
        let name = printable(name);
        if let Data::Float(values) = &data {
            check_finite(&name, values.iter().copied().map(f64::from))?;
        }
        Ok(Self { name, shape, kind: kind.as_str_name().to_owned(), data, exact: None })
    }

    /// A list of integers, such as a shape.
    pub fn list(name: &str, values: Vec<i64>) -> Self {
        let (name, shape) = (printable(name), vec![values.len()]);
        let data = Data::Int(ndarray::Array1::from(values).into_dyn());
        Self { name, shape, kind: DataType::Int64.as_str_name().to_owned(), data, exact: None }
    }

    /// The elements as floats.
    pub fn floats(&self) -> Result<&ArrayD<f32>, OnnxError> {
        match &self.data {
            // With operands of half precision the results are to be rounded to it as well.
            Data::Float(values) if self.kind != DataType::Float16.as_str_name() => Ok(values),
            _ => Err(self.type_error("FLOAT or DOUBLE")),
        }
    }

    /// The elements as floats, where it does not matter that they may have half precision.
    pub fn floats_or_halves(&self) -> Result<&ArrayD<f32>, OnnxError> {
        match &self.data {
            Data::Float(values) => Ok(values),
            _ => Err(self.type_error("FLOAT, DOUBLE or FLOAT16")),
        }
    }

    /// The elements as integers.
    pub fn ints(&self) -> Result<Vec<i64>, OnnxError> {
        match &self.data {
            Data::Int(values) => Ok(values.iter().copied().collect()),
            _ => Err(self.type_error("INT64 or INT32")),
        }
    }

    /// The error for elements of another type than `expected`.
    pub fn type_error(&self, expected: &'static str) -> OnnxError {
        OnnxError::ElementType { tensor: self.name.clone(), got: self.kind.clone(), expected }
    }
}

fn read_dims(dims: &[i64], name: &str) -> Result<Vec<usize>, OnnxError> {
    if dims.len() > MAX_RANK {
        let what = format!("tensor `{name}` has {} axes", dims.len());
        return Err(OnnxError::TooLarge { what, limit: format!("{MAX_RANK} axes") });
    }
    let shape: Vec<usize> = dims
        .iter()
        .map(|&dim| usize::try_from(dim))
        .collect::<Result<_, _>>()
        .map_err(|_| OnnxError::malformed(format!("tensor `{name}` has a negative size in its shape {dims:?}")))?;
    match element_count(&shape) {
        Some(count) if count <= MAX_ELEMENTS => Ok(shape),
        _ => Err(OnnxError::TooLarge {
            what: format!("tensor `{name}` has the shape {shape:?}"),
            limit: format!("{MAX_ELEMENTS} elements"),
        }),
    }
}

/// The elements of a tensor, which are either in the field of their type or packed in `raw_data`, little-endian.
fn elements<T: Copy, const SIZE: usize>(
    tensor: &TensorProto,
    typed: &[T],
    decode: fn([u8; SIZE]) -> T,
    shape: &[usize],
    name: &str,
) -> Result<Vec<T>, OnnxError> {
    let (raw, rest) = tensor.raw_data.as_chunks::<SIZE>();
    let values: Vec<T> = if tensor.raw_data.is_empty() {
        typed.to_vec()
    } else if typed.is_empty() && rest.is_empty() {
        raw.iter().map(|&bytes| decode(bytes)).collect()
    } else {
        return Err(OnnxError::malformed(format!(
            "tensor `{name}` stores its values twice or ends within a value; the file may be damaged"
        )));
    };
    if element_count(shape) == Some(values.len()) {
        return Ok(values);
    }
    Err(OnnxError::malformed(format!(
        "tensor `{name}` has the shape {shape:?} but holds {} values; the file may be damaged",
        values.len()
    )))
}

/// A float of half precision: 5 bits of exponent, 10 of mantissa.
fn half(bits: u16) -> f32 {
    let (exponent, mantissa) = (i32::from(bits >> 10 & 0x1f), f32::from(bits & 0x3ff));
    let size = match exponent {
        0 => mantissa * 2f32.powi(-24),
        31 if mantissa == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        _ => (1024.0 + mantissa) * 2f32.powi(exponent - 25),
    };
    if bits >> 15 == 1 { -size } else { size }
}

/// Integers of 8 or 16 bits. Those that are not packed stand in a field of 32 bits.
fn narrow<const SIZE: usize>(
    tensor: &TensorProto,
    decode: fn([u8; SIZE]) -> i64,
    shape: &[usize],
    name: &str,
) -> Result<ArrayD<i64>, OnnxError> {
    let typed: Vec<i64> = tensor.int32_data.iter().map(|&value| value.into()).collect();
    // Packed again and read, a value that the type holds stays what it is.
    let is_narrow = |value: i64| value.to_le_bytes().first_chunk().is_some_and(|&bytes| decode(bytes) == value);
    match typed.iter().find(|&&value| !is_narrow(value)) {
        None => array(name, shape, elements(tensor, &typed, decode, shape, name)?),
        Some(value) => {
            let reason = format!("tensor `{name}` holds {value}, which its type does not; the file may be damaged");
            Err(OnnxError::malformed(reason))
        }
    }
}

/// Floats as an array, if each of them is a finite number in single precision.
fn finite<T: Copy>(name: &str, shape: &[usize], values: Vec<T>, widen: fn(T) -> f64) -> Result<ArrayD<f32>, OnnxError> {
    check_finite(name, values.iter().map(|&value| widen(value)))?;
    array(name, shape, values.into_iter().map(|value| widen(value) as f32).collect())
}

fn check_finite(name: &str, values: impl Iterator<Item = f64>) -> Result<(), OnnxError> {
    match values.enumerate().find(|(_, value)| !(*value as f32).is_finite()) {
        None => Ok(()),
        Some((index, value)) => Err(OnnxError::NonFinite { tensor: name.to_owned(), index, value }),
    }
}

fn array<T>(name: &str, shape: &[usize], values: Vec<T>) -> Result<ArrayD<T>, OnnxError> {
    ArrayD::from_shape_vec(IxDyn(shape), values)
        .map_err(|error| OnnxError::malformed(format!("tensor `{name}` does not have the shape {shape:?}: {error}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tensor(kind: DataType, dims: &[i64]) -> TensorProto {
        TensorProto { data_type: kind as i32, dims: dims.to_vec(), ..Default::default() }
    }

    #[test]
    fn packed_and_typed_values_are_read_alike() {
        let typed = TensorProto { float_data: vec![1.5, -2.0], ..tensor(DataType::Float, &[2, 1]) };
        let raw_data = [1.5f32, -2.0].iter().flat_map(|value| value.to_le_bytes()).collect();
        let packed = TensorProto { raw_data, ..tensor(DataType::Float, &[2, 1]) };
        let raw_data = [1.5f64, -2.0].iter().flat_map(|value| value.to_le_bytes()).collect();
        let double = TensorProto { raw_data, ..tensor(DataType::Double, &[2, 1]) };
        let expected = Constant::read(&typed, "w").unwrap();
        assert_eq!(expected.floats().unwrap(), &ndarray::array![[1.5], [-2.0]].into_dyn());
        assert_eq!(Constant::read(&packed, "w").unwrap().data, expected.data);
        assert_eq!(Constant::read(&double, "w").unwrap().data, expected.data);
    }

    #[test]
    fn half_precision_is_read_exactly() {
        let cases =
            [(0x3c00, 1.0), (0xc000, -2.0), (0x3555, 0.333_251_95), (0x0001, 5.960_464_5e-8), (0x7bff, 65504.0)];
        for (bits, expected) in cases {
            assert_eq!(half(bits), expected);
        }
        let bits = vec![0x3c00, 0x3555];
        let typed = TensorProto { int32_data: bits, ..tensor(DataType::Float16, &[2]) };
        let constant = Constant::read(&typed, "w").unwrap();
        assert_eq!(constant.floats_or_halves().unwrap(), &ndarray::array![1.0, 0.333_251_95].into_dyn());
        assert!(matches!(constant.floats(), Err(OnnxError::ElementType { .. })));
        let wild = TensorProto { int32_data: vec![0x7c00], ..tensor(DataType::Float16, &[1]) };
        assert!(matches!(Constant::read(&wild, "w"), Err(OnnxError::NonFinite { .. })));
    }

    #[test]
    fn lengths_that_do_not_fit_are_refused() {
        let short = TensorProto { float_data: vec![1.0], ..tensor(DataType::Float, &[2]) };
        let ragged = TensorProto { raw_data: vec![0; 7], ..tensor(DataType::Float, &[2]) };
        let twice = TensorProto { raw_data: vec![0; 8], float_data: vec![1.0, 2.0], ..tensor(DataType::Float, &[2]) };
        let negative = TensorProto { float_data: vec![1.0], ..tensor(DataType::Float, &[-1]) };
        for bad in [short, ragged, twice, negative] {
            assert!(matches!(Constant::read(&bad, "w"), Err(OnnxError::Malformed { .. })), "{bad:?}");
        }
    }

    #[test]
    fn large_and_overflowing_shapes_are_refused_before_anything_is_allocated() {
        for dims in [vec![1 << 29], vec![1 << 40, 1 << 40], vec![1; 9]] {
            let bad = tensor(DataType::Float, &dims);
            assert!(matches!(Constant::read(&bad, "w"), Err(OnnxError::TooLarge { .. })));
        }
    }

    #[test]
    fn a_double_that_single_precision_cannot_hold_is_refused() {
        let bad = TensorProto { double_data: vec![0.0, 1e300], ..tensor(DataType::Double, &[2]) };
        let error = Constant::read(&bad, "w").unwrap_err();
        assert!(matches!(error, OnnxError::NonFinite { index: 1, .. }), "{error}");
    }

    #[test]
    fn other_element_types_matter_only_when_they_are_used() {
        let other = Constant::read(&tensor(DataType::Bfloat16, &[2]), "w").unwrap();
        assert!(matches!(other.floats(), Err(OnnxError::ElementType { .. })));
        let unknown = Constant::read(&TensorProto { data_type: 99, ..Default::default() }, "w").unwrap();
        assert_eq!(
            unknown.ints().unwrap_err().to_string(),
            "tensor `w` has elements of type number 99; expected INT64 or INT32: convert the model"
        );
    }

    #[test]
    fn booleans_are_read_from_either_field() {
        let typed = TensorProto { int32_data: vec![1], ..tensor(DataType::Bool, &[]) };
        let packed = TensorProto { raw_data: vec![1], ..tensor(DataType::Bool, &[]) };
        for tensor in [typed, packed] {
            assert_eq!(Constant::read(&tensor, "t").unwrap().data, Data::Bool(ndarray::arr0(true).into_dyn()));
        }
    }
}

//! What nodes make of constants alone. Exporters compute weights and shapes in this way.
//!
//! Sizes are checked before memory is taken: a few bytes of a file may ask for a large tensor.

use ndarray::{ArrayD, Axis, IxDyn, Zip, concatenate};

use super::broadcast::broadcast_shape;
use super::constant::{Constant, Data};
use super::draft::MAX_RANK;
use super::error::OnnxError;
use crate::graph::MAX_ELEMENTS;

/// An operator of two operands, element by element.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Arithmetic {
    Add,
    Sub,
    Mul,
    Div,
    Max,
    Min,
}

/// The same work on the elements of any type.
macro_rules! for_each_type {
    ($constant:expr, $array:ident => $work:expr) => {
        match &$constant.data {
            Data::Float($array) => Data::Float($work),
            Data::Int($array) => Data::Int($work),
            Data::Bool($array) => Data::Bool($work),
            Data::Other => return Err($constant.type_error(TYPES)),
        }
    };
}

const TYPES: &str = "FLOAT, DOUBLE, INT64, INT32 or BOOL";

impl Constant {
    /// The same elements under a shape with as many of them.
    pub fn reshaped(&self, shape: &[usize]) -> Result<Self, OnnxError> {
        self.check_size(shape)?;
        let fault =
            |error| OnnxError::malformed(format!("tensor `{}` cannot take the shape {shape:?}: {error}", self.name));
        let data = for_each_type!(self, array => array.to_shape(IxDyn(shape)).map_err(fault)?.into_owned());
        let exact = self.exact.as_ref().and_then(|exact| exact.reshaped(shape));
        Ok(Self { exact, ..self.with(data, shape.to_vec()) })
    }

    /// With axis `i` of the result being axis `perm[i]`; the caller checked that it is a permutation.
    pub fn transposed(&self, perm: &[usize]) -> Result<Self, OnnxError> {
        let data = for_each_type!(self, array => {
            array.view().permuted_axes(IxDyn(perm)).as_standard_layout().into_owned()
        });
        let shape = perm.iter().filter_map(|&axis| self.shape.get(axis).copied()).collect();
        let exact = self.exact.as_ref().map(|exact| exact.transposed(perm));
        Ok(Self { exact, ..self.with(data, shape) })
    }

    /// An axis of `count` indices: index `i` is index `source(i)` of this tensor, or `fill`.
    pub fn taken(
        &self,
        axis: usize,
        count: usize,
        source: impl Fn(usize) -> Option<usize>,
        fill: f32,
    ) -> Result<Self, OnnxError> {
        let mut shape = self.shape.clone();
        match shape.get_mut(axis) {
            Some(size) => *size = count,
            None => return Err(OnnxError::malformed(format!("tensor `{}` has no axis {axis}", self.name))),
        }
        self.check_size(&shape)?;
        let data = match &self.data {
            Data::Float(array) => Data::Float(take(array, axis, &source, fill, &shape)),
            Data::Int(array) => Data::Int(take(array, axis, &source, fill as i64, &shape)),
            Data::Bool(array) => Data::Bool(take(array, axis, &source, fill != 0.0, &shape)),
            Data::Other => return Err(self.type_error(TYPES)),
        };
        let exact = self
            .exact
            .as_ref()
            .filter(|exact| fill == 0.0 && exact.is_free(axis))
            .map(|exact| exact.with(take(&exact.integers, axis, source, 0, &shape)));
        Ok(Self { exact, ..self.with(data, shape) })
    }

    /// One or more tensors of one type, one after the other on an axis.
    pub fn joined(name: &str, parts: &[&Constant], axis: usize) -> Result<Self, OnnxError> {
        let Some((first, rest)) = parts.split_first() else {
            return Err(OnnxError::malformed(format!("node `{name}` joins no tensors")));
        };
        let mut shape = first.shape.clone();
        if let Some(size) = shape.get_mut(axis) {
            *size = parts.iter().filter_map(|part| part.shape.get(axis)).fold(0, |sum, size| sum.saturating_add(*size));
        }
        first.check_size(&shape)?;
        if let Some(other) = rest.iter().find(|part| part.kind_of_data() != first.kind_of_data()) {
            return Err(other.type_error(first.kind_of_data()));
        }
        let fault = |error| OnnxError::malformed(format!("node `{name}` joins tensors that do not fit: {error}"));
        let data = match &first.data {
            Data::Float(_) => Data::Float(join(parts, axis, |part| part.floats().ok()).map_err(fault)?),
            Data::Int(_) => Data::Int(join(parts, axis, Constant::int_array).map_err(fault)?),
            Data::Bool(_) => Data::Bool(join(parts, axis, Constant::bool_array).map_err(fault)?),
            Data::Other => return Err(first.type_error(TYPES)),
        };
        Constant::new(name, data)
    }

    /// Each element by itself, in doubles; the result has to be finite.
    pub fn mapped(&self, name: &str, function: impl Fn(f64) -> f64) -> Result<Self, OnnxError> {
        Constant::new(name, Data::Float(self.floats()?.mapv(|value| function(f64::from(value)) as f32)))
    }

    /// Two constants of one type, broadcast to each other.
    pub fn combined(name: &str, operator: Arithmetic, left: &Self, right: &Self) -> Result<Self, OnnxError> {
        let fault = || {
            let (left, right) = (&left.shape, &right.shape);
            OnnxError::malformed(format!("node `{name}` combines constants of shapes {left:?} and {right:?}"))
        };
        let shape = broadcast_shape(&left.shape, &right.shape).ok_or_else(fault)?;
        left.check_size(&shape)?;
        // That of the other types wraps around, or is rounded, at fewer bits.
        let is_wide = |one: &&Self| matches!(one.kind.as_str(), "FLOAT" | "DOUBLE" | "INT64" | "INT32" | "BOOL");
        if let Some(narrow) = [left, right].into_iter().find(|one| !is_wide(one)) {
            return Err(narrow.type_error("FLOAT, DOUBLE, INT64 or INT32"));
        }
        let data = match (&left.data, &right.data) {
            (Data::Float(left), Data::Float(right)) => {
                let results = combine(left, right, &shape, |left, right| operator.floats(*left, *right));
                Data::Float(results.ok_or_else(fault)?)
            }
            (Data::Int(left), Data::Int(right)) => {
                let results = combine(left, right, &shape, |left, right| operator.ints(*left, *right));
                let results = results.ok_or_else(fault)?;
                if results.iter().any(Option::is_none) {
                    let reason = format!("node `{name}` overflows or divides by zero; repair the model");
                    return Err(OnnxError::malformed(reason));
                }
                Data::Int(results.mapv(Option::unwrap_or_default))
            }
            (Data::Float(_), _) => return Err(right.type_error("FLOAT or DOUBLE, as the other operand")),
            (Data::Int(_), _) => return Err(right.type_error("INT64 or INT32, as the other operand")),
            _ => return Err(left.type_error("FLOAT, DOUBLE, INT64 or INT32")),
        };
        Constant::new(name, data)
    }

    /// A tensor filled with the only element of this one.
    pub fn filling(&self, shape: &[usize]) -> Result<Self, OnnxError> {
        self.check_size(shape)?;
        let fault = || OnnxError::malformed(format!("tensor `{}` has to hold exactly one value", self.name));
        if self.shape.iter().any(|&size| size != 1) {
            return Err(fault());
        }
        let data = for_each_type!(self, array => {
            ArrayD::from_elem(IxDyn(shape), array.first().copied().ok_or_else(fault)?)
        });
        Ok(self.with(data, shape.to_vec()))
    }

    /// As floats; integers that single precision cannot hold are rounded.
    pub fn to_floats(&self) -> Result<Self, OnnxError> {
        let data = match &self.data {
            Data::Float(array) => array.clone(),
            Data::Int(array) => array.mapv(|value| value as f32),
            Data::Bool(array) => array.mapv(|value| f32::from(u8::from(value))),
            Data::Other => return Err(self.type_error(TYPES)),
        };
        Constant::new(&self.name, Data::Float(data))
    }

    /// As integers; fractions are cut off, and what does not fit becomes the nearest integer that does.
    pub fn to_ints(&self) -> Result<Self, OnnxError> {
        let data = match &self.data {
            Data::Float(array) => array.mapv(|value| value as i64),
            Data::Int(array) => array.clone(),
            Data::Bool(array) => array.mapv(i64::from),
            Data::Other => return Err(self.type_error(TYPES)),
        };
        Constant::new(&self.name, Data::Int(data))
    }

    /// As truth values: what is not zero is true.
    pub fn to_bools(&self) -> Result<Self, OnnxError> {
        let data = match &self.data {
            Data::Float(array) => array.mapv(|value| value != 0.0),
            Data::Int(array) => array.mapv(|value| value != 0),
            Data::Bool(array) => array.clone(),
            Data::Other => return Err(self.type_error(TYPES)),
        };
        Constant::new(&self.name, Data::Bool(data))
    }

    fn with(&self, data: Data, shape: Vec<usize>) -> Self {
        Self { name: self.name.clone(), kind: self.kind.clone(), shape, data, exact: None }
    }

    fn kind_of_data(&self) -> &'static str {
        match &self.data {
            Data::Float(_) => "FLOAT or DOUBLE",
            Data::Int(_) => "INT64 or INT32",
            Data::Bool(_) => "BOOL",
            Data::Other => "another type",
        }
    }

    fn int_array(&self) -> Option<&ArrayD<i64>> {
        if let Data::Int(array) = &self.data { Some(array) } else { None }
    }

    fn bool_array(&self) -> Option<&ArrayD<bool>> {
        if let Data::Bool(array) = &self.data { Some(array) } else { None }
    }

    /// An empty axis does not excuse the others: the array type bounds their product as well.
    fn check_size(&self, shape: &[usize]) -> Result<(), OnnxError> {
        let size = shape.iter().filter(|&&size| size > 0).try_fold(1usize, |product, &size| product.checked_mul(size));
        if shape.len() <= MAX_RANK && size.is_some_and(|size| size <= MAX_ELEMENTS) {
            return Ok(());
        }
        Err(OnnxError::TooLarge {
            what: format!("tensor `{}` becomes one of shape {:?}", self.name, shape.get(..MAX_RANK).unwrap_or(shape)),
            limit: format!("{MAX_RANK} axes and {MAX_ELEMENTS} elements"),
        })
    }
}

impl Arithmetic {
    fn floats(self, left: f32, right: f32) -> f32 {
        match self {
            Arithmetic::Add => left + right,
            Arithmetic::Sub => left - right,
            Arithmetic::Mul => left * right,
            Arithmetic::Div => left / right,
            Arithmetic::Max => left.max(right),
            Arithmetic::Min => left.min(right),
        }
    }

    /// `None` on overflow and division by zero; quotients are cut off towards zero, as in ONNX.
    fn ints(self, left: i64, right: i64) -> Option<i64> {
        match self {
            Arithmetic::Add => left.checked_add(right),
            Arithmetic::Sub => left.checked_sub(right),
            Arithmetic::Mul => left.checked_mul(right),
            Arithmetic::Div => left.checked_div(right),
            Arithmetic::Max => Some(left.max(right)),
            Arithmetic::Min => Some(left.min(right)),
        }
    }
}

fn take<T: Clone>(
    array: &ArrayD<T>,
    axis: usize,
    source: impl Fn(usize) -> Option<usize>,
    fill: T,
    shape: &[usize],
) -> ArrayD<T> {
    let mut result = ArrayD::from_elem(IxDyn(shape), fill);
    let length = array.len_of(Axis(axis));
    for (index, mut target) in result.axis_iter_mut(Axis(axis)).enumerate() {
        if let Some(index) = source(index).filter(|&index| index < length) {
            target.assign(&array.index_axis(Axis(axis), index));
        }
    }
    result
}

fn join<'a, T: Clone + 'a>(
    parts: &[&'a Constant],
    axis: usize,
    read: impl Fn(&'a Constant) -> Option<&'a ArrayD<T>>,
) -> Result<ArrayD<T>, ndarray::ShapeError> {
    let views: Vec<_> = parts.iter().filter_map(|part| read(part)).map(|array| array.view()).collect();
    if views.first().is_none_or(|view| axis >= view.ndim()) {
        return Err(ndarray::ShapeError::from_kind(ndarray::ErrorKind::OutOfBounds));
    }
    concatenate(Axis(axis), &views).map(|joined| joined.as_standard_layout().into_owned())
}

/// Both operands broadcast to `shape`, then element by element; `None` if one of them does not broadcast.
fn combine<T, R: Clone>(
    left: &ArrayD<T>,
    right: &ArrayD<T>,
    shape: &[usize],
    work: impl Fn(&T, &T) -> R,
) -> Option<ArrayD<R>> {
    let (left, right) = (left.broadcast(IxDyn(shape))?, right.broadcast(IxDyn(shape))?);
    // The result of `Zip` inherits the layout of its operands, which broadcasting may have turned.
    Some(Zip::from(&left).and(&right).map_collect(work).as_standard_layout().into_owned())
}

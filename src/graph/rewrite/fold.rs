//! The algebra of folding: what a scale and a shift after an operation make of it.

use ndarray::{Array, Array1, ArrayD, Axis, Dimension, IxDyn, RemoveAxis};

use super::Op;

/// `y = factors * x + summands`, element by element.
///
/// Both arrays have the rank of the node and broadcast to its shape. They are in double precision because the two
/// terms of a folded bias often nearly cancel.
pub(super) struct Affine {
    factors: ArrayD<f64>,
    summands: ArrayD<f64>,
}

impl Affine {
    /// What an operation of a node of this rank computes; `None` if it is not of this kind.
    pub(super) fn of(op: &Op, rank: usize) -> Option<Self> {
        let everywhere = |value: f64| ArrayD::from_elem(vec![1; rank], value);
        match op {
            Op::ScaleShift { scale, shift } => {
                Some(Self { factors: along_axis_0(scale, rank), summands: along_axis_0(shift, rank) })
            }
            Op::AddConstant { values } => Some(Self { factors: everywhere(1.0), summands: values.mapv(f64::from) }),
            Op::MulConstant { values } => Some(Self { factors: values.mapv(f64::from), summands: everywhere(0.0) }),
            _ => None,
        }
    }

    /// `-x` for a node of this rank.
    pub(super) fn negation(rank: usize) -> Self {
        Self { factors: ArrayD::from_elem(vec![1; rank], -1.0), summands: ArrayD::zeros(vec![1; rank]) }
    }

    pub(super) fn is_identity(&self) -> bool {
        self.factors.iter().all(|&factor| factor == 1.0) && self.summands.iter().all(|&summand| summand == 0.0)
    }

    /// `next` of `self`.
    fn then(&self, next: &Self) -> Self {
        Self { factors: &next.factors * &self.factors, summands: &(&next.factors * &self.summands) + &next.summands }
    }

    /// The normal form, for a node of this shape; `None` if no single operation computes it with finite numbers.
    ///
    /// Where axis 0 decides, that is an [`Op::ScaleShift`], but for an addition to anything other than an image: only
    /// the channels of an image share a summand.
    pub(super) fn into_op(self, shape: &[usize]) -> Option<Op> {
        let factors = self.factors.mapv(|factor| factor as f32);
        let summands = self.summands.mapv(|summand| summand as f32);
        if !all_finite(&factors) || !all_finite(&summands) {
            return None;
        }
        let channels = *shape.first()?;
        let (scale, shift) = (per_channel(&factors, channels), per_channel(&summands, channels));
        let full = |values: &ArrayD<f32>| Some(values.broadcast(IxDyn(shape))?.to_owned());
        let only_adds = factors.iter().all(|&factor| factor == 1.0);
        match (scale, shift) {
            (_, shift) if only_adds && (shift.is_none() || shape.len() != 3) => {
                Some(Op::AddConstant { values: full(&summands)? })
            }
            (Some(scale), Some(shift)) => Some(Op::ScaleShift { scale, shift }),
            _ if summands.iter().all(|&summand| summand == 0.0) => Some(Op::MulConstant { values: full(&factors)? }),
            _ => None,
        }
    }
}

/// The operation that computes `next` of `op`; `shape` is that of both. `None` if there is no single one, or not with
/// finite parameters.
pub(super) fn fold(op: &Op, next: &Affine, shape: &[usize]) -> Option<Op> {
    match op {
        Op::Dense { weights, bias } => {
            let (weights, bias) = fold_into_layer(weights, bias, next)?;
            Some(Op::Dense { weights, bias })
        }
        Op::Conv { weights, bias, strides, pads, dilations, groups } => {
            let (weights, bias) = fold_into_layer(weights, bias, next)?;
            let (strides, pads, dilations, groups) = (*strides, *pads, *dilations, *groups);
            Some(Op::Conv { weights, bias, strides, pads, dilations, groups })
        }
        _ => Affine::of(op, shape.len())?.then(next).into_op(shape),
    }
}

/// Axis 0 of the weights and of the bias is that of the result, also in a convolution with groups.
fn fold_into_layer<D: RemoveAxis>(
    weights: &Array<f32, D>,
    bias: &Array1<f32>,
    next: &Affine,
) -> Option<(Array<f32, D>, Array1<f32>)> {
    let factors = per_channel(&next.factors, bias.len())?;
    let summands = per_channel(&next.summands, bias.len())?;
    let mut weights = weights.clone();
    for (mut row, factor) in weights.axis_iter_mut(Axis(0)).zip(&factors) {
        row.mapv_inplace(|weight| (f64::from(weight) * factor) as f32);
    }
    let bias: Array1<f32> = bias
        .iter()
        .zip(factors.iter().zip(&summands))
        .map(|(&value, (factor, summand))| (f64::from(value) * factor + summand) as f32)
        .collect();
    (all_finite(&weights) && all_finite(&bias)).then_some((weights, bias))
}

fn along_axis_0(values: &[f32], rank: usize) -> ArrayD<f64> {
    let mut shape = vec![1; rank];
    shape[0] = values.len();
    ArrayD::from_shape_fn(shape, |at| f64::from(values[at[0]]))
}

/// The values by index of axis 0, if they do not vary within one. An axis 0 of length 1 stands for any.
fn per_channel<T: Copy + PartialEq>(values: &ArrayD<T>, channels: usize) -> Option<Vec<T>> {
    let constant = |channel: ndarray::ArrayViewD<T>| {
        let first = *channel.first()?;
        channel.iter().all(|&value| value == first).then_some(first)
    };
    let by_index: Vec<T> = values.axis_iter(Axis(0)).map(constant).collect::<Option<_>>()?;
    Some(if let [only] = by_index[..] { vec![only; channels] } else { by_index })
}

fn all_finite<D: Dimension>(values: &Array<f32, D>) -> bool {
    values.iter().all(|value| value.is_finite())
}

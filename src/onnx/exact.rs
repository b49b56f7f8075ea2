//! The integers behind constant floats, for models that come quantised.

use ndarray::{ArrayD, Axis, IxDyn};

use super::constant::{Constant, Data};
use super::error::OnnxError;
use super::integers::{INTEGERS, IntegerType};

/// Constant floats as integers times steps.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Exact {
    /// Without the zero point, and of the shape of the constant.
    pub integers: ArrayD<i32>,
    /// One step for all, or one for each index of `axis`.
    steps: Vec<f32>,
    axis: usize,
}

impl Exact {
    /// A step for each index of an axis, if steps differ along no other.
    pub fn steps_on(&self, axis: usize) -> Option<Vec<f32>> {
        let length = *self.integers.shape().get(axis)?;
        match self.steps.as_slice() {
            &[step] => Some(vec![step; length]),
            steps => (self.axis == axis).then(|| steps.to_vec()),
        }
    }

    /// Other integers under the same steps.
    pub fn with(&self, integers: ArrayD<i32>) -> Self {
        Self { integers, steps: self.steps.clone(), axis: self.axis }
    }

    /// Whether elements may move along an axis: it is not the one of the steps.
    pub fn is_free(&self, axis: usize) -> bool {
        self.steps.len() == 1 || self.axis != axis
    }

    /// With axis `i` of the result being axis `perm[i]`, a permutation.
    pub fn transposed(&self, perm: &[usize]) -> Self {
        let integers = self.integers.view().permuted_axes(IxDyn(perm)).as_standard_layout().into_owned();
        let axis = perm.iter().position(|&axis| axis == self.axis).unwrap_or(0);
        Self { integers, steps: self.steps.clone(), axis }
    }

    /// Under another shape with as many elements; `None` if the axis of the steps is lost.
    pub fn reshaped(&self, shape: &[usize]) -> Option<Self> {
        let integers = self.integers.to_shape(IxDyn(shape)).ok()?.into_owned();
        let axis = match self.steps.len() {
            1 => 0,
            // Elements are in one order before and after, so the axis is the one with as many in front of it.
            length => {
                let before: usize = self.integers.shape().iter().take(self.axis).product();
                (0..shape.len()).find(|&axis| {
                    shape.get(axis) == Some(&length) && shape.iter().take(axis).product::<usize>() == before
                })?
            }
        };
        Some(Self { integers, steps: self.steps.clone(), axis })
    }
}

impl Constant {
    /// `(q - zero point) * scale` for a tensor of integers. There is one scale and one zero point, or one of them for
    /// each index of an axis.
    pub fn times_scales(&self, scales: &[f32], zero_points: &[i32], axis: usize) -> Result<Self, OnnxError> {
        let (Data::Int(integers), Some(_)) = (&self.data, IntegerType::from_name(&self.kind)) else {
            return Err(self.type_error(INTEGERS));
        };
        let (one_scale, one_point) =
            (scales.first().copied().unwrap_or(1.0), zero_points.first().copied().unwrap_or(0));
        let mut shifted = integers.clone();
        let mut floats = ArrayD::zeros(integers.raw_dim());
        let length = integers.shape().get(axis).copied().unwrap_or(1);
        for index in 0..length {
            let scale = scales.get(index).copied().filter(|_| scales.len() > 1).unwrap_or(one_scale);
            let point = zero_points.get(index).copied().filter(|_| zero_points.len() > 1).unwrap_or(one_point);
            let write = |mut own: ndarray::ArrayViewMutD<i64>, mut floats: ndarray::ArrayViewMutD<f32>| {
                own.mapv_inplace(|value| value - i64::from(point));
                // In single precision, as the standard has it.
                floats.zip_mut_with(&own, |float, &value| *float = value as f32 * scale);
            };
            if axis < integers.ndim() {
                let at = Axis(axis);
                write(shifted.index_axis_mut(at, index), floats.index_axis_mut(at, index));
            } else {
                write(shifted.view_mut(), floats.view_mut());
            }
        }
        let fits = shifted.iter().all(|&value| i32::try_from(value).is_ok());
        let steps = scales.to_vec();
        let exact = Exact { integers: shifted.mapv(|value| value as i32), steps, axis };
        let constant = Constant::new(&self.name, Data::Float(floats))?;
        Ok(Constant { exact: (fits && !scales.is_empty()).then_some(exact), ..constant })
    }

    /// Floats rounded to a tensor of integers, with one scale and one zero point, or one of them for each index of an
    /// axis.
    pub fn quantised(
        &self,
        scales: &[f32],
        zero_points: &[i32],
        axis: usize,
        kind: IntegerType,
    ) -> Result<Self, OnnxError> {
        let values = match &self.data {
            Data::Int(values) => values.mapv(|value| value as f32),
            _ => self.floats()?.clone(),
        };
        let (lo, hi) = kind.range();
        let pick = |index: usize, count: usize| if count > 1 { index } else { 0 };
        let integers = ArrayD::from_shape_fn(values.raw_dim(), |at| {
            let index = if axis < values.ndim() { at[axis] } else { 0 };
            let scale = scales.get(pick(index, scales.len())).copied().unwrap_or(1.0);
            let point = zero_points.get(pick(index, zero_points.len())).copied().unwrap_or(0);
            let quotient = (values[&at] / scale).round_ties_even() as i64;
            quotient.saturating_add(point.into()).clamp(lo.into(), hi.into())
        });
        let constant = Constant::new(&self.name, Data::Int(integers))?;
        Ok(Constant { kind: kind.name().to_owned(), ..constant })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use ndarray::array;

    fn constant() -> Constant {
        let integers = array![[1i64, 2, 3], [-4, 5, 127]].into_dyn();
        Constant { kind: "INT8".into(), ..Constant::new("w", Data::Int(integers)).unwrap() }
    }

    #[test]
    fn scales_and_zero_points_of_an_axis() {
        let real = constant().times_scales(&[0.5, 2.0], &[1, -1], 0).unwrap();
        assert_eq!(real.floats().unwrap(), &array![[0.0, 0.5, 1.0], [-6.0, 12.0, 256.0]].into_dyn());
        let exact = real.exact.clone().unwrap();
        assert_eq!(exact.integers, array![[0, 1, 2], [-3, 6, 128]].into_dyn());
        assert_eq!((exact.steps_on(0), exact.steps_on(1)), (Some(vec![0.5, 2.0]), None));
        let turned = real.transposed(&[1, 0]).unwrap().exact.unwrap();
        assert_eq!((turned.steps_on(0), turned.steps_on(1)), (None, Some(vec![0.5, 2.0])));
        assert_eq!(turned.integers, array![[0, -3], [1, 6], [2, 128]].into_dyn());
        let back = real.quantised(&[0.5, 2.0], &[1, -1], 0, IntegerType::Int8).unwrap();
        assert_eq!((back.data, back.kind), (constant().data, "INT8".to_owned()));
    }

    #[test]
    fn reshapes_keep_the_axis_of_the_steps_or_lose_them() {
        let real = constant().times_scales(&[0.5, 2.0, 1.0], &[0], 1).unwrap();
        let reshaped = |shape: &[usize]| real.reshaped(shape).unwrap().exact;
        assert_eq!(reshaped(&[1, 2, 1, 3]).unwrap().steps_on(3), Some(vec![0.5, 2.0, 1.0]));
        assert_eq!(reshaped(&[3, 2]), None);
        assert_eq!(reshaped(&[6]), None);
        let uniform = constant().times_scales(&[0.5], &[0], 1).unwrap();
        assert_eq!(uniform.reshaped(&[6]).unwrap().exact.unwrap().steps_on(0), Some(vec![0.5; 6]));
    }

    #[test]
    fn only_integers_have_scales() {
        let floats = Constant::new("w", Data::Float(array![1.0].into_dyn())).unwrap();
        assert!(floats.times_scales(&[1.0], &[0], 0).is_err());
        // Shapes and indices are no quantised tensors.
        assert!(Constant::list("w", vec![1]).times_scales(&[1.0], &[0], 0).is_err());
    }
}

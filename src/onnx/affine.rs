//! Constant factors and summands of an activation.

use ndarray::{ArrayD, IxDyn, arr0};

use super::broadcast::{aligned, expanded};
use super::context::{Context, Stop};
use super::draft::{Operand, dropped_axes};
use crate::graph::Op;

impl Context<'_> {
    /// `x + values`, where the values broadcast to `x`.
    pub fn add_constant(&mut self, x: &Operand, values: &ArrayD<f32>) -> Result<Operand, Stop> {
        if let Some(shift) = per_channel(values, &x.shape) {
            return self.elementwise(Op::ScaleShift { scale: vec![1.0; shift.len()], shift }, &[x]);
        }
        let values = self.expand_constant(values, x)?;
        self.elementwise(Op::AddConstant { values }, &[x])
    }

    /// `x * values`, where the values broadcast to `x`.
    pub fn mul_constant(&mut self, x: &Operand, values: &ArrayD<f32>) -> Result<Operand, Stop> {
        if let Some(scale) = per_channel(values, &x.shape) {
            return self.elementwise(Op::ScaleShift { shift: vec![0.0; scale.len()], scale }, &[x]);
        }
        let values = self.expand_constant(values, x)?;
        self.elementwise(Op::MulConstant { values }, &[x])
    }

    /// `scale * x + shift`, where both broadcast to `x`.
    pub fn scale_shift(&mut self, x: &Operand, scale: &ArrayD<f32>, shift: &ArrayD<f32>) -> Result<Operand, Stop> {
        if let (Some(scale), Some(shift)) = (per_channel(scale, &x.shape), per_channel(shift, &x.shape)) {
            return self.elementwise(Op::ScaleShift { scale, shift }, &[x]);
        }
        let scaled = self.mul_constant(x, scale)?;
        self.add_constant(&scaled, shift)
    }

    /// `values - x`, where the values broadcast to `x`.
    pub fn subtract_from(&mut self, values: &ArrayD<f32>, x: &Operand) -> Result<Operand, Stop> {
        self.scale_shift(x, &arr0(-1.0).into_dyn(), values)
    }

    fn expand_constant(&self, values: &ArrayD<f32>, x: &Operand) -> Result<ArrayD<f32>, Stop> {
        let own = aligned(values.shape(), x.shape.len()).get(dropped_axes(&x.shape)..).map(<[usize]>::to_vec);
        let full = own
            .and_then(|own| values.to_shape(IxDyn(&own)).ok())
            .and_then(|values| expanded(&values.into_owned(), self.draft.shape(x.id)));
        full.ok_or_else(|| {
            let got = format!("one of shape {:?}", values.shape());
            self.shape_error(format!("a constant that broadcasts to {:?}", x.shape), got)
        })
    }
}

/// One value for each index of the first axis in the graph, if the values differ along no other axis.
fn per_channel(values: &ArrayD<f32>, shape: &[usize]) -> Option<Vec<f32>> {
    let dropped = dropped_axes(shape);
    let own = aligned(values.shape(), shape.len());
    let (front, inner) = own.split_at_checked(dropped)?;
    let channels = *shape.get(dropped)?;
    let fits = front.iter().all(|&size| size == 1) && inner.iter().skip(1).all(|&size| size == 1);
    match inner.first() {
        Some(&size) if fits && own.len() == shape.len() && size == channels => Some(values.iter().copied().collect()),
        Some(1) if fits && own.len() == shape.len() => values.first().map(|&value| vec![value; channels]),
        _ => None,
    }
}

//! Some axes of a value as rows: what reductions, `ArgMax`, `TopK` and `Softmax` have in common.

use crate::onnx::context::{Context, Stop};
use crate::onnx::draft::Operand;

/// A value under the shape `[1, 1, rows, length]`: its chosen axes run along the rows, the others count them.
pub(super) struct Rows {
    /// The value itself.
    pub x: Operand,
    /// Elements of a row.
    pub length: usize,
    shape: Vec<usize>,
    axes: Vec<usize>,
}

impl Rows {
    /// Moves the axes to the end, in ascending order.
    pub fn new(context: &mut Context<'_>, x: &Operand, mut axes: Vec<usize>) -> Result<Self, Stop> {
        axes.sort_unstable();
        let shape = x.shape.clone();
        let moved = context.transpose(x, &Self::order(&shape, &axes))?;
        let length: usize = axes.iter().filter_map(|&axis| shape.get(axis)).product();
        let count = context.fits(&shape)? / length.max(1);
        let x = context.reshape(&moved, vec![1, 1, count, length])?;
        Ok(Self { x, length, shape, axes })
    }

    /// The axes that count rows, then those that run along them.
    fn order(shape: &[usize], axes: &[usize]) -> Vec<usize> {
        (0..shape.len()).filter(|axis| !axes.contains(axis)).chain(axes.iter().copied()).collect()
    }

    /// One value for each row, of shape `[1, 1, rows, 1]`, under the shape of a reduction.
    pub fn reduced(&self, context: &mut Context<'_>, y: &Operand, keeps_axes: bool) -> Result<Operand, Stop> {
        let sizes = self.shape.iter().enumerate().filter_map(|(axis, &size)| match self.axes.contains(&axis) {
            true => keeps_axes.then_some(1),
            false => Some(size),
        });
        let shape = sizes.collect();
        context.reshape(y, shape)
    }

    /// One value for each row, repeated along the row.
    pub fn spread(&self, context: &mut Context<'_>, y: &Operand) -> Result<Operand, Stop> {
        context.take(y, 3, self.length, |_| Some(0), 0.0)
    }

    /// Values for all elements of the rows, with the axes where they were. Rows along a single axis may have another
    /// length than before.
    pub fn restored(&self, context: &mut Context<'_>, y: &Operand) -> Result<Operand, Stop> {
        let order = Self::order(&self.shape, &self.axes);
        let mut shape: Vec<usize> = order.iter().filter_map(|&axis| self.shape.get(axis).copied()).collect();
        if let (&[_], Some(size)) = (self.axes.as_slice(), shape.last_mut()) {
            *size = y.shape.last().copied().unwrap_or(1);
        }
        let y = context.reshape(y, shape)?;
        let mut back = vec![0; order.len()];
        for (place, &axis) in order.iter().enumerate() {
            if let Some(source) = back.get_mut(axis) {
                *source = place;
            }
        }
        context.transpose(&y, &back)
    }
}

//! A constant matrix applied along an axis: what products with weights and interpolations have in common.

use ndarray::Ix2;

use super::context::{Context, Stop};
use super::draft::Operand;
use super::layer::Layer;
use crate::graph::{Op, Window};

impl Context<'_> {
    /// `y = W x + b` for each vector that lies along an axis; the kernels are the matrix `W`, of shape `[out, in]`.
    ///
    /// A single vector of floats is a [`Op::Dense`]. Several are the pixels of an image of `in` channels, and `W` is a
    /// 1x1 convolution.
    pub fn along_axis(&mut self, x: &Operand, axis: usize, layer: Layer) -> Result<Operand, Stop> {
        let &[outputs, inputs] = layer.shape() else {
            return Err(self.shape_error("a matrix", format!("weights of shape {:?}", layer.shape())));
        };
        let Some((before, &[length, ref after @ ..])) = x.shape.split_at_checked(axis) else {
            return Err(self.shape_error(format!("an axis below {}", x.shape.len()), format!("{axis}")));
        };
        if length != inputs {
            return Err(
                self.shape_error(format!("weights for {length} inputs"), format!("weights for {inputs} inputs"))
            );
        }
        let shape = [before, &[outputs], after].concat();
        let (before, after): (usize, usize) = (before.iter().product(), after.iter().product());
        let fault = |context: &Self| context.shape_error("a matrix", "other weights");
        let layer = match layer {
            Layer::Float { kernels, bias } if before * after == 1 => {
                let weights = kernels.into_dimensionality::<Ix2>().map_err(|_| fault(self))?;
                let weights = weights.as_standard_layout().into_owned();
                let x = self.reshape(x, vec![1, inputs])?;
                let y = self.on_sample(Op::Dense { weights, bias }, &x)?;
                return self.reshape(&y, shape);
            }
            layer => layer.reshaped(self, &[outputs, inputs, 1, 1])?,
        };
        let x = self.reshape(x, vec![1, before, inputs, after])?;
        let image = self.transpose(&x, &[0, 2, 1, 3])?;
        let op = layer.into_op(Window::tiles([1, 1]), 1).ok_or_else(|| fault(self))?;
        let y = self.on_sample(op, &image)?;
        let y = self.transpose(&y, &[0, 2, 1, 3])?;
        self.reshape(&y, shape)
    }
}

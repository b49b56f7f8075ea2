//! A constant matrix applied along an axis: what products with weights and interpolations have in common.

use ndarray::{Array1, Array2, Axis};

use super::context::{Context, Stop};
use super::draft::Operand;
use crate::graph::Op;

impl Context<'_> {
    /// `y = W x + b` for each vector that lies along an axis; `weights` are `[out, in]`.
    ///
    /// A single vector is a [`Op::Dense`]. Several are the pixels of an image of `in` channels, and `W` is a 1x1
    /// convolution.
    pub fn along_axis(
        &mut self,
        x: &Operand,
        axis: usize,
        weights: Array2<f32>,
        bias: Array1<f32>,
    ) -> Result<Operand, Stop> {
        let (outputs, inputs) = weights.dim();
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
        let weights = weights.as_standard_layout().into_owned();
        if before * after == 1 {
            let x = self.reshape(x, vec![1, inputs])?;
            let y = self.on_sample(Op::Dense { weights, bias }, &x)?;
            return self.reshape(&y, shape);
        }
        let x = self.reshape(x, vec![1, before, inputs, after])?;
        let image = self.transpose(&x, &[0, 2, 1, 3])?;
        let weights = weights.insert_axis(Axis(2)).insert_axis(Axis(3));
        let op = Op::Conv { weights, bias, strides: [1, 1], pads: [0; 4], dilations: [1, 1], groups: 1 };
        let y = self.on_sample(op, &image)?;
        let y = self.transpose(&y, &[0, 2, 1, 3])?;
        self.reshape(&y, shape)
    }
}

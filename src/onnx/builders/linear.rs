//! Matrix products with a constant factor: `Gemm` and `MatMul`.

use ndarray::{Array1, arr0};

use super::elementwise::combine;
use crate::graph::Window;
use crate::onnx::broadcast::{aligned, broadcast_shape};
use crate::onnx::constant::Constant;
use crate::onnx::context::{Built, Context, Stop, Tensor};
use crate::onnx::draft::Operand;
use crate::onnx::fold::Arithmetic;
use crate::onnx::layer::Layer;

/// `Y = alpha A B + beta C` with one constant matrix.
pub(in crate::onnx) fn gemm(context: &mut Context<'_>) -> Result<Built, Stop> {
    let alpha = context.float("alpha", 1.0);
    let beta = context.float("beta", 1.0);
    let is_turned = [context.int("transA", 0) != 0, context.int("transB", 0) != 0];
    context.finish_attributes()?;
    context.expect_inputs(2, 3)?;
    let (a, b) = (context.required(0)?, context.required(1)?);
    let c = context.optional(2)?;
    for factor in [&a, &b] {
        if factor.shape().len() != 2 {
            return Err(context.shape_error("two matrices", format!("a factor of shape {:?}", factor.shape())));
        }
    }
    let turn =
        |context: &mut Context<'_>, x, is_turned| if is_turned { context.transpose_any(x, &[1, 0]) } else { Ok(x) };
    let a = turn(context, a, is_turned[0])?;
    let b = turn(context, b, is_turned[1])?;
    let columns = b.shape().get(1).copied().unwrap_or(1);
    let target = [a.shape().first().copied().unwrap_or(1), columns];
    if let Some(c) = c.as_ref().filter(|c| broadcast_shape(&target, c.shape()).as_deref() != Some(&target)) {
        let expected = format!("a bias that broadcasts to {target:?}");
        return Err(context.shape_error(expected, format!("shape {:?}", c.shape())));
    }
    match (a, b) {
        (Tensor::Activation(x), Tensor::Constant(b)) => {
            let weights = matrix(context, &b)?.transposed(&[1, 0])?;
            let weights = scaled(context, weights, alpha)?;
            let source = c.clone();
            let (bias, rest) = column_bias(context, c, beta, columns)?;
            let source = source.as_ref().filter(|_| rest.is_none() && beta == 1.0).and_then(|c| match c {
                Tensor::Constant(c) => Some(c.as_ref()),
                Tensor::Activation(_) => None,
            });
            let layer = context.layer(&x, &weights, bias, source)?;
            let y = context.along_axis(&x, 1, layer)?;
            add_scaled(context, y, rest, beta)
        }
        (Tensor::Constant(a), Tensor::Activation(x)) => {
            let weights = matrix(context, &a)?;
            let weights = scaled(context, weights, alpha)?;
            let layer = unbiased(context, &x, &weights)?;
            let y = context.along_axis(&x, 0, layer)?;
            add_scaled(context, y, c, beta)
        }
        (a, _) => Err(refuse_product(context, &a)),
    }
}

/// `Y = A B`, with one or several constant matrices and any number of axes in front of the other factor.
pub(in crate::onnx) fn matmul(context: &mut Context<'_>) -> Result<Built, Stop> {
    context.finish_attributes()?;
    context.expect_inputs(2, 2)?;
    let (a, b) = (context.required(0)?, context.required(1)?);
    match (a, b) {
        (Tensor::Activation(x), Tensor::Constant(b)) => {
            Ok(times_constant(context, &x, &b, |context, x, weights| unbiased(context, x, weights))?.into())
        }
        (Tensor::Constant(a), Tensor::Activation(x)) if is_batched(&a) => {
            let columns = match x.shape.as_slice() {
                &[length] => context.reshape(&x, vec![length, 1])?,
                _ => x.clone(),
            };
            let y = batched(context, &columns, &a, |context, x, weights| unbiased(context, x, weights))?;
            Ok(if x.shape.len() == 1 { without_axis(context, &y, 0)? } else { y }.into())
        }
        (Tensor::Constant(a), Tensor::Activation(x)) => {
            let axis = x.shape.len().saturating_sub(2);
            let weights = match a.shape.len() {
                1 => matrix(context, &a.reshaped(&[1, a.shape.iter().product()])?)?,
                _ => matrix(context, &a)?,
            };
            let layer = unbiased(context, &x, &weights)?;
            Ok(product(context, &x, axis, layer, a.shape.len())?.into())
        }
        (a, _) => Err(refuse_product(context, &a)),
    }
}

/// `X B` with a constant `B`. `layer` makes a layer on an operand of weights whose axis 0 counts the results.
pub(super) fn times_constant(
    context: &mut Context<'_>,
    x: &Operand,
    b: &Constant,
    layer: impl FnOnce(&mut Context<'_>, &Operand, &Constant) -> Result<Layer, Stop>,
) -> Result<Operand, Stop> {
    if !is_batched(b) {
        let weights = column_matrix(context, b)?;
        let layer = layer(context, x, &weights)?;
        return product(context, x, x.shape.len().saturating_sub(1), layer, b.shape.len());
    }
    let rows = match x.shape.as_slice() {
        &[length] => context.reshape(x, vec![1, length])?,
        _ => x.clone(),
    };
    let columns = context.transpose(&rows, &last_two_exchanged(rows.shape.len()))?;
    let y = batched(context, &columns, &b.transposed(&last_two_exchanged(b.shape.len()))?, layer)?;
    let y = context.transpose(&y, &last_two_exchanged(y.shape.len()))?;
    if x.shape.len() == 1 { without_axis(context, &y, 1) } else { Ok(y) }
}

/// Whether a constant is several matrices.
fn is_batched(constant: &Constant) -> bool {
    constant.shape.iter().rev().skip(2).any(|&size| size != 1)
}

/// Several products `W X` of constant matrices `[.., out, in]` and matrices `[.., in, columns]`, whose axes in front
/// broadcast: one convolution with as many groups, of an image with a row for each column.
fn batched(
    context: &mut Context<'_>,
    x: &Operand,
    weights: &Constant,
    layer: impl FnOnce(&mut Context<'_>, &Operand, &Constant) -> Result<Layer, Stop>,
) -> Result<Operand, Stop> {
    let (&[ref front @ .., inputs, columns], &[ref own @ .., outputs, depth]) =
        (x.shape.as_slice(), weights.shape.as_slice())
    else {
        return Err(context.shape_error("matrices", format!("{:?} and {:?}", x.shape, weights.shape)));
    };
    if inputs != depth {
        return Err(context.shape_error(format!("weights for {inputs} inputs"), format!("weights for {depth} inputs")));
    }
    let batch = context.broadcast(front, own)?;
    let count = context.fits(&[&batch[..], &[outputs.max(inputs), columns.max(depth)]].concat())?
        / (outputs.max(inputs) * columns.max(depth));
    let x = context.expand(x, &[&batch[..], &[inputs, columns]].concat())?;
    let image = context.reshape(&x, vec![1, count * inputs, columns, 1])?;
    let mut kernels = weights.reshaped(&aligned(&weights.shape, batch.len() + 2))?;
    for (axis, &size) in
        batch.iter().enumerate().filter(|&(axis, &size)| kernels.shape.get(axis) != Some(&size)).collect::<Vec<_>>()
    {
        kernels = kernels.taken(axis, size, |_| Some(0), 0.0)?;
    }
    let kernels = kernels.reshaped(&[count * outputs, inputs, 1, 1])?;
    let Some(op) = layer(context, &image, &kernels)?.into_op(Window::tiles([1, 1]), count) else {
        return Err(context.shape_error("matrices", format!("{:?}", weights.shape)));
    };
    let y = context.on_sample(op, &image)?;
    context.reshape(&y, [&batch[..], &[outputs, columns]].concat())
}

fn last_two_exchanged(rank: usize) -> Vec<usize> {
    let mut perm: Vec<usize> = (0..rank).collect();
    if rank >= 2 {
        perm.swap(rank - 2, rank - 1);
    }
    perm
}

/// Without an axis of size 1, counted from the last one.
fn without_axis(context: &mut Context<'_>, y: &Operand, from_last: usize) -> Result<Operand, Stop> {
    let mut shape = y.shape.clone();
    shape.remove(shape.len() - 1 - from_last);
    context.reshape(y, shape)
}

/// The second factor of a product as a matrix to apply to rows: `[columns, in]`.
fn column_matrix(context: &mut Context<'_>, b: &Constant) -> Result<Constant, Stop> {
    match b.shape.len() {
        // A vector is a column, which leaves no axis in the result.
        1 => matrix(context, &b.reshaped(&[1, b.shape.iter().product()])?),
        _ => Ok(matrix(context, b)?.transposed(&[1, 0])?),
    }
}

fn unbiased(context: &Context<'_>, x: &Operand, weights: &Constant) -> Result<Layer, Stop> {
    context.layer(x, weights, Array1::zeros(weights.shape.first().copied().unwrap_or(0)), None)
}

/// Applies a matrix to an axis; `rank` is that of the constant it was made from. The axis of a constant vector
/// disappears, the axes of size 1 in front of a constant matrix appear in the result.
fn product(context: &mut Context<'_>, x: &Operand, axis: usize, layer: Layer, rank: usize) -> Result<Operand, Stop> {
    let y = context.along_axis(x, axis, layer)?;
    let mut shape = y.shape.clone();
    match rank {
        1 => drop(shape.remove(axis)),
        rank if x.shape.len() > 1 => shape = aligned(&shape, rank),
        rank => shape = [vec![1; rank - 2], shape].concat(),
    }
    context.reshape(&y, shape)
}

fn refuse_product(context: &mut Context<'_>, first: &Tensor) -> Stop {
    let what = if matches!(first, Tensor::Activation(_)) { "activations" } else { "constants" };
    let reason = format!(
        "got a product of two {what}, expected an activation and a constant matrix; \
         only products with the weights of a layer are supported"
    );
    context.refuse(None, reason)
}

/// A constant as a matrix; axes of size 1 in front of it do not matter.
fn matrix(context: &mut Context<'_>, constant: &Constant) -> Result<Constant, Stop> {
    if let Some((front, own)) = constant.shape.split_at_checked(constant.shape.len().saturating_sub(2))
        && own.len() == 2
        && front.iter().all(|&size| size == 1)
    {
        return Ok(constant.reshaped(own)?);
    }
    let reason = format!("the weights `{}` have the shape {:?}, expected a matrix", constant.name, constant.shape);
    Err(context.refuse(None, reason))
}

fn scaled(context: &mut Context<'_>, weights: Constant, alpha: f32) -> Result<Constant, Stop> {
    if alpha == 1.0 {
        return Ok(weights);
    }
    if let Ok(weights) = weights.mapped(&context.name, |value| value * f64::from(alpha)) {
        return Ok(weights);
    }
    Err(context
        .refuse(Some("alpha"), "it makes a weight infinite, expected a smaller factor; scale the weights instead"))
}

/// `beta C` as a bias for each column, if `C` is a constant row; else zeros and `C` itself.
fn column_bias(
    context: &mut Context<'_>,
    c: Option<Tensor>,
    beta: f32,
    columns: usize,
) -> Result<(Array1<f32>, Option<Tensor>), Stop> {
    let zeros = Array1::zeros(columns);
    let constant = match c {
        Some(Tensor::Constant(constant)) if aligned(&constant.shape, 2).first() == Some(&1) => constant,
        other => return Ok((zeros, other)),
    };
    let row = constant.floats()?.broadcast((1, columns)).map(|row| row.row(0).mapv(|value| value * beta));
    let row = row.unwrap_or(zeros);
    if row.iter().all(|value| value.is_finite()) {
        return Ok((row, None));
    }
    Err(context.refuse(Some("beta"), "it makes a bias infinite, expected a smaller factor; scale the bias instead"))
}

fn add_scaled(context: &mut Context<'_>, y: Operand, c: Option<Tensor>, beta: f32) -> Result<Built, Stop> {
    let scaled = match c {
        None => return Ok(y.into()),
        Some(Tensor::Activation(c)) if beta != 1.0 => context.mul_constant(&c, &arr0(beta).into_dyn())?.into(),
        Some(Tensor::Constant(c)) => c.mapped(&context.name, |value| value * f64::from(beta))?.into(),
        Some(c) => c,
    };
    Ok(combine(context, Arithmetic::Add, y.into(), scaled)?.into())
}
